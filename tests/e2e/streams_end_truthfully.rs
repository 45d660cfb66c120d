//! A stream ends OK only with messageStop, usage and one call report; everything else says what happened.

use std::time::Duration;

use bedrock_inference::config::RouteSetting;
use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::content_block_delta;
use bedrock_inference_proto::v1::converse_stream_response::Event;
use tonic::Code;

use crate::stage::{CLAUDE, Ending, NOVA, Stage, ask, ask_stream, name, reason, report};

async fn faulty() -> Stage {
    Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.timeouts.total = Duration::from_millis(600);
        settings.timeouts.idle = Duration::from_millis(150);
        settings.timeouts.first_content = Duration::from_millis(150);
    })
    .await
}

async fn stream_with(stage: &Stage, fault: &str) -> Ending {
    stage.emulator.script(fault.parse::<Fault>().unwrap());
    stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await
}

#[tokio::test]
async fn ok_means_stop_usage_and_exactly_one_report() {
    let stage = Stage::by_converse().await;
    let ending = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
    assert_eq!(ending.code(), Code::Ok);
    let names = ending.names();
    assert_eq!(names.first(), Some(&"messageStart"));
    assert_eq!(names[names.len() - 3..], ["messageStop", "metadata", "call"]);
    assert_eq!(ending.reports().len(), 1);
    let report = ending.reports()[0];
    assert_eq!(report.attempts.len(), 1);
    assert_eq!(report.attempts[0].outcome, "OK");
    let Some(Event::Metadata(metadata)) = ending.events.iter().rev().nth(1) else { panic!() };
    let usage = metadata.usage.as_ref().unwrap();
    let tokens = report.tokens.as_ref().unwrap();
    assert_eq!(i64::from(usage.output_tokens.unwrap()), tokens.output);
    assert!(tokens.output > 0);
}

/// U6, U8, U9, U10: behind the first content.
#[tokio::test]
async fn after_the_first_content_every_failure_is_told() {
    let stage = faulty().await;
    let cases = [
        ("ThrottlingException@3", Code::Aborted, "UPSTREAM_THROTTLED_MIDSTREAM"),
        ("InternalServerException@3", Code::Aborted, "UPSTREAM_INTERNAL_MIDSTREAM"),
        ("ModelStreamErrorException@3", Code::Aborted, "UPSTREAM_STREAM_ERROR_MIDSTREAM"),
        ("ServiceUnavailableException@3", Code::Aborted, "UPSTREAM_UNAVAILABLE_MIDSTREAM"),
        ("ValidationException@3", Code::Aborted, "UPSTREAM_VALIDATION_MIDSTREAM"),
        ("cut@3", Code::Aborted, "UPSTREAM_STREAM_TRUNCATED"),
        ("cut-mid-frame@3", Code::Aborted, "UPSTREAM_STREAM_TRUNCATED"),
        ("reset@3", Code::Aborted, "UPSTREAM_STREAM_TRUNCATED"),
        ("stall@3", Code::Aborted, "UPSTREAM_STALLED"),
        ("bad-crc@3", Code::DataLoss, "UPSTREAM_CORRUPT"),
        ("bad-prelude@3", Code::DataLoss, "UPSTREAM_CORRUPT"),
    ];
    for (fault, code, expected) in cases {
        let ending = stream_with(&stage, fault).await;
        assert!(ending.opened, "{fault}");
        assert_eq!((ending.code(), reason(&ending.status)), (code, expected.to_owned()), "{fault}");
        assert_eq!(
            ending.names()[..3],
            ["messageStart", "contentBlockDelta", "contentBlockDelta"],
            "{fault}"
        );
        assert!(ending.reports().is_empty(), "{fault}: the report belongs into the status");
        let report = report(&ending.status);
        assert_eq!(report.attempts.len(), 1, "{fault}");
        assert_eq!(report.attempts[0].outcome, expected, "{fault}");
        assert_eq!(report.region, "us-east-1", "{fault}");
    }
}

/// U5, U8, U9, U10, U11: before it.
#[tokio::test]
async fn before_the_first_content_failures_are_real_statuses() {
    let stage = faulty().await;
    let cases = [
        ("ThrottlingException", Code::ResourceExhausted, "UPSTREAM_THROTTLED"),
        ("ServiceUnavailableException", Code::Unavailable, "UPSTREAM_UNAVAILABLE"),
        ("AccessDeniedException", Code::FailedPrecondition, "MODEL_ACCESS_NOT_GRANTED"),
        ("ModelErrorException", Code::Internal, "UPSTREAM_MODEL_ERROR"),
        ("ValidationException", Code::InvalidArgument, "UPSTREAM_VALIDATION"),
        ("stall", Code::DeadlineExceeded, "UPSTREAM_FIRST_EVENT_TIMEOUT"),
        ("ThrottlingException@1", Code::ResourceExhausted, "UPSTREAM_THROTTLED"),
        ("ThrottlingException@0", Code::ResourceExhausted, "UPSTREAM_THROTTLED"),
        ("cut@1", Code::Internal, "UPSTREAM_STREAM_TRUNCATED"),
        ("cut@0", Code::Internal, "UPSTREAM_STREAM_TRUNCATED"),
        ("stall@1", Code::DeadlineExceeded, "UPSTREAM_FIRST_EVENT_TIMEOUT"),
        ("bad-crc@0", Code::DataLoss, "UPSTREAM_CORRUPT"),
        ("garbage", Code::DataLoss, "UPSTREAM_CORRUPT"),
    ];
    for (fault, code, expected) in cases {
        let ending = stream_with(&stage, fault).await;
        assert!(!ending.opened, "{fault}: headers went out before content");
        assert_eq!((ending.code(), reason(&ending.status)), (code, expected.to_owned()), "{fault}");
        assert_eq!(report(&ending.status).attempts.len(), 1, "{fault}");
    }
}

/// U11: a page of HTML, and more.
#[tokio::test]
async fn a_unary_answer_is_whole_or_a_status() {
    let stage = faulty().await;
    let cases = [
        ("ThrottlingException", Code::ResourceExhausted, "UPSTREAM_THROTTLED"),
        ("ModelTimeoutException", Code::DeadlineExceeded, "UPSTREAM_MODEL_TIMEOUT"),
        ("InternalServerException", Code::Internal, "UPSTREAM_INTERNAL"),
        ("garbage", Code::Internal, "UPSTREAM_PROTOCOL"),
        ("stall", Code::DeadlineExceeded, "UPSTREAM_TOTAL_TIMEOUT"),
    ];
    for (fault, code, expected) in cases {
        stage.emulator.script(fault.parse().unwrap());
        let status = stage.inference().converse(ask(NOVA, "hello")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status)), (code, expected.to_owned()), "{fault}");
        let report = report(&status);
        assert_eq!((report.model_asked.as_str(), report.model.as_str()), (NOVA, NOVA), "{fault}");
        assert!(report.timings.is_some(), "{fault}");
    }
}

#[tokio::test]
async fn a_cut_at_any_event_never_ends_ok() {
    let stage = Stage::by_converse().await;
    let whole = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
    let events = whole.events.len() - 1;
    for cut in 0..events {
        for kind in ["cut", "cut-mid-frame", "reset"] {
            let ending = stream_with(&stage, &format!("{kind}@{cut}")).await;
            assert_ne!(ending.code(), Code::Ok, "{kind}@{cut} of {events}");
            assert_eq!(reason(&ending.status), "UPSTREAM_STREAM_TRUNCATED", "{kind}@{cut}");
            let seen: Vec<_> = ending.events.iter().map(name).collect();
            assert_eq!(seen, whole.names()[..seen.len()], "{kind}@{cut}");
        }
    }
}

/// U10: what nobody knows is told, and passed over.
#[tokio::test]
async fn an_unknown_event_is_a_warning_with_its_name() {
    let stage = Stage::by_converse().await;
    let ending = stream_with(&stage, "unknown-event@2").await;
    assert_eq!(ending.code(), Code::Ok);
    let warnings = &ending.reports()[0].warnings;
    assert_eq!(warnings.iter().map(|w| w.path.as_str()).collect::<Vec<_>>(), ["somethingNew"]);
}

#[tokio::test]
async fn nothing_sent_is_unavailable_and_a_lost_connection_is_not() {
    let stage = Stage::open().await;
    // Reset before the first byte of the reply: the request had been read by then.
    stage.emulator.script("reset@0".parse().unwrap());
    let status = stage.inference().converse(ask(NOVA, "hello")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "UPSTREAM_CONNECTION_LOST"));

    let deserted = Stage::with_upstream_gone().await;
    let status = deserted.inference().converse(ask(NOVA, "hello")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UPSTREAM_UNREACHABLE"));
}

#[tokio::test]
async fn a_block_that_nobody_knows_travels_on_in_a_native_stream() {
    let stage = Stage::open().await;
    let chunk = |json: &str| ("chunk".to_owned(), serde_json::from_str::<serde_json::Value>(json).unwrap());
    let events = vec![
        chunk(
            r#"{"type":"message_start","message":{"role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#,
        ),
        chunk(r#"{"type":"content_block_start","index":0,"content_block":{"type":"hologram","beam":7}}"#),
        chunk(r#"{"type":"content_block_stop","index":0}"#),
        chunk(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#),
        chunk(r#"{"type":"message_stop"}"#),
    ];
    stage.emulator.script(Fault::Events(events));
    let ending = stage.stream(ask_stream(CLAUDE, "Show me.")).await;
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    let report = ending.reports()[0];
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    let unknown = ending.events.iter().find_map(|event| match event {
        Event::ContentBlockDelta(delta) => delta.delta.clone()?.kind,
        _ => None,
    });
    let Some(content_block_delta::Kind::Unknown(value)) = unknown else { panic!("{unknown:?}") };
    let json = bedrock_inference_proto::codec::document_to_json(&value);
    assert!(json.contains("hologram") && json.contains("\"beam\":7"), "{json}");
}

#[tokio::test]
async fn a_native_stream_cut_at_any_chunk_never_ends_ok() {
    let stage = Stage::open().await;
    for model in [CLAUDE, NOVA, "amazon.titan-text-express-v1"] {
        let whole = stage.stream(ask_stream(model, "Write a haiku about rivers.")).await;
        assert_eq!(whole.code(), Code::Ok, "{model}");
        let mut cut = 0;
        // As long as the cut falls inside the stream, the stream must not end well.
        loop {
            stage.emulator.script(format!("cut@{cut}").parse().unwrap());
            let ending = stage.stream(ask_stream(model, "Write a haiku about rivers.")).await;
            if ending.code() == Code::Ok {
                assert_eq!(ending.names(), whole.names(), "{model} cut@{cut}");
                break;
            }
            assert_eq!(reason(&ending.status), "UPSTREAM_STREAM_TRUNCATED", "{model} cut@{cut}");
            cut += 1;
        }
        assert!(cut > 5, "{model}: {cut}");
    }
}
