//! What the operator's overlay says of models and prices holds on the wire: from the start, and after a change of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bedrock_inference::app;
use bedrock_inference::catalog::Catalog;
use bedrock_inference::config::{OverlayFile, Settings, TenantSettings, UnpricedModels};
use bedrock_inference::price::Prices;
use bedrock_inference::principal::Policy;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ConverseRequest, GetModelRequest, InferenceConfiguration, ListModelsRequest,
    Route, WarningKind,
};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::apart::Apart;
use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason};
use crate::the_command_line_works::process::{file, program, run};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

const NINE: &str = "anthropic.claude-nine-v1:0";
const ARN: &str = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3d4e5f6";
const PROVISIONED: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

/// A model of the Claude family that nobody else knows.
const NEW: &str = r#"
as_of = "2026-11-24"

[[model]]
family = "claude"
id = "anthropic.claude-nine-v1:0"
provider = "anthropic"
profiles = ["us"]
on_demand = false
limits = { max_input_tokens = 200000, max_output_tokens = 64000 }
capabilities = ["converse", "invoke", "streaming", "system", "tools", "prompt_caching"]
lifecycle = { status = "active" }
price = [{ at = ["us"], default = { input = "7", output = "70" }, basis = "AWS's page" }]
"#;

/// Nova Lite, at this price of input.
fn nova(input: &str) -> String {
    format!(
        "as_of = \"2026-11-24\"\n[[model]]\nid = {NOVA:?}\n\
         price = [{{ at = [\"on-demand\"], default = {{ input = {input:?}, output = \"1\" }}, basis = \"ours\" }}]\n"
    )
}

fn overlay(text: &str) -> Option<OverlayFile> {
    Some(file("overlay.toml", text).into())
}

async fn stage(text: &str) -> Stage {
    let stage = Stage::open_with(|settings| settings.overlay = overlay(text)).await;
    stage.emulator.stand_for(&format!("us.{NINE}"), &format!("us.{CLAUDE}"));
    stage.emulator.stand_for(ARN, &format!("us.{CLAUDE}"));
    stage.emulator.stand_for(PROVISIONED, NOVA);
    stage
}

async fn call(channel: &Channel, request: ConverseRequest) -> CallReport {
    InferenceClient::new(channel.clone()).converse(request).await.unwrap().into_inner().call.unwrap()
}

/// Asserts what input and output cost in this report, in pico-USD a token.
#[track_caller]
fn costs(report: &CallReport, [input, output]: [i64; 2], what: &str) {
    let tokens = report.tokens.as_ref().unwrap();
    let cost = report.cost.as_ref().unwrap_or_else(|| panic!("{what}: {:?}", report.warnings));
    assert_eq!(cost.pico_usd, tokens.input * input + tokens.output * output, "{what}: {cost:?}");
    assert!(tokens.input > 0 && tokens.output > 0, "{what}: {tokens:?}");
}

/// Sends settings with another overlay, and waits until prices are not those of this version any more.
async fn renewed(stage: &Stage, text: &str, before: &str) -> CallReport {
    stage.settings.send_modify(|settings| settings.overlay = overlay(text));
    let taken = async {
        loop {
            let report = call(&stage.channel, ask(NOVA, "hi")).await;
            if version(&report) != before {
                return report;
            }
        }
    };
    timeout(SOON, taken).await.expect("the new settings are not taken")
}

fn version(report: &CallReport) -> String {
    report.cost.as_ref().unwrap().price_version.clone()
}

#[tokio::test]
async fn a_new_model_is_called_by_its_family_and_has_its_price() {
    let stage = stage(NEW).await;
    for route in [Route::Native, Route::Converse] {
        for id in [NINE.to_owned(), format!("us.{NINE}")] {
            let options = Some(CallOptions { route: route.into(), ..CallOptions::default() });
            let report = call(&stage.channel, ConverseRequest { options, ..ask(&id, "hello") }).await;
            costs(&report, [7_000_000, 70_000_000], &format!("{id} by {route:?}"));
            assert_eq!((report.model.as_str(), report.route()), (NINE, route));
            assert!(version(&report).starts_with("2026-11-22+2026-11-24-"), "{}", version(&report));
        }
    }
    let ending = stage.stream(ask_stream(NINE, "hello")).await;
    costs(ending.reports()[0], [7_000_000, 70_000_000], "stream");

    let request = ListModelsRequest { family: "claude".to_owned(), ..ListModelsRequest::default() };
    let listed = stage.models().list_models(request).await.unwrap().into_inner().models;
    let nine = listed.iter().find(|model| model.model_id == NINE).unwrap();
    assert_eq!((nine.prices[0].input.as_str(), nine.limits.unwrap().max_output_tokens), ("7", 64_000));
    // It is validated like any other.
    let mut request = ask(NINE, "hello");
    request.inference_config =
        Some(InferenceConfiguration { max_tokens: Some(64_001), ..Default::default() });
    let status = stage.inference().converse(request).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_REQUEST");
}

/// Aliases, residency, tenants' lists and settings of single models know what the overlay adds.
#[tokio::test]
async fn the_other_settings_hold_for_its_models() {
    let rest = r#"
        residency = ["us"]
        [aliases.newest]
        targets = [{ model = "anthropic.claude-nine-v1:0" }, { model = "ARN" }]
        [tenants.a]
        models = ["anthropic.claude-nine-*"]
        [models."anthropic.claude-nine-v1:0".timeouts]
        total = "20m"
        "#
    .replace("ARN", ARN);
    let text = format!("{NEW}[[arn]]\narn = {ARN:?}\nmodel = \"us.{NINE}\"\n");
    let path = file("overlay.toml", &text);
    let settings = Settings::parse(Some(&format!("overlay = {path:?}\n{rest}"))).unwrap();
    let home = app::home(&settings, "us-east-1");
    let catalog = app::catalog(&settings, &home).unwrap();
    let policy = Policy::from(&settings.tenants["a"]);
    for (asked, targets) in [("newest", 2), (NINE, 1), (ARN, 1)] {
        assert_eq!(catalog.choose_for(&policy, asked, &home).unwrap().targets.len(), targets, "{asked}");
    }
    let own = TenantSettings { models: Some(vec![ARN.to_owned()]), ..TenantSettings::default() };
    let own = Policy::from(&own);
    for (asked, targets) in [("newest", Some(1)), (ARN, Some(1)), (NINE, None)] {
        let found = catalog.choose_for(&own, asked, &home).ok().map(|choice| choice.targets.len());
        assert_eq!(found, targets, "{asked}");
    }
    let other = app::home(&settings, "eu-west-1");
    assert!(app::catalog(&settings, &other).unwrap_err().contains("aliases.newest"));
}

#[tokio::test]
async fn a_corrected_price_shows_on_the_next_reply() {
    let stage = stage("").await;
    let built_in = call(&stage.channel, ask(NOVA, "hi")).await;
    costs(&built_in, [60_000, 240_000], "built in");
    assert_eq!(version(&built_in), Prices::new(&Catalog::built_in().unwrap()).version());
    let mut before = version(&built_in);
    for (text, rates) in [
        (nova("5"), [5_000_000, 1_000_000]),
        (nova("0.5"), [500_000, 1_000_000]),
        (String::new(), [60_000, 240_000]),
    ] {
        let report = renewed(&stage, &text, &before).await;
        costs(&report, rates, &text);
        before = version(&report);
    }
    assert_eq!(before, version(&built_in));
}

/// I17: what the operator takes away is not believed any more.
#[tokio::test]
async fn a_price_that_is_taken_away_is_not_guessed() {
    let text = format!("as_of = \"2026-11-24\"\n[[model]]\nid = {NOVA:?}\nunpriced = [\"us\"]\n");
    let stage = Stage::open_with(|settings| {
        settings.overlay = overlay(&text);
        settings.unpriced_models = UnpricedModels::Refuse;
    })
    .await;
    let status = stage.inference().converse(ask(&format!("us.{NOVA}"), "hi")).await.unwrap_err();
    assert_eq!(reason(&status), "MODEL_NOT_PRICED");
    costs(&call(&stage.channel, ask(NOVA, "hi")).await, [60_000, 240_000], "another place");
    assert_eq!(stage.emulator.calls().len(), 1);
}

#[tokio::test]
async fn an_arn_of_ones_own_is_called_and_priced_as_the_overlay_says() {
    let arns = |price: &str| {
        format!(
            "as_of = \"2026-11-24\"\n[[arn]]\narn = {ARN:?}\nmodel = \"us.{CLAUDE}\"\n\
             [[arn]]\narn = {PROVISIONED:?}\nmodel = {NOVA:?}\n{price}"
        )
    };
    let stage =
        stage(&arns("price = { default = { input = \"2\", output = \"3\" }, basis = \"ours\" }\n")).await;
    let report = call(&stage.channel, ask(ARN, "hi")).await;
    costs(&report, [3_300_000, 16_500_000], "like its profile");
    assert_eq!((report.model.as_str(), report.region.as_str()), (CLAUDE, "us-west-2"));
    assert_eq!(stage.emulator.calls()[0].model_id, ARN);
    costs(&call(&stage.channel, ask(PROVISIONED, "hi")).await, [2_000_000, 3_000_000], "its own");
    costs(&call(&stage.channel, ask(NOVA, "hi")).await, [60_000, 240_000], "its model");
    let request = GetModelRequest { model_id: ARN.to_owned() };
    let found = stage.models().get_model(request).await.unwrap().into_inner();
    assert_eq!((found.resolved_model_id.as_str(), found.region.as_str()), (ARN, "us-west-2"));

    // Paid by the hour: what a token costs elsewhere says nothing.
    let bare = self::stage(&arns("")).await;
    let report = call(&bare.channel, ask(PROVISIONED, "hi")).await;
    assert!(report.cost.is_none(), "{:?}", report.cost);
    assert!(report.warnings.iter().any(|warning| warning.kind() == WarningKind::Unpriced));
    let status = Stage::open().await.inference().converse(ask(ARN, "hi")).await.unwrap_err();
    assert_eq!(reason(&status), "MODEL_NOT_FOUND");
}

/// A configuration that names an overlay of this content.
fn configured(overlay: &Path) -> std::path::PathBuf {
    file("gateway.toml", &format!("overlay = {overlay:?}\nroute = \"converse\"\n"))
}

const TAKEN: &str = "the configuration was read again";
const REFUSED: &str = "the new configuration is refused; the old one is kept";

/// I16: by SIGHUP; what is wrong is told with its place, and the old prices hold.
#[tokio::test]
async fn a_bad_overlay_keeps_the_old_one() {
    let path = file("overlay.toml", &nova("5"));
    let apart = Apart::configured(&configured(&path), &[("BEDROCK_INFERENCE_RELOAD", "600s")]).await;
    let channel = apart.channel().await;
    costs(&call(&channel, ask(NOVA, "hi")).await, [5_000_000, 1_000_000], "at the start");
    let bad = nova("6").replace("basis", "bases").replace("output = \"1\"", "output = \"one\"");
    for (text, words) in [
        (bad.as_str(), ["overlay.toml: model", "price[0]: basis: is missing", "default: output: "]),
        ("[[model]\n", ["overlay.toml: line 1", "", ""]),
    ] {
        fs::write(&path, text).unwrap();
        apart.service.signal("HUP");
        let told = apart.service.says(REFUSED);
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
        costs(&call(&channel, ask(NOVA, "hi")).await, [5_000_000, 1_000_000], "kept");
    }
    fs::remove_file(&path).unwrap();
    apart.service.signal("HUP");
    assert!(
        apart.service.says("the configuration cannot be used; the old one is kept").contains("overlay: ")
    );
    costs(&call(&channel, ask(NOVA, "hi")).await, [5_000_000, 1_000_000], "kept");
    fs::write(&path, nova("6")).unwrap();
    apart.service.signal("HUP");
    assert!(apart.service.says(TAKEN).contains("overlay"));
    costs(&call(&channel, ask(NOVA, "hi")).await, [6_000_000, 1_000_000], "corrected");
}

/// I16: by looking at the overlay alone; a mistake is told once.
#[tokio::test]
async fn a_changed_overlay_is_a_change() {
    let path = file("overlay.toml", &nova("5"));
    let apart = Apart::configured(&configured(&path), &[("BEDROCK_INFERENCE_RELOAD", "5ms")]).await;
    let channel = apart.channel().await;
    fs::write(&path, nova("6")).unwrap();
    assert!(apart.service.says(TAKEN).contains("overlay"));
    costs(&call(&channel, ask(NOVA, "hi")).await, [6_000_000, 1_000_000], "changed");
    fs::write(&path, nova("much")).unwrap();
    apart.service.says(REFUSED);
    for _ in 0..50 {
        // Many looks at the file go by.
        costs(&call(&channel, ask(NOVA, "hi")).await, [6_000_000, 1_000_000], "kept");
    }
    fs::write(&path, nova("7")).unwrap();
    let next = apart.service.says_one_of(&[TAKEN, REFUSED]);
    assert!(next.contains(TAKEN), "told again: {next}");
    costs(&call(&channel, ask(NOVA, "hi")).await, [7_000_000, 1_000_000], "good again");
}

#[test]
fn the_commands_know_it() {
    let good = configured(&file("overlay.toml", NEW));
    let config = |path: &Path| path.to_str().unwrap().to_owned();
    let check = |path: &Path| {
        run(program(&["check", "--config", &config(path)]).env("BEDROCK_INFERENCE_UPSTREAM", "emulator"))
    };
    let told = check(&good).good();
    assert!(told.contains("overlay.toml taken"), "{told}");
    let lines = run(&mut program(&["models", "--json", "--config", &config(&good)])).good();
    let nine = lines.lines().find(|line| line.contains(NINE)).unwrap();
    assert!(nine.contains("\"input\":\"7\"") && nine.contains("AWS's page"), "{nine}");
    assert!(!run(&mut program(&["models", "--json"])).good().contains(NINE));

    let bad = configured(&file(
        "overlay.toml",
        &NEW.replace("claude\"", "cloud\"").replace("on_demand", "on_demnad"),
    ));
    let words =
        ["family: \"cloud\" is none; there are claude, generic, nova, titan", "on_demnad: is not known here"];
    for told in [
        check(&bad).stdout,
        run(&mut program(&["models", "--config", &config(&bad)])).bad(2),
        run(&mut program(&["serve", "--upstream", "emulator", "--config", &config(&bad)])).bad(2),
    ] {
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
    }
    let gone = configured(Path::new("/nonexistent/overlay.toml"));
    let told = run(&mut program(&["serve", "--upstream", "emulator", "--config", &config(&gone)])).bad(2);
    assert!(told.contains("overlay: /nonexistent/overlay.toml: "), "{told}");
    assert_eq!(check(&bad).code, Some(2));
}

/// The price of an ARN holds for it alone, and the version is that of all prices.
#[test]
fn the_version_is_that_of_the_overlays_prices_too() {
    let version = |text: &str| {
        let settings = Settings { overlay: overlay(text), ..Settings::default() };
        Prices::new(&app::known(&settings).unwrap()).version().to_owned()
    };
    let built_in = version("");
    assert_eq!(built_in, version("as_of = \"2026-12-24\"\n"));
    // No price is another one.
    assert_eq!(built_in, version(&format!("[[model]]\nid = {NOVA:?}\nroute = \"converse\"\n")));
    let (five, six) = (version(&nova("5")), version(&nova("6")));
    assert!(five != six && [&five, &six].iter().all(|version| version.starts_with("2026-11-22+2026-11-24-")));
    let provisioned = |price: &str| {
        version(&format!(
            "as_of = \"2026-11-24\"\n[[arn]]\narn = {PROVISIONED:?}\nmodel = {NOVA:?}\n\
             price = {{ default = {{ input = {price:?} }}, basis = \"ours\" }}\n"
        ))
    };
    assert_ne!(provisioned("1"), provisioned("2"));
}

#[test]
fn the_documents_example_is_one() {
    let document = include_str!("../../docs/overlay.md");
    let example: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let settings = Settings { overlay: overlay(&example.join("\n")), ..Settings::default() };
    let catalog = app::known(&settings).unwrap();
    assert!(catalog.has(NINE));
    assert_eq!(catalog.arns().map(|(arn, _)| arn).collect::<Vec<_>>(), [PROVISIONED, ARN]);
}
