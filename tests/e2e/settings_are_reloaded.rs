//! New settings while calls run: taken as a whole or not at all, and by calls that begin from then on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bedrock_inference::app;
use bedrock_inference::config::{RouteSetting, Settings};
use bedrock_inference_proto::v1::models_client::ModelsClient;
use bedrock_inference_proto::v1::{GetModelRequest, Route};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::apart::{Apart, Caller};
use crate::stage::{CLAUDE, Stage, ask, ask_stream, failure, reason};
use crate::the_command_line_works::process::file;

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// What the service says of a file once it has judged it.
const TAKEN: &str = "the configuration was read again";
const REFUSED: [&str; 2] = ["the configuration cannot be used", "the new configuration is refused"];

/// What a call of Claude would reach, by its base id: it tells which geography is in force.
async fn resolved(channel: &Channel) -> String {
    let request = GetModelRequest { model_id: CLAUDE.to_owned() };
    ModelsClient::new(channel.clone()).get_model(request).await.unwrap().into_inner().resolved_model_id
}

/// Sends new settings, among them a geography, and waits until it is in force.
async fn renew(stage: &Stage, geography: &str, change: impl FnOnce(&mut Settings)) {
    stage.settings.send_modify(|settings| {
        settings.aws.geography = Some(geography.to_owned());
        change(settings);
    });
    let taken = async { while !resolved(&stage.channel).await.starts_with(geography) {} };
    timeout(SOON, taken).await.expect("the new settings are not taken");
}

/// I16: calls under way end as they began.
#[tokio::test]
async fn a_call_under_way_keeps_its_clocks() {
    let short = Duration::from_millis(700);
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.timeouts.idle = short;
    })
    .await;
    let stall = || stage.emulator.script("stall@3".parse().unwrap());
    let begin = || async {
        stall();
        stage.inference().converse_stream(ask_stream(CLAUDE, "Write a haiku.")).await.unwrap()
    };
    let (began, hasty) = (Instant::now(), begin().await);
    renew(&stage, "eu", |settings| settings.timeouts.idle = Duration::from_secs(300)).await;
    let patient = begin().await;
    // Begun with the short clock, and ended by it though the long one is in force.
    let status = timeout(SOON, failure(hasty, "hasty")).await.expect("it has taken the new clock");
    assert_eq!(reason(&status), "UPSTREAM_STALLED");
    assert!(began.elapsed() >= short);
    renew(&stage, "us", |settings| settings.timeouts.idle = Duration::from_millis(50)).await;
    let status = timeout(SOON, failure(begin().await, "new")).await.expect("it has not taken the new clock");
    assert_eq!(reason(&status), "UPSTREAM_STALLED");
    // Begun with the long one, and still waiting though a short one is in force.
    let mut patient = patient.into_inner();
    while let Ok(message) = timeout(Duration::from_millis(200), patient.message()).await {
        message.expect("it has taken the new clock").expect("it stalls");
    }
}

/// I16: every answer is of one of two configurations, never half of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_sees_half_of_two_configurations() {
    const CALLS: usize = 150;
    let stage = Stage::open_with(|settings| {
        settings.aws.geography = Some("us".to_owned());
        settings.route = RouteSetting::Converse;
    })
    .await;
    let calls = async {
        let mut seen = [0; 2];
        for _ in 0..CALLS {
            let answer = stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap().into_inner();
            let report = answer.call.unwrap();
            let geography = report.inference_profile.split('.').next().unwrap();
            match (geography, report.route()) {
                ("us", Route::Converse) => seen[0] += 1,
                ("eu", Route::Native) => seen[1] += 1,
                mixed => panic!("a call has seen {mixed:?}"),
            }
        }
        seen
    };
    let flips = async {
        for (geography, route) in
            [("eu", RouteSetting::Native), ("us", RouteSetting::Converse)].iter().cycle()
        {
            renew(&stage, geography, |settings| settings.route = *route).await;
        }
    };
    let seen = tokio::select! {
        seen = calls => seen,
        () = flips => unreachable!(),
    };
    println!("{seen:?} calls of either configuration");
    assert!(seen.iter().all(|seen| *seen > CALLS / 10), "{seen:?}: nearly all calls saw one configuration");
}

/// I16: settings that contradict the catalogue change nothing, and what runs is awaited all the same.
#[tokio::test]
async fn settings_that_make_no_whole_change_nothing() {
    let stage = Stage::open_with(|settings| settings.route = RouteSetting::Converse).await;
    stage.emulator.script("stall@3".parse().unwrap());
    let stream = stage.inference().converse_stream(ask_stream(CLAUDE, "Write a haiku.")).await.unwrap();
    stage.settings.send_modify(|settings| {
        settings.aws.geography = Some("eu".to_owned());
        settings
            .models
            .insert("made.up-v1:0".to_owned(), bedrock_inference::config::ModelSettings::default());
    });
    for _ in 0..20 {
        assert!(resolved(&stage.channel).await.starts_with("us."));
        stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap();
    }
    renew(&stage, "eu", |settings| settings.models.clear()).await;
    // Begun three configurations ago: the shutdown still knows of it.
    stage.settings.send_modify(|settings| settings.server.shutdown_grace = Duration::from_millis(1));
    stage.at_once.cancel();
    stage.shutdown.cancel();
    let status = timeout(SOON, failure(stream, "given up")).await.expect("nobody gave it up");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "SERVER_SHUTTING_DOWN"));
    timeout(SOON, stage.service).await.unwrap().unwrap().unwrap();
}

const GOOD: &str = r#"# A gateway.
route = "converse"
unknown_models = "refuse"
reload = "600s"

[aws]
geography = "us"
connections = 2

[timeouts]
first_content = "120s"
idle = "60s"
total = "600s"

[retry]
attempts = 3
pay_twice = false

[models."anthropic.claude-sonnet-4-5-20250929-v1:0".timeouts]
total = "900s"
"#;

/// The file with some bytes changed, taken out, put in, or cut off; or with some lines missing, or another digit.
fn damaged(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = GOOD.as_bytes().to_vec();
    if random.u8(..3) == 0 {
        let lines: Vec<_> = GOOD.split_inclusive('\n').filter(|_| random.u8(..8) != 0).collect();
        bytes = lines.concat().into_bytes();
        for byte in bytes.iter_mut().filter(|byte| byte.is_ascii_digit()) {
            if random.u8(..12) == 0 {
                *byte = random.u8(b'0'..=b'9');
            }
        }
        return bytes;
    }
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(..bytes.len());
        let byte = if random.bool() { random.u8(b' '..=b'~') } else { random.u8(..) };
        match random.u8(..8) {
            0..=3 => bytes[at] = byte,
            4 | 5 => bytes.insert(at, byte),
            6 => drop(bytes.remove(at)),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// What this file makes, if it makes a whole.
fn meant(bytes: &[u8]) -> Option<Settings> {
    let settings = Settings::parse(Some(std::str::from_utf8(bytes).ok()?)).ok()?;
    app::catalog(&settings, &app::home(&settings, "us-east-1")).ok()?;
    Some(settings)
}

/// Clocks so short that calls of a good service fail by them.
fn is_hasty(settings: &Settings) -> bool {
    let clocks = [settings.timeouts.first_content, settings.timeouts.idle, settings.timeouts.total];
    let own = settings.models.values().filter_map(|model| model.timeouts.total);
    clocks.into_iter().chain(own).any(|clock| clock < Duration::from_secs(3))
}

/// I16: hundreds of damaged files, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_never_served_by_half() {
    const FILES: usize = 300;
    let path = file("damaged.toml", GOOD);
    let apart = Apart::configured(&path, &[]).await;
    let channel = apart.channel().await;
    let callers = [Caller::start(apart.channel().await), Caller::start(apart.channel().await)];
    let mut random = fastrand::Rng::with_seed(16);
    let mut running = meant(GOOD.as_bytes()).unwrap();
    let (mut refused, mut taken) = (0, 0);
    while refused + taken < FILES {
        let bytes = damaged(&mut random);
        let meant = meant(&bytes);
        if meant.as_ref().is_some_and(is_hasty) {
            continue;
        }
        fs::write(&path, &bytes).unwrap();
        apart.service.signal("HUP");
        let said = apart.service.says_one_of(&[TAKEN, REFUSED[0], REFUSED[1]]);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(said.contains(TAKEN), meant.is_some(), "{said}\n{text}");
        match meant {
            Some(settings) => (running, taken) = (settings, taken + 1),
            None => refused += 1,
        }
        assert_serves(&channel, &running).await.unwrap_or_else(|status| panic!("{status:?}\n{text}"));
    }
    fs::write(&path, GOOD.replace("\"us\"", "\"eu\"")).unwrap();
    apart.service.signal("HUP");
    apart.service.says(TAKEN);
    assert!(resolved(&channel).await.starts_with("eu."));
    let [one, other] = callers.map(Caller::stop);
    let (one, other) = tokio::join!(one, other);
    let (pairs, failures) = (one.took.len() + other.took.len(), [one.failures, other.failures].concat());
    println!("{FILES} damaged files: {refused} refused, {taken} taken; {pairs} pairs of calls meanwhile");
    assert!(refused > 100 && taken > 20, "{refused} refused, {taken} taken");
    assert!(failures.is_empty() && pairs > 100, "{pairs} pairs, {failures:?}");
}

/// Asserts that the service answers by exactly these settings.
async fn assert_serves(channel: &Channel, settings: &Settings) -> Result<(), Status> {
    let geography = settings.aws.geography.as_deref().unwrap_or("us");
    assert!(resolved(channel).await.starts_with(&format!("{geography}.")));
    let mut client = bedrock_inference_proto::v1::inference_client::InferenceClient::new(channel.clone());
    let report = client.converse(ask(CLAUDE, "hello")).await?.into_inner().call.unwrap();
    let route = if settings.route == RouteSetting::Converse { Route::Converse } else { Route::Native };
    assert_eq!(report.route(), route);
    Ok(())
}

/// I16: the log names the line, and not what stands in it; keys that wait for a restart are told, others taken.
#[tokio::test]
async fn the_log_says_what_becomes_of_a_file() {
    let path = file("told.toml", GOOD);
    let apart = Apart::configured(&path, &[]).await;
    let channel = apart.channel().await;
    let hang_up = |content: &str, says: &str| {
        fs::write(&path, content).unwrap();
        apart.service.signal("HUP");
        apart.service.says(says)
    };
    let told = hang_up(&GOOD.replace("[retry]", "profile = \"very-secret\n[retry]"), REFUSED[0]);
    assert!(
        told.contains("told.toml") && told.contains("line 15") && !told.contains("very-secret"),
        "{told}"
    );
    let told = hang_up(&GOOD.replace("idle =", "idel ="), REFUSED[0]);
    assert!(told.contains("idel"), "{told}");
    let told = hang_up(&GOOD.replace("anthropic", "anthropics"), REFUSED[1]);
    assert!(told.contains("anthropics.claude"), "{told}");
    let told = hang_up(&GOOD.replace("\"us\"", "\"su\""), REFUSED[1]);
    assert!(told.contains("aws.geography"), "{told}");

    let more = "[server]\nmax_streams = 7\n[log]\nfilter = \"warn\"\n";
    let content = GOOD.replace("idle = \"60s\"", "connect = \"1s\"").replace("\"us\"", "\"eu\"");
    let told = hang_up(&format!("listen = \"127.0.0.1:1\"\n{content}{more}"), TAKEN);
    assert!(told.contains("aws.geography") && !told.contains("server.max_streams"), "{told}");
    let told = apart.service.says("a restart is needed");
    for key in ["server.max_streams", "log.filter", "timeouts.connect"] {
        assert!(told.contains(key), "{key}: {told}");
    }
    // `--listen` stands above the file, at every reading.
    assert!(!told.contains("listen") && !told.contains("geography"), "{told}");
    assert!(resolved(&channel).await.starts_with("eu."));

    // Connections are held by the longest clocks of any model.
    hang_up(&GOOD.replace("900s", "901s"), TAKEN);
    let told = apart.service.says("a restart is needed");
    assert!(told.contains("timeouts.total"), "{told}");
    assert_eq!(apart.service.stop("TERM"), Some(0));
}

/// A directory that holds a configuration as Kubernetes mounts one.
struct Mount(PathBuf);

impl Mount {
    fn of(content: &str) -> Self {
        let mount = Self(file("mount", "").with_extension("d"));
        fs::create_dir(&mount.0).unwrap();
        symlink("..data/gateway.toml", mount.0.join("gateway.toml")).unwrap();
        mount.swap("..2026_01", content);
        mount
    }

    fn path(&self) -> PathBuf {
        self.0.join("gateway.toml")
    }

    /// A new directory, and `..data` set to it in one step.
    fn swap(&self, version: &str, content: &str) {
        fs::create_dir(self.0.join(version)).unwrap();
        fs::write(self.0.join(version).join("gateway.toml"), content).unwrap();
        symlink(Path::new(version), self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }
}

/// I16: by looking at the file alone, as Kubernetes changes it; a mistake is told once.
#[tokio::test]
async fn a_swapped_link_is_a_change() {
    let mount = Mount::of(GOOD);
    let apart = Apart::configured(&mount.path(), &[("BEDROCK_INFERENCE_RELOAD", "5ms")]).await;
    let channel = apart.channel().await;
    assert!(resolved(&channel).await.starts_with("us."));
    mount.swap("..2026_02", &GOOD.replace("\"us\"", "\"eu\""));
    assert!(apart.service.says(TAKEN).contains("aws.geography"));
    assert!(resolved(&channel).await.starts_with("eu."));

    mount.swap("..2026_03", &GOOD.replace("\"us\"", "\"jp\"").replace("pay_twice", "pay_once"));
    assert!(apart.service.says(REFUSED[0]).contains("pay_once"));
    for _ in 0..100 {
        // Many looks at the file go by.
        assert!(resolved(&channel).await.starts_with("eu."));
        assert_serves(&channel, &meant(GOOD.replace("\"us\"", "\"eu\"").as_bytes()).unwrap()).await.unwrap();
    }
    mount.swap("..2026_04", &GOOD.replace("\"us\"", "\"jp\""));
    let next = apart.service.says_one_of(&[TAKEN, REFUSED[0], REFUSED[1]]);
    assert!(next.contains(TAKEN), "told again: {next}");
    assert!(resolved(&channel).await.starts_with("jp."));
    assert_eq!(apart.service.stop("TERM"), Some(0));
}
