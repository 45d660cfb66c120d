//! Clocks: each part of a call has its own, a model may have others, and each says which one it was.

use std::collections::BTreeMap;
use std::time::Duration;

use bedrock_inference::config::{ModelSettings, ModelTimeouts, RouteSetting, Settings};
use bedrock_inference_emulator::Pace;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, failure, reason, report};

const SHORT: Duration = Duration::from_millis(150);

/// Longer than anything waits here.
const LONG: Duration = Duration::from_secs(60);

/// Every clock is long, and those of one model are as given.
fn only(model: &str, timeouts: ModelTimeouts) -> impl FnOnce(&mut Settings) {
    let models = BTreeMap::from([(model.to_owned(), ModelSettings { timeouts })]);
    move |settings| {
        settings.route = RouteSetting::Converse;
        let clocks = &mut settings.timeouts;
        (clocks.first_content, clocks.idle, clocks.total) = (LONG, LONG, LONG);
        settings.models = models;
    }
}

/// U5, U6.
#[tokio::test]
async fn a_model_may_have_clocks_of_its_own() {
    let first_content = ModelTimeouts { first_content: Some(SHORT), ..ModelTimeouts::default() };
    let idle = ModelTimeouts { idle: Some(SHORT), ..ModelTimeouts::default() };
    let total = ModelTimeouts { total: Some(SHORT), ..ModelTimeouts::default() };
    let cases = [
        (first_content, "stall", Code::DeadlineExceeded, "UPSTREAM_FIRST_EVENT_TIMEOUT"),
        (first_content, "stall@1", Code::DeadlineExceeded, "UPSTREAM_FIRST_EVENT_TIMEOUT"),
        (idle, "stall@4", Code::Aborted, "UPSTREAM_STALLED"),
        (total, "stall", Code::DeadlineExceeded, "UPSTREAM_TOTAL_TIMEOUT"),
        (total, "stall@4", Code::Aborted, "UPSTREAM_TOTAL_TIMEOUT"),
    ];
    for (clocks, fault, code, expected) in cases {
        let stage = Stage::open_with(only(CLAUDE, clocks)).await;
        stage.emulator.script(fault.parse().unwrap());
        let ending = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
        assert_eq!((ending.code(), reason(&ending.status)), (code, expected.to_owned()), "{fault}");
        assert_eq!(report(&ending.status).attempts[0].outcome, expected, "{fault}");

        // The same fault on another model meets nobody's clock.
        stage.emulator.script(fault.parse().unwrap());
        let other = stage.stream(ask_stream(NOVA, "Write a haiku about rivers."));
        assert!(timeout(SHORT * 3, other).await.is_err(), "{fault}: the other model's clock rang too");
    }
}

/// U7.
#[tokio::test]
async fn an_answer_that_never_ends_is_ended_though_it_speaks() {
    let clocks = ModelTimeouts { total: Some(SHORT * 2), ..ModelTimeouts::default() };
    let stage = Stage::open_with(only(CLAUDE, clocks)).await;
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(50.0) });
    let ending = stage.stream(ask_stream(CLAUDE, "Write 2000 words about rivers.")).await;
    assert_eq!((ending.code(), reason(&ending.status).as_str()), (Code::Aborted, "UPSTREAM_TOTAL_TIMEOUT"));
    assert!(ending.names().len() > 2);

    let status = stage.inference().converse(ask(CLAUDE, "Write 2000 words about rivers.")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "UPSTREAM_TOTAL_TIMEOUT"));
}

#[tokio::test]
async fn the_callers_deadline_is_the_callers() {
    let stage = Stage::open_with(only(CLAUDE, ModelTimeouts::default())).await;
    for fault in ["stall", "stall@4"] {
        stage.emulator.script(fault.parse().unwrap());
        let mut request = Request::new(ask_stream(CLAUDE, "Write a haiku about rivers."));
        request.set_timeout(SHORT);
        // The client's own clock is not asked.
        let status = match stage.clockless().converse_stream(request).await {
            Err(status) => status,
            Ok(response) => failure(response, fault).await,
        };
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::DeadlineExceeded, "CLIENT_DEADLINE"),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_request_that_does_not_go_on_is_refused() {
    let stage = Stage::open_with(|settings| settings.server.upload_timeout = SHORT).await;
    // Five bytes of a message's head, a part of the message, and then nothing.
    let pieces = [Bytes::from_static(&[0, 0, 0, 1, 0]), Bytes::from_static(b"\n\x05hello")];
    for sent in 0..=pieces.len() {
        let sent = pieces.iter().take(sent).cloned().map(|piece| Ok::<_, std::io::Error>(Frame::data(piece)));
        let body = StreamBody::new(stream::iter(sent.collect::<Vec<_>>()).chain(stream::pending()));
        let request =
            http::Request::post(format!("http://{}/bedrock.inference.v1.Inference/Converse", stage.addr));
        let request = request.header("content-type", "application/grpc").body(body).unwrap();
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let response = timeout(LONG, client.request(request)).await.unwrap().unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::ResourceExhausted, "CLIENT_TOO_SLOW"),
            "{status:?}"
        );
    }
    assert!(stage.emulator.calls().is_empty());
}

/// C14: half-open calls.
#[tokio::test]
async fn a_request_that_trickles_is_refused_too() {
    let stage = Stage::open_with(|settings| settings.server.upload_timeout = SHORT * 2).await;
    for path in ["bedrock.inference.v1.Inference/Converse", "grpc.health.v1.Health/Check"] {
        let head =
            stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[0, 0, 0, 255, 0])))]);
        // Each byte would be in time, were it the last one.
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(SHORT / 5).await;
            Some((Ok(Frame::data(Bytes::from_static(&[0]))), ()))
        });
        let request = http::Request::post(format!("http://{}/{path}", stage.addr));
        let body = StreamBody::new(Box::pin(head.chain(trickle)));
        let request = request.header("content-type", "application/grpc").body(body).unwrap();
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let response = timeout(LONG, client.request(request)).await.unwrap().unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(reason(&status), "CLIENT_TOO_SLOW", "{path}: {status:?}");
    }
}

#[tokio::test]
async fn a_model_that_nobody_knows_has_no_clocks() {
    let told = Stage::refused(only("anthropic.claude-nine", ModelTimeouts::default())).await;
    assert!(told.contains("anthropic.claude-nine") && told.contains("the catalogue has no such"), "{told}");
}
