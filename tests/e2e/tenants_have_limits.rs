//! Tenants have limits: so many calls and tokens a minute, whatever they do at once, and nobody else feels it.

mod shared;

use std::time::{Duration, Instant};

use bedrock_inference::config::{RouteSetting, Settings, TenantSettings};
use bedrock_inference::principal::ApiKey;
use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::{
    CallOptions, ConverseRequest, ConverseStreamRequest, InferenceConfiguration, InvokeModelRequest,
    OnDisconnect,
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::callers_are_known::{tenant, with_key};
use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, told};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

fn requests(per_minute: u32, key: &ApiKey) -> TenantSettings {
    TenantSettings { requests_per_minute: Some(per_minute), ..tenant(&[key]) }
}

fn tokens(per_minute: u32, key: &ApiKey) -> TenantSettings {
    TenantSettings { tokens_per_minute: Some(per_minute), ..tenant(&[key]) }
}

fn have(settings: &mut Settings, tenants: Vec<(&str, TenantSettings)>) {
    settings.route = RouteSetting::Converse;
    settings.tenants = tenants.into_iter().map(|(name, tenant)| (name.to_owned(), tenant)).collect();
}

async fn with(tenants: Vec<(&str, TenantSettings)>) -> Stage {
    Stage::open_with(|settings| have(settings, tenants)).await
}

/// A short question that may have so many output tokens.
fn at_most(model: &str, max_tokens: i32) -> ConverseRequest {
    let config = InferenceConfiguration { max_tokens: Some(max_tokens), ..InferenceConfiguration::default() };
    ConverseRequest { inference_config: Some(config), ..ask(model, "hi") }
}

/// An answer that used so many tokens: input, output, cache read, cache write.
fn used(input: i32, output: i32, read: i32, write: i32) -> Fault {
    Fault::Reply(json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": input, "outputTokens": output, "totalTokens": input + output + read + write,
                  "cacheReadInputTokens": read, "cacheWriteInputTokens": write},
        "metrics": {"latencyMs": 1}
    }))
}

async fn say(stage: &Stage, key: &ApiKey, request: ConverseRequest) -> Result<(), Status> {
    stage.inference().converse(with_key(request, key)).await.map(drop)
}

/// The wait of a refusal, which must be told as one in every way.
fn limited(status: &Status) -> Duration {
    assert_eq!((status.code(), reason(status).as_str()), (Code::ResourceExhausted, "TENANT_RATE_LIMITED"));
    assert_eq!([told(status, "billed"), told(status, "attempts")], ["none", "0"]);
    let details = status.get_error_details();
    let quota = details.quota_failure().unwrap().violations[0].clone();
    assert_eq!((quota.subject.as_str(), quota.description.as_str()), ("tenant", status.message()));
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert_eq!(pushback, wait.as_millis().to_string());
    wait
}

fn is_about(wait: Duration, seconds: f64) -> bool {
    (seconds - 3.0..=seconds + 0.1).contains(&wait.as_secs_f64())
}

/// C18: of a thousand calls at once as many pass as the tenant may make, and Bedrock hears of no other.
#[tokio::test]
async fn of_a_thousand_calls_at_once_a_hundred_pass() {
    let (key, others) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let stage = with(vec![("a", requests(100, &key)), ("b", requests(100, &others))]).await;
    let began = Instant::now();
    let calls = (0..1000).map(|_| say(&stage, &key, ask(NOVA, "hi")));
    let ends = futures_util::future::join_all(calls).await;
    // A place comes back every 600 ms.
    let most = 100 + usize::try_from(began.elapsed().as_millis() / 600).unwrap();
    let passed = ends.iter().filter(|end| end.is_ok()).count();
    assert!((100..=most).contains(&passed), "{passed} of at most {most}");
    assert_eq!(stage.emulator.calls().len(), passed);
    for status in ends.iter().filter_map(|end| end.as_ref().err()) {
        assert!(limited(status) <= Duration::from_millis(600), "{status:?}");
    }
    for _ in 0..100 {
        say(&stage, &others, ask(NOVA, "hi")).await.unwrap();
    }
}

/// C18: who waits as long as the refusal says passes.
#[tokio::test]
async fn the_wait_of_a_refusal_is_honest() {
    let key = ApiKey::new().unwrap();
    let stage = with(vec![("a", requests(60, &key))]).await;
    let calls = (0..100).map(|_| say(&stage, &key, ask(NOVA, "hi")));
    futures_util::future::join_all(calls).await;
    let mut refusals = 0;
    while refusals < 3 {
        if let Err(status) = say(&stage, &key, ask(NOVA, "hi")).await {
            sleep(limited(&status)).await;
            say(&stage, &key, ask(NOVA, "hi")).await.unwrap();
            refusals += 1;
        }
    }
}

/// C18: new limits count what the old ones let pass.
#[tokio::test]
async fn limits_are_reloaded() {
    let key = ApiKey::new().unwrap();
    let stage = with(vec![("a", requests(1, &key))]).await;
    say(&stage, &key, ask(NOVA, "hi")).await.unwrap();
    assert!(is_about(limited(&say(&stage, &key, ask(NOVA, "hi")).await.unwrap_err()), 60.0));
    stage.settings.send_modify(|settings| {
        settings.tenants.get_mut("a").unwrap().requests_per_minute = Some(2);
    });
    let taken = async { while say(&stage, &key, ask(NOVA, "hi")).await.is_err() {} };
    timeout(SOON, taken).await.unwrap();
    assert!(is_about(limited(&say(&stage, &key, ask(NOVA, "hi")).await.unwrap_err()), 30.0));
}

/// U3: a call reserves what it may use at most, and what it has not used is there for others.
#[tokio::test]
async fn tokens_are_reserved_and_come_back() {
    let (key, others) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let stage = with(vec![("a", tokens(10_000, &key)), ("b", tokens(10_000, &others))]).await;
    let held = || stage.emulator.script("slow=60000".parse().unwrap());
    held();
    held();
    let (first, second) = (at_most(CLAUDE, 4000), at_most(CLAUDE, 4000));
    let running = [first, second].map(|request| {
        let (mut inference, request) = (stage.inference(), with_key(request, &key));
        tokio::spawn(async move { inference.converse(request).await })
    });
    stage.emulator.wait_for(|counts| counts.started == 2).await;
    let third = say(&stage, &key, at_most(CLAUDE, 4000)).await.unwrap_err();
    assert!(is_about(limited(&third), 12.4), "{third:?}");
    say(&stage, &others, at_most(CLAUDE, 4000)).await.unwrap();
    assert_eq!(stage.emulator.counts().started, 3);
    // They are given up: what they used nobody knows, so the reservations stay.
    running.each_ref().iter().for_each(|call| call.abort());
    limited(&say(&stage, &key, at_most(CLAUDE, 4000)).await.unwrap_err());
    drop(stage);

    // Ten calls of the same size, one after the other, use next to nothing.
    let stage = with(vec![("a", tokens(10_000, &key))]).await;
    for _ in 0..10 {
        say(&stage, &key, at_most(NOVA, 4000)).await.unwrap();
    }
}

/// U3: what counts is input, cache writes, and output as often as Bedrock counts it for the model.
#[tokio::test]
async fn tokens_are_settled_as_bedrock_settles_its_own() {
    // 100 input, 100 output, 5,000 read and 50 written: five times the output for Claude Sonnet 4.5, once for Nova.
    for (model, counted) in [(CLAUDE, 100.0 + 50.0 + 500.0), (NOVA, 100.0 + 50.0 + 100.0)] {
        let key = ApiKey::new().unwrap();
        let stage = with(vec![("a", tokens(1000, &key))]).await;
        stage.emulator.script(used(100, 100, 5000, 50));
        say(&stage, &key, at_most(model, 300)).await.unwrap();
        // 900 more need all but 100, at 1,000 a minute.
        let status = say(&stage, &key, at_most(model, 900)).await.unwrap_err();
        let wait = limited(&status);
        assert!(is_about(wait, (counted + 940.0 - 1000.0) * 0.06), "{model}: {wait:?}");
    }
    // What was used beyond the reservation is owed.
    let key = ApiKey::new().unwrap();
    let stage = with(vec![("a", tokens(1000, &key))]).await;
    stage.emulator.script(used(2000, 1, 0, 0));
    say(&stage, &key, at_most(NOVA, 1)).await.unwrap();
    let wait = limited(&say(&stage, &key, at_most(NOVA, 1)).await.unwrap_err());
    assert!(is_about(wait, 63.0), "{wait:?}");
}

/// U3: a failure that cost nothing gives all back, and one of which nobody knows keeps what was reserved.
#[tokio::test]
async fn what_failed_for_nothing_comes_back_and_the_rest_is_kept() {
    let key = ApiKey::new().unwrap();
    let stage = with(vec![("a", tokens(5000, &key))]).await;
    for fault in ["ThrottlingException", "ValidationException", "ServiceUnavailableException"] {
        stage.emulator.script(fault.parse().unwrap());
        let status = say(&stage, &key, at_most(CLAUDE, 4000)).await.unwrap_err();
        assert_eq!(told(&status, "attempts"), "1", "{fault}: {}", reason(&status));
    }
    stage.emulator.script("ModelErrorException".parse().unwrap());
    let status = say(&stage, &key, at_most(CLAUDE, 4000)).await.unwrap_err();
    assert_eq!(told(&status, "billed"), "unknown");
    limited(&say(&stage, &key, at_most(CLAUDE, 4000)).await.unwrap_err());
}

/// U3: a caller who has gone still settles: by what was used where the answer is drained, by the reservation where not.
#[tokio::test]
async fn who_leaves_settles_all_the_same() {
    for (policy, comes_back) in [(OnDisconnect::Drain, true), (OnDisconnect::Cancel, false)] {
        let key = ApiKey::new().unwrap();
        let stage = with(vec![("a", tokens(5000, &key))]).await;
        stage.emulator.script("slow=300@3".parse().unwrap());
        let options = CallOptions { on_disconnect: policy.into(), ..CallOptions::default() };
        let request = ConverseStreamRequest {
            inference_config: at_most(NOVA, 4000).inference_config,
            options: Some(options),
            ..ask_stream(NOVA, "hi")
        };
        let mut stream =
            stage.inference().converse_stream(with_key(request, &key)).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        limited(&say(&stage, &key, at_most(NOVA, 4000)).await.unwrap_err());
        drop(stream);
        stage.emulator.wait_for(|counts| counts.open() == 0).await;
        let again = async {
            while say(&stage, &key, at_most(NOVA, 4000)).await.is_err() {
                if !comes_back {
                    return false;
                }
            }
            true
        };
        assert_eq!(timeout(SOON, again).await.unwrap(), comes_back, "{policy:?}");
    }
}

/// C18: what would never fit is told so, and not to come back later; nothing is sent.
#[tokio::test]
async fn a_call_that_needs_more_than_a_minutes_worth_is_told_so() {
    let key = ApiKey::new().unwrap();
    let stage = with(vec![("a", tokens(1000, &key))]).await;
    let body = br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]}"#;
    let native = InvokeModelRequest {
        model_id: Some(CLAUDE.to_owned()),
        body: Some(body.as_slice().into()),
        ..InvokeModelRequest::default()
    };
    let native = stage.inference().invoke_model(with_key(native, &key)).await.unwrap_err();
    // Without maxTokens an answer may be as long as the model can.
    for (status, path) in [
        (say(&stage, &key, at_most(CLAUDE, 1000)).await.unwrap_err(), "inferenceConfig.maxTokens"),
        (say(&stage, &key, ask(CLAUDE, "hi")).await.unwrap_err(), "inferenceConfig.maxTokens"),
        (native, "body"),
    ] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
        assert!(status.message().starts_with(path), "{}", status.message());
        assert!(status.get_error_details().retry_info().is_none());
    }
    assert_eq!(stage.emulator.calls().len(), 0);
}
