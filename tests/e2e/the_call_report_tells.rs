//! The call report: what the gateway did, in every answer and every error.

use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::{
    CachePointBlock, CachePolicy, CacheStatus, CallOptions, CallReport, ConverseRequest,
    ConverseStreamRequest, GuardrailConfiguration, Priority, Route, SystemContentBlock, TokenCounts,
    TokenUsage, WarningKind, system_content_block,
};
use prost_types::Duration;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::{Uuid, Version};

use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, report};

fn with(options: CallOptions) -> ConverseRequest {
    ConverseRequest { options: Some(options), ..ask(NOVA, "hello") }
}

fn streamed(request: ConverseRequest) -> ConverseStreamRequest {
    ConverseStreamRequest { options: request.options, ..ask_stream(NOVA, "hello") }
}

fn named(request_id: &str) -> CallOptions {
    CallOptions { request_id: Some(request_id.to_owned()), ..CallOptions::default() }
}

/// The reports of the same request, answered as a whole and as a stream.
async fn both(stage: &Stage, request: ConverseRequest) -> [CallReport; 2] {
    let whole = stage.inference().converse(request.clone()).await.unwrap().into_inner().call.unwrap();
    let ending = stage.stream(streamed(request)).await;
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    [whole, ending.reports()[0].clone()]
}

/// The statuses of the same request, refused as a whole and as a stream.
async fn both_refused(stage: &Stage, request: ConverseRequest) -> [Status; 2] {
    let whole = stage.inference().converse(request.clone()).await.unwrap_err();
    let ending = stage.stream(streamed(request)).await;
    assert!(!ending.opened);
    [whole, ending.status]
}

fn field(status: &Status) -> String {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("no BadRequest").field_violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0].field.clone()
}

#[tokio::test]
async fn the_callers_request_id_comes_back() {
    // Here an id is a mere name.
    let stage = Stage::open_with(|settings| settings.idempotency.window = std::time::Duration::ZERO).await;
    for id in ["a", "order-4711/retry#2", &"x".repeat(128), "!~"] {
        for report in both(&stage, with(named(id))).await {
            assert_eq!(report.request_id, id);
        }
        stage.emulator.script("ThrottlingException".parse().unwrap());
        let status = stage.inference().converse(with(named(id))).await.unwrap_err();
        assert_eq!(report(&status).request_id, id);
        assert_eq!(status.get_error_details().request_info().unwrap().request_id, id);
    }
}

#[tokio::test]
async fn without_one_the_gateway_makes_a_uuid_of_version_7() {
    let stage = Stage::open().await;
    let reports = both(&stage, ask(NOVA, "hello")).await;
    let ids = reports.map(|report| Uuid::parse_str(&report.request_id).unwrap());
    assert!(ids.iter().all(|id| id.get_version() == Some(Version::SortRand)));
    assert!(ids[0] < ids[1]);
}

#[tokio::test]
async fn a_bad_request_id_is_refused() {
    let stage = Stage::open().await;
    for id in ["", &"x".repeat(129), "two words", " ", "tab\there", "line\n", "\u{7f}", "é"] {
        for status in both_refused(&stage, with(named(id))).await {
            assert_eq!(field(&status), "options.requestId", "{id:?}");
        }
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn an_answer_names_who_served_it() {
    let stage = Stage::by_converse().await;
    let request = ask(CLAUDE, "hello");
    let whole = stage.inference().converse(request).await.unwrap().into_inner().call.unwrap();
    let ending = stage.stream(ask_stream(CLAUDE, "hello")).await;
    for report in [&whole, ending.reports()[0]] {
        let profile = format!("us.{CLAUDE}");
        assert_eq!((report.model_asked.as_str(), report.model.as_str()), (CLAUDE, CLAUDE));
        assert_eq!((&report.inference_profile, report.region.as_str()), (&profile, "us-east-1"));
        assert_eq!(report.route(), Route::Converse);
        assert!(!report.route_reason.is_empty());
        assert_eq!(report.cache_status(), CacheStatus::Bypass);
        assert!(report.cost.as_ref().is_some_and(|cost| cost.pico_usd > 0), "{:?}", report.cost);
        assert!(report.warnings.is_empty());
        Uuid::parse_str(&report.aws_request_id).unwrap();
        assert_eq!(report.attempts.len(), 1);
        let attempt = &report.attempts[0];
        assert_eq!((&attempt.model_id, attempt.region.as_str()), (&profile, "us-east-1"));
        assert_eq!((attempt.outcome.as_str(), &attempt.aws_request_id), ("OK", &report.aws_request_id));
        assert!(nanos(attempt.duration) > 0 && nanos(attempt.duration) <= total(report));
    }
    assert_ne!(whole.aws_request_id, ending.reports()[0].aws_request_id);
}

#[tokio::test]
async fn a_refusal_names_who_refused() {
    let stage = Stage::by_converse().await;
    for fault in ["ThrottlingException", "ThrottlingException@3"] {
        stage.emulator.script(fault.parse().unwrap());
        let ending = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
        let report = report(&ending.status);
        Uuid::parse_str(&report.aws_request_id).unwrap();
        assert_eq!(report.attempts[0].aws_request_id, report.aws_request_id, "{fault}");
        assert_eq!(report.attempts[0].outcome, reason(&ending.status), "{fault}");
        assert_eq!((report.model.as_str(), report.region.as_str()), (CLAUDE, "us-east-1"), "{fault}");
        assert_eq!(report.route(), Route::Converse, "{fault}");
        assert!(report.tokens.is_none(), "{fault}: bedrock reported no usage");
    }
}

fn cached(text: &str, ttl: &str) -> ConverseRequest {
    let point = CachePointBlock { r#type: Some("default".to_owned()), ttl: Some(ttl.to_owned()) };
    let system =
        [system_content_block::Kind::Text(text.repeat(4000)), system_content_block::Kind::CachePoint(point)];
    ConverseRequest {
        system: system.map(|kind| SystemContentBlock { kind: Some(kind) }).into(),
        ..ask(CLAUDE, "hello")
    }
}

fn check_tokens(tokens: &TokenCounts, usage: &TokenUsage) {
    let count = |tokens: Option<i32>| i64::from(tokens.unwrap_or(0));
    assert_eq!(tokens.input, count(usage.input_tokens));
    assert_eq!(tokens.output, count(usage.output_tokens));
    let sum =
        tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h + tokens.output;
    assert_eq!(sum, count(usage.total_tokens), "the classes are not disjoint: {tokens:?} {usage:?}");
}

/// U18.
#[tokio::test]
async fn token_classes_are_disjoint_also_with_the_prompt_cache() {
    let stage = Stage::open().await;
    for (text, ttl) in [("river ", "5m"), ("mountain ", "1h")] {
        let mut counts = Vec::new();
        for _ in 0..2 {
            let answer = stage.inference().converse(cached(text, ttl)).await.unwrap().into_inner();
            let tokens = answer.call.unwrap().tokens.unwrap();
            check_tokens(&tokens, &answer.usage.unwrap());
            counts.push(tokens);
        }
        let request = cached(text, ttl);
        let ending = stage
            .stream(ConverseStreamRequest { system: request.system, ..ask_stream(CLAUDE, "hello") })
            .await;
        let tokens = ending.reports()[0].tokens.unwrap();
        let Some(Event::Metadata(metadata)) = ending.events.iter().rev().nth(1) else { panic!() };
        check_tokens(&tokens, metadata.usage.as_ref().unwrap());
        assert_eq!(tokens.cache_read, counts[1].cache_read, "{ttl}");
        let written = |tokens: &TokenCounts| match ttl {
            "5m" => (tokens.cache_write_5m, tokens.cache_write_1h),
            _ => (tokens.cache_write_1h, tokens.cache_write_5m),
        };
        assert!(written(&counts[0]).0 > 1000 && written(&counts[0]).1 == 0, "{ttl}: {:?}", counts[0]);
        assert_eq!(counts[0].cache_read, 0, "{ttl}");
        assert_eq!(counts[1].cache_read, written(&counts[0]).0, "{ttl}");
        assert_eq!(written(&counts[1]), (0, 0), "{ttl}");
        assert_eq!((counts[0].input, counts[0].output), (counts[1].input, counts[1].output), "{ttl}");
    }
}

fn nanos(duration: Option<Duration>) -> i128 {
    let duration = duration.expect("a duration is missing");
    i128::from(duration.seconds) * 1_000_000_000 + i128::from(duration.nanos)
}

/// The total, when the four parts add up to it.
fn total(report: &CallReport) -> i128 {
    let timings = report.timings.expect("no timings");
    let parts = [timings.preparing, timings.first_content, timings.streaming, timings.finishing].map(nanos);
    assert!(parts.iter().all(|part| *part >= 0), "{parts:?}");
    assert_eq!(parts.iter().sum::<i128>(), nanos(timings.total), "{parts:?}");
    nanos(timings.total)
}

#[tokio::test]
async fn timings_add_up_however_a_call_ends() {
    let stage = Stage::open().await;
    for report in both(&stage, ask(NOVA, "hello")).await {
        assert!(total(&report) > 0);
        assert!(nanos(report.timings.unwrap().first_content) > 0);
    }
    for fault in ["ThrottlingException", "garbage", "ThrottlingException@3", "cut@3", "bad-crc@3"] {
        stage.emulator.script(fault.parse().unwrap());
        let ending = stage.stream(ask_stream(NOVA, "Write a haiku about rivers.")).await;
        assert_ne!(ending.code(), Code::Ok, "{fault}");
        assert!(total(&report(&ending.status)) > 0, "{fault}");
    }
    for fault in ["stall", "stall@3"] {
        stage.emulator.script(fault.parse().unwrap());
        let mut request = Request::new(ask_stream(NOVA, "Write a haiku about rivers."));
        request.set_timeout(std::time::Duration::from_millis(200));
        let status = match stage.clockless().converse_stream(request).await {
            Err(status) => status,
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    if let Err(status) = stream.message().await {
                        break status;
                    }
                }
            }
        };
        assert!(total(&report(&status)) >= 150_000_000, "{fault}");
    }
    for status in both_refused(&stage, with(named(""))).await {
        assert!(total(&report(&status)) > 0);
        assert!(report(&status).attempts.is_empty());
    }
}

#[tokio::test]
async fn an_option_that_is_not_acted_on_is_a_warning() {
    let stage = Stage::open().await;
    let cases: [(&str, CallOptions); 3] = [
        (
            "options.cachePolicy",
            CallOptions { cache_policy: CachePolicy::Use.into(), ..CallOptions::default() },
        ),
        (
            "options.cachePolicy",
            CallOptions { cache_policy: CachePolicy::Refresh.into(), ..CallOptions::default() },
        ),
        ("options.cacheTtl", CallOptions { cache_ttl: Some(Duration::default()), ..CallOptions::default() }),
    ];
    for (path, options) in cases {
        for report in both(&stage, with(options)).await {
            let paths: Vec<_> = report.warnings.iter().map(|warning| warning.path.as_str()).collect();
            assert_eq!(paths, [path]);
            assert_eq!(report.warnings[0].kind(), WarningKind::UnsupportedOption, "{path}");
        }
    }
    let plain = CallOptions {
        cache_policy: CachePolicy::Bypass.into(),
        route: Route::Converse.into(),
        priority: Priority::Batch.into(),
        ..CallOptions::default()
    };
    for report in both(&stage, with(plain)).await {
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
}

#[tokio::test]
async fn an_option_that_cannot_be_ignored_is_refused() {
    let stage = Stage::open().await;
    let cases = [
        ("options.costCapPicoUsd", CallOptions { cost_cap_pico_usd: Some(-1), ..CallOptions::default() }),
        (
            "options.cachePolicy",
            CallOptions { cache_policy: CachePolicy::Only.into(), ..CallOptions::default() },
        ),
    ];
    for (path, options) in cases {
        for status in both_refused(&stage, with(options)).await {
            assert_eq!(field(&status), path);
        }
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn a_route_that_cannot_be_taken_is_refused_with_what_stands_in_its_way() {
    let stage = Stage::open().await;
    let guardrail = GuardrailConfiguration {
        guardrail_identifier: Some("demoguardrail1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        trace: None,
    };
    let native = CallOptions { route: Route::Native.into(), ..CallOptions::default() };
    let request = ConverseRequest { guardrail_config: Some(guardrail), ..with(native) };
    let status = stage.inference().converse(request).await.unwrap_err();
    assert_eq!(field(&status), "guardrailConfig");
    assert_eq!(report(&status).route(), Route::Unspecified, "{:?}", report(&status));
    // What takes no conversation takes none natively either.
    for route in [Route::Native, Route::Converse] {
        let options = CallOptions { route: route.into(), ..CallOptions::default() };
        let request = ConverseRequest { options: Some(options), ..ask("cohere.embed-english-v3", "hello") };
        let status = stage.inference().converse(request).await.unwrap_err();
        assert_eq!(field(&status), "modelId", "{route:?}");
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn a_value_that_no_vocabulary_of_ours_has_is_not_dropped() {
    let stage = Stage::open().await;
    let cases = [
        ("options.route", CallOptions { route: 77, ..CallOptions::default() }),
        ("options.cachePolicy", CallOptions { cache_policy: 77, ..CallOptions::default() }),
        ("options.priority", CallOptions { priority: 77, ..CallOptions::default() }),
        ("options.onDisconnect", CallOptions { on_disconnect: 77, ..CallOptions::default() }),
    ];
    for (path, options) in cases {
        for status in both_refused(&stage, with(options)).await {
            assert_eq!(field(&status), path);
        }
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn the_model_may_stand_in_the_metadata() {
    let stage = Stage::open().await;
    let cases = [(None, Some(NOVA), NOVA), (Some(CLAUDE), Some(NOVA), CLAUDE), (Some(""), Some(NOVA), NOVA)];
    for (body, metadata, expected) in cases {
        let mut request = Request::new(ask("", "hello"));
        request.get_mut().model_id = body.map(str::to_owned);
        if let Some(id) = metadata {
            request.metadata_mut().insert("x-bedrock-model-id", id.parse().unwrap());
        }
        let answer = stage.inference().converse(request).await.unwrap().into_inner();
        let report = answer.call.unwrap();
        assert_eq!((report.model_asked.as_str(), report.model.as_str()), (expected, expected));
    }
}

#[tokio::test]
async fn without_a_model_the_call_is_refused() {
    let stage = Stage::open().await;
    for (body, metadata) in [(None, None), (Some(""), None), (None, Some(""))] {
        let mut request = Request::new(ask("", "hello"));
        request.get_mut().model_id = body.map(str::to_owned);
        if let Some(id) = metadata {
            let id: &str = id;
            request.metadata_mut().insert("x-bedrock-model-id", id.parse().unwrap());
        }
        let status = stage.inference().converse(request).await.unwrap_err();
        assert_eq!(field(&status), "modelId");
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn a_long_model_id_does_not_push_the_report_out_of_the_details() {
    let stage = Stage::open().await;
    let longest = "m".repeat(2048);
    for (asked, code) in [(&longest, Code::NotFound), (&format!("{longest}m"), Code::InvalidArgument)] {
        let status = stage.inference().converse(ask(asked, "hello")).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(!report(&status).request_id.is_empty());
        assert!(status.details().len() <= 4096, "{}", status.details().len());
    }
}
