//! A stream that ends early, after any frame and after any byte, is never OK, and what came is a part of the whole.

use std::collections::BTreeSet;

use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::{CallOptions, ConverseStreamRequest, Route};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use tonic::Code;

use crate::stage::{CLAUDE, Ending, NOVA, Stage, ask_stream, reason, report, told};
use crate::the_edge_speaks_grpc::raw;

/// Calls under way at a time.
const AT_ONCE: usize = 16;

fn asked(model: &str, route: Route, fault: Option<String>) -> ConverseStreamRequest {
    let mut request = ask_stream(model, "Repeat after me: one two");
    request.options = Some(CallOptions { route: route.into(), ..CallOptions::default() });
    request.request_metadata = fault.map(|fault| ("emulator-fault".to_owned(), fault)).into_iter().collect();
    request
}

/// The bytes of AWS's stream for the last call, asked for anew without the gateway.
async fn bytes_of_the_last_answer(stage: &Stage) -> Bytes {
    let call = stage.emulator.calls().pop().unwrap();
    let operation = match call.operation {
        bedrock_inference_emulator::Operation::ConverseStream => "converse-stream",
        _ => "invoke-with-response-stream",
    };
    let path = format!("/model/{}/{operation}", call.model_id.replace(':', "%3A"));
    let request = raw::request(stage.emulator.addr(), Method::POST, &path).header("authorization", "anybody");
    raw::send(&raw::http1(), request, call.body).await.body
}

/// Where frames end.
fn boundaries(stream: &Bytes) -> BTreeSet<usize> {
    let mut ends = BTreeSet::from([0]);
    let mut at = 0;
    while at < stream.len() {
        at += usize::try_from(u32::from_be_bytes(stream[at..at + 4].try_into().unwrap())).unwrap();
        ends.insert(at);
    }
    ends
}

fn check(what: &str, whole: &Ending, ending: &Ending) {
    let status = &ending.status;
    let code = if ending.opened { Code::Aborted } else { Code::Internal };
    assert_eq!((status.code(), reason(status).as_str()), (code, "UPSTREAM_STREAM_TRUNCATED"), "{what}");
    let seen = ending.events.len();
    assert_eq!(ending.events, whole.events[..seen], "{what}");
    let stopped = ending.events.iter().any(|event| matches!(event, Event::Metadata(_) | Event::Call(_)));
    assert!(!stopped, "{what}");
    let billed = if ending.opened { "partial" } else { "unknown" };
    assert_eq!(
        (told(status, "billed").as_str(), told(status, "retryable").as_str()),
        (billed, "true"),
        "{what}"
    );
    let late = ["partial", "events_sent", "usage_known"].map(|key| told(status, key));
    if ending.opened {
        assert_eq!(late, ["true".to_owned(), seen.to_string(), "false".to_owned()], "{what}");
    } else {
        assert_eq!(late, ["", "", ""], "{what}");
    }
    let report = report(status);
    assert_eq!(report.attempts[0].outcome, "UPSTREAM_STREAM_TRUNCATED", "{what}");
    assert!(report.tokens.is_none(), "{what}");
}

/// U9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_byte_by_every_route() {
    let stage = Stage::open().await;
    for (model, route) in [(CLAUDE, Route::Converse), (CLAUDE, Route::Native), (NOVA, Route::Native)] {
        let whole = stage.stream(asked(model, route, None)).await;
        assert_eq!(whole.code(), Code::Ok, "{:?}", whole.status);
        let bytes = bytes_of_the_last_answer(&stage).await;
        let ends = boundaries(&bytes);
        assert!(ends.len() > 5 && ends.contains(&bytes.len()), "{ends:?} of {}", bytes.len());
        let cuts = (0..bytes.len()).map(|cut| {
            let request = asked(model, route, Some(format!("cut-byte@{cut}")));
            let stage = &stage;
            async move { (cut, stage.stream(request).await) }
        });
        let mut seen = BTreeSet::new();
        let mut endings = stream::iter(cuts).buffer_unordered(AT_ONCE);
        while let Some((cut, ending)) = endings.next().await {
            check(&format!("{model} {route:?} cut at byte {cut} of {}", bytes.len()), &whole, &ending);
            seen.insert(ending.events.len());
        }
        assert!(seen.len() > 3, "{seen:?}");
        let uncut = stage.stream(asked(model, route, Some(format!("cut-byte@{}", bytes.len())))).await;
        assert_eq!((uncut.code(), uncut.names()), (Code::Ok, whole.names()), "{model} {route:?}");
    }
}

#[tokio::test]
async fn a_usage_that_came_before_the_failure_is_known() {
    // The call report is the largest message here, and is refused behind the metadata.
    let stage = Stage::open_with(|settings| settings.server.max_message_bytes = 150).await;
    let ending = stage.stream(ask_stream(NOVA, "hi")).await;
    assert_eq!(ending.names().last(), Some(&"metadata"));
    assert_eq!(reason(&ending.status), "MESSAGE_TOO_LARGE");
    assert_eq!(told(&ending.status, "usage_known"), "true");
    assert!(report(&ending.status).tokens.unwrap().output > 0);
}
