//! A caller who goes away: under CANCEL the upstream is dropped at once, under DRAIN it is read to its end.

use std::time::{Duration, Instant};

use bedrock_inference::config::RouteSetting;
use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::{CallOptions, ConverseStreamRequest, OnDisconnect};
use tonic::{Code, Request};

use crate::stage::{CLAUDE, Stage, ask, ask_stream, failure, reason, report, told};

fn with_policy(policy: OnDisconnect) -> ConverseStreamRequest {
    let options = CallOptions { on_disconnect: policy.into(), ..CallOptions::default() };
    ConverseStreamRequest { options: Some(options), ..ask_stream(CLAUDE, "Write a haiku about rivers.") }
}

async fn slow() -> Stage {
    let stage = Stage::by_converse().await;
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(20.0) });
    stage
}

/// C4: under CANCEL the upstream is dropped at once.
#[tokio::test]
async fn cancel_mid_stream_aborts_the_upstream_within_100_ms() {
    let stage = slow().await;
    let stream = stage.inference().converse_stream(with_policy(OnDisconnect::Cancel)).await.unwrap();
    let mut stream = stream.into_inner();
    stream.message().await.unwrap().unwrap();
    let left = Instant::now();
    drop(stream);
    stage.emulator.wait_for(|counts| counts.aborted == 1).await;
    assert!(left.elapsed() < Duration::from_millis(100), "it took {:?}", left.elapsed());
}

/// C3: the same before there is content.
#[tokio::test]
async fn cancel_before_the_first_content_aborts_the_upstream_within_100_ms() {
    let stage = Stage::by_converse().await;
    stage.emulator.script("stall".parse().unwrap());
    let mut client = stage.inference();
    let call = tokio::spawn(async move { client.converse_stream(with_policy(OnDisconnect::Cancel)).await });
    stage.emulator.wait_for(|counts| counts.started == 1).await;
    let left = Instant::now();
    call.abort();
    stage.emulator.wait_for(|counts| counts.aborted == 1).await;
    assert!(left.elapsed() < Duration::from_millis(100), "it took {:?}", left.elapsed());
}

/// C4: under DRAIN the answer is read to its end.
#[tokio::test]
async fn drain_reads_the_answer_to_its_end() {
    let stage = slow().await;
    for policy in [OnDisconnect::Drain, OnDisconnect::Unspecified] {
        stage.emulator.reset_calls();
        let stream = stage.inference().converse_stream(with_policy(policy)).await.unwrap();
        let mut stream = stream.into_inner();
        stream.message().await.unwrap().unwrap();
        drop(stream);
        stage.emulator.wait_for(|counts| counts.finished == 1).await;
        assert_eq!(stage.emulator.counts().aborted, 0);
    }
}

/// C3: the same before there is content.
#[tokio::test]
async fn drain_holds_for_a_caller_who_left_before_the_first_content() {
    let stage = Stage::by_converse().await;
    stage.emulator.set_pace(Pace { first_token: Duration::from_millis(100), tokens_per_second: None });
    let mut client = stage.inference();
    let call = tokio::spawn(async move { client.converse(ask(CLAUDE, "hello")).await });
    stage.emulator.wait_for(|counts| counts.started == 1).await;
    call.abort();
    stage.emulator.wait_for(|counts| counts.finished == 1).await;
    assert_eq!(stage.emulator.counts().aborted, 0);
}

#[tokio::test]
async fn draining_is_bounded() {
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.timeouts.drain = Duration::from_millis(50);
    })
    .await;
    stage.emulator.script("stall@3".parse().unwrap());
    let stream = stage.inference().converse_stream(with_policy(OnDisconnect::Drain)).await.unwrap();
    let mut stream = stream.into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    stage.emulator.wait_for(|counts| counts.aborted == 1).await;
}

/// C7.
#[tokio::test]
async fn the_callers_deadline_is_deadline_exceeded_before_and_after_content() {
    let stage = Stage::by_converse().await;
    for (fault, opened) in [("stall", false), ("stall@3", true)] {
        stage.emulator.script(fault.parse().unwrap());
        let mut request = Request::new(with_policy(OnDisconnect::Cancel));
        request.set_timeout(Duration::from_millis(200));
        let status = match stage.clockless().converse_stream(request).await {
            Err(status) => {
                assert!(!opened, "{fault}: {status:?}");
                status
            }
            Ok(stream) => failure(stream, fault).await,
        };
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::DeadlineExceeded, "CLIENT_DEADLINE"),
            "{fault}"
        );
        assert_eq!(report(&status).attempts.len(), 1, "{fault}");
        assert_eq!(told(&status, "billed"), if opened { "partial" } else { "unknown" }, "{fault}");
        stage.emulator.wait_for(|counts| counts.aborted >= 1).await;
        stage.emulator.reset_calls();
    }
}

/// C6.
#[tokio::test]
async fn nothing_is_begun_for_a_deadline_that_has_passed() {
    let stage = Stage::open().await;
    for _ in 0..20 {
        let mut request = Request::new(ask(CLAUDE, "hello"));
        request.metadata_mut().insert("grpc-timeout", "1n".parse().unwrap());
        let status = stage.clockless().converse(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "CLIENT_DEADLINE"));
        assert_eq!(told(&status, "billed"), "none");
    }
    stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap();
    assert_eq!(stage.emulator.counts().started, 1);
}
