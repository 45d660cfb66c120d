//! Every form of a model id is found, and reaches Bedrock as what it stands for.

use bedrock_inference_proto::v1::{CallReport, GetModelRequest, ListModelsRequest, Model};
use tonic::Code;
use tonic_types::StatusExt;

use crate::stage::{NOVA, Stage, ask, ask_stream, reason};

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

/// An id as it is asked for, and what it must become.
struct Form {
    home: &'static str,
    geography: Option<&'static str>,
    asked: String,
    called: String,
    profile: &'static str,
    region: &'static str,
}

fn form(asked: impl Into<String>, called: impl Into<String>, profile: &'static str) -> Form {
    Form {
        home: "us-east-1",
        geography: None,
        asked: asked.into(),
        called: called.into(),
        profile,
        region: "us-east-1",
    }
}

fn forms() -> Vec<Form> {
    let us = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let eu = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let jp = "jp.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let global = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let profile_arn = format!("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{eu}");
    let nova_arn = format!("arn:aws:bedrock:us-west-2::foundation-model/{NOVA}");
    vec![
        form(NOVA, NOVA, ""),
        form("us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"),
        form(us, us, us),
        form(global, global, global),
        form(SONNET, us, us),
        Form { home: "eu-central-1", region: "eu-central-1", ..form(SONNET, eu, eu) },
        Form { home: "ap-northeast-1", region: "ap-northeast-1", ..form(SONNET, jp, jp) },
        Form { geography: Some("global"), ..form(SONNET, global, global) },
        Form { geography: Some("eu"), ..form(SONNET, eu, eu) },
        Form { region: "eu-west-1", ..form(profile_arn.clone(), profile_arn, eu) },
        Form { region: "us-west-2", ..form(nova_arn.clone(), nova_arn, "") },
        // The ARN of a model that is sold through profiles only is completed in the ARN's own region.
        Form {
            region: "eu-west-1",
            ..form(format!("arn:aws:bedrock:eu-west-1::foundation-model/{SONNET}"), eu, eu)
        },
    ]
}

async fn at(form: &Form) -> Stage {
    let (region, geography) = (form.home.to_owned(), form.geography.map(str::to_owned));
    Stage::open_with(|settings| {
        settings.aws.region = Some(region);
        settings.aws.geography = geography;
    })
    .await
}

fn base(form: &Form) -> &'static str {
    if form.asked.contains("nova") { NOVA } else { SONNET }
}

fn check_report(report: &CallReport, form: &Form) {
    let found = (&report.model_asked, &report.model, &report.inference_profile, &report.region);
    let expected = (&form.asked, &base(form).to_owned(), &form.profile.to_owned(), &form.region.to_owned());
    assert_eq!(found, expected);
    let attempt = &report.attempts[0];
    assert_eq!((&attempt.model_id, attempt.region.as_str()), (&form.called, form.region));
}

#[tokio::test]
async fn get_model_tells_what_a_call_would_reach() {
    for form in forms() {
        let stage = at(&form).await;
        let request = GetModelRequest { model_id: form.asked.clone() };
        let found = stage.models().get_model(request).await.unwrap().into_inner();
        assert_eq!(found.resolved_model_id, form.called, "{}", form.asked);
        assert_eq!(found.region, form.region, "{}", form.asked);
        assert_eq!(found.model.unwrap().model_id, base(&form), "{}", form.asked);
    }
}

#[tokio::test]
async fn a_call_reaches_bedrock_under_the_resolved_id() {
    for form in forms() {
        let stage = at(&form).await;
        let answer = stage.inference().converse(ask(&form.asked, "hello")).await.unwrap().into_inner();
        check_report(&answer.call.unwrap(), &form);
        let ending = stage.stream(ask_stream(&form.asked, "hello")).await;
        assert_eq!(ending.code(), Code::Ok, "{}: {:?}", form.asked, ending.status);
        check_report(ending.reports()[0], &form);
        let called: Vec<_> = stage.emulator.calls().into_iter().map(|call| call.model_id).collect();
        assert_eq!(called, [form.called.clone(), form.called.clone()], "{}", form.asked);
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_with_a_hint() {
    let stage = Stage::open().await;
    let long = "x".repeat(2000);
    let cases = [
        ("anthropic.claude-sonnet-4-5", "did you mean anthropic.claude-sonnet-4-5-20250929-v1:0 or"),
        ("nova-lite", NOVA),
        ("gpt-99", "ListModels"),
        ("us.", "no model"),
        ("", "ListModels"),
        (long.as_str(), "ListModels"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "ListModels"),
    ];
    for (asked, hint) in cases {
        let request = GetModelRequest { model_id: asked.to_owned() };
        let status = stage.models().get_model(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MODEL_NOT_FOUND"), "{asked}");
        assert!(status.message().contains(hint), "{asked}: {}", status.message());
        if asked.is_empty() {
            continue;
        }
        let status = stage.inference().converse(ask(asked, "hello")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MODEL_NOT_FOUND"), "{asked}");
        assert!(status.message().contains(hint), "{asked}: {}", status.message());
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn a_base_id_without_a_profile_at_home_names_the_profiles() {
    let stage = Stage::open_with(|settings| settings.aws.region = Some("me-central-1".to_owned())).await;
    let status = stage.inference().converse(ask(SONNET, "hello")).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "INFERENCE_PROFILE_REQUIRED")
    );
    assert!(status.message().contains("global.anthropic"), "{}", status.message());
    assert_eq!(stage.emulator.counts().started, 0);
}

async fn page(stage: &Stage, size: i32, token: &str, family: &str) -> (Vec<Model>, String) {
    let request =
        ListModelsRequest { page_size: size, page_token: token.to_owned(), family: family.to_owned() };
    let page = stage.models().list_models(request).await.unwrap().into_inner();
    (page.models, page.next_page_token)
}

/// Every page, one behind the other.
async fn walk(stage: &Stage, size: i32, family: &str) -> Vec<Model> {
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let (models, next) = page(stage, size, &token, family).await;
        assert!(!models.is_empty() && models.len() <= usize::try_from(size).unwrap());
        all.extend(models);
        if next.is_empty() {
            return all;
        }
        assert_ne!(next, token);
        token = next;
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_every_model_once() {
    let stage = Stage::open().await;
    let (all, token) = page(&stage, 1000, "", "").await;
    assert_eq!(token, "");
    let (first, token) = page(&stage, 0, "", "").await;
    assert_eq!((first.as_slice(), token.as_str()), (&all[..100], all[99].model_id.as_str()));
    assert!(all.iter().any(|model| model.model_id == NOVA));
    assert!(all.is_sorted_by(|a, b| a.model_id < b.model_id));
    let count = i32::try_from(all.len()).unwrap();
    for size in [1, 7, count - 1, count, count + 1, 1000, 1001, i32::MAX] {
        assert_eq!(walk(&stage, size, "").await, all, "pages of {size}");
    }
}

#[tokio::test]
async fn a_family_is_listed_alone() {
    let stage = Stage::open().await;
    let (all, _) = page(&stage, 1000, "", "").await;
    for family in ["claude", "generic", "nova", "titan"] {
        let expected: Vec<_> = all.iter().filter(|model| model.family == family).cloned().collect();
        assert!(!expected.is_empty(), "{family}");
        assert_eq!(walk(&stage, 2, family).await, expected, "{family}");
    }
    assert_eq!(page(&stage, 0, "", "dinosaurs").await, (Vec::new(), String::new()));
}

#[tokio::test]
async fn a_model_tells_by_which_ways_it_can_be_called() {
    let stage = Stage::open().await;
    let (all, _) = page(&stage, 1000, "", "").await;
    for Model { model_id, family, capabilities, .. } in all {
        let can = capabilities.unwrap();
        assert!(can.converse || family == "generic", "{model_id}");
        assert!(can.invoke || family == "generic" || model_id == "anthropic.claude-mythos-5-1", "{model_id}");
    }
    for (id, converse, invoke) in [
        ("amazon.titan-embed-text-v2:0", false, true),
        ("mistral.pixtral-large-2502-v1:0", true, true),
        ("openai.gpt-5.6-sol", true, false),
    ] {
        let request = GetModelRequest { model_id: id.to_owned() };
        let found = stage.models().get_model(request).await.unwrap().into_inner();
        let can = found.model.unwrap().capabilities.unwrap();
        assert_eq!((can.converse, can.invoke), (converse, invoke), "{id}");
    }
    for (id, streaming) in [(NOVA, true), ("amazon.titan-embed-text-v2:0", false)] {
        let request = GetModelRequest { model_id: id.to_owned() };
        let found = stage.models().get_model(request).await.unwrap().into_inner();
        assert_eq!(found.model.unwrap().capabilities.unwrap().streaming, streaming, "{id}");
    }
}

#[tokio::test]
async fn a_negative_page_size_is_refused() {
    let stage = Stage::open().await;
    for size in [-1, i32::MIN] {
        let request = ListModelsRequest { page_size: size, ..ListModelsRequest::default() };
        let status = stage.models().list_models(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "pageSize");
    }
}
