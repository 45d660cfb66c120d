//! gRPC-Web over HTTP/1.1, and the pages that may use it.

use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::{ConverseResponse, ConverseStreamResponse};
use bytes::Bytes;
use http::Method;
use http::request::Builder;
use prost::Message;

use super::raw::{
    self, CONVERSE, CONVERSE_STREAM, Frame, Reply, TRAILERS, framed, frames, from_text, header, to_text,
};
use crate::stage::{NOVA, Stage, ask, ask_stream, reason};

const PAGE: &str = "https://app.example.com";

fn web(stage: &Stage, path: &str, mode: &str) -> Builder {
    raw::request(stage.addr, Method::POST, path)
        .header("content-type", mode)
        .header("accept", mode)
        .header("x-grpc-web", "1")
}

/// The messages and the trailers of a gRPC-Web answer.
fn taken_apart(body: &Bytes) -> (Vec<Frame>, String) {
    let mut frames = frames(body);
    let last = frames.pop().expect("an answer without frames");
    assert_eq!(last.flags, TRAILERS);
    assert!(frames.iter().all(|frame| frame.flags == 0));
    (frames, String::from_utf8(last.payload.to_vec()).unwrap().to_ascii_lowercase())
}

async fn with_pages(origins: &[&str]) -> Stage {
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Stage::open_with(|settings| settings.server.cors_origins = origins).await
}

#[tokio::test]
async fn a_unary_call_is_answered_in_both_modes() {
    let stage = Stage::open().await;
    for mode in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
    ] {
        let text = mode.contains("text");
        let body = framed(&ask(NOVA, "hello"));
        let body = if text { to_text(&body) } else { body };
        let reply = raw::send(&raw::http1(), web(&stage, CONVERSE, mode), body).await;
        assert_eq!(reply.status, 200, "{mode}");
        assert!(header(&reply.headers, "content-type").unwrap().starts_with(mode), "{mode}");
        let body = if text { from_text(&reply.body) } else { reply.body };
        let (messages, trailers) = taken_apart(&body);
        assert_eq!(messages.len(), 1, "{mode}");
        let response = ConverseResponse::decode(messages[0].payload.clone()).unwrap();
        assert!(response.call.is_some(), "{mode}");
        assert!(trailers.contains("grpc-status:0\r\n"), "{mode}: {trailers:?}");
    }
}

#[tokio::test]
async fn a_stream_is_answered_in_both_modes() {
    let stage = Stage::open().await;
    for mode in ["application/grpc-web+proto", "application/grpc-web-text+proto"] {
        let text = mode.contains("text");
        let body = framed(&ask_stream(NOVA, "Write a haiku about rivers."));
        let body = if text { to_text(&body) } else { body };
        let reply = raw::send(&raw::http1(), web(&stage, CONVERSE_STREAM, mode), body).await;
        let body = if text { from_text(&reply.body) } else { reply.body };
        let (messages, trailers) = taken_apart(&body);
        let last = ConverseStreamResponse::decode(messages.last().unwrap().payload.clone()).unwrap();
        assert!(matches!(last.event, Some(Event::Call(_))), "{mode}");
        assert!(trailers.contains("grpc-status:0\r\n"), "{mode}: {trailers:?}");
    }
}

/// The status of an answer that is nothing but headers, read as a client does it.
fn from_headers(reply: &Reply) -> tonic::Status {
    assert_eq!(reply.status, 200);
    assert!(reply.body.is_empty(), "{:?}", reply.body);
    tonic::Status::from_header_map(&reply.headers).expect("no grpc-status among the headers")
}

/// Headers of ours that a page must be able to read.
const EXPOSED: [&str; 7] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-retry-pushback-ms",
    "x-amzn-bedrock-content-type",
    "x-amzn-bedrock-performanceconfig-latency",
    "x-amzn-bedrock-service-tier",
];

#[tokio::test]
async fn an_error_can_be_read_with_its_details() {
    let stage = with_pages(&[PAGE]).await;
    for path in [CONVERSE, CONVERSE_STREAM] {
        let request = web(&stage, path, "application/grpc-web+proto").header("origin", PAGE);
        let reply = raw::send(&raw::http1(), request, framed(&ask("no.such-model", "hello"))).await;
        let status = from_headers(&reply);
        assert_eq!((status.code(), reason(&status).as_str()), (tonic::Code::NotFound, "MODEL_NOT_FOUND"));
        let exposed = header(&reply.headers, "access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in EXPOSED {
            assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{name} of {exposed}");
        }
    }
    let request = web(&stage, CONVERSE, "application/grpc-web+proto").header("grpc-timeout", "soon");
    let reply = raw::send(&raw::http1(), request, framed(&ask(NOVA, "hello"))).await;
    assert_eq!(reason(&from_headers(&reply)), "INVALID_DEADLINE");
    let refused = [
        (CONVERSE, &[0, 0, 0, 0, 2, 0xff, 0xff][..], "MALFORMED_MESSAGE"),
        (CONVERSE, &[0, 0xff, 0xff, 0xff, 0xff, 0], "MESSAGE_TOO_LARGE"),
        ("/bedrock.inference.v1.Inference/Divine", &[0, 0, 0, 0, 0], "UNKNOWN_METHOD"),
    ];
    for (path, body, expected) in refused {
        let request = web(&stage, path, "application/grpc-web+proto");
        let reply = raw::send(&raw::http1(), request, Bytes::from_static(body)).await;
        assert_eq!(reason(&from_headers(&reply)), expected, "{path}");
    }
}

#[tokio::test]
async fn an_error_mid_stream_stands_in_the_trailers_frame() {
    let stage = Stage::open().await;
    stage.emulator.script("ThrottlingException@3".parse().unwrap());
    let body = framed(&ask_stream(NOVA, "Write a haiku about rivers."));
    let request = web(&stage, CONVERSE_STREAM, "application/grpc-web+proto");
    let reply = raw::send(&raw::http1(), request, body).await;
    let (messages, trailers) = taken_apart(&reply.body);
    assert_eq!(messages.len(), 3);
    assert!(trailers.contains("grpc-status:10\r\n"), "{trailers:?}");
    assert!(trailers.contains("grpc-status-details-bin:"), "{trailers:?}");
}

/// Headers that a browser asks leave for, as gRPC-Web clients and callers set them.
const ASKED: [&str; 7] = [
    "authorization",
    "content-type",
    "grpc-timeout",
    "x-api-key",
    "x-bedrock-model-id",
    "x-grpc-web",
    "x-user-agent",
];

async fn preflight(stage: &Stage, origin: &str) -> Reply {
    let request = raw::request(stage.addr, Method::OPTIONS, CONVERSE)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", ASKED.join(","));
    raw::send(&raw::http1(), request, Bytes::new()).await
}

#[tokio::test]
async fn a_preflight_of_a_known_page_is_answered() {
    for origins in [&[PAGE, "https://other.example.com"][..], &["*"]] {
        let stage = with_pages(origins).await;
        let reply = preflight(&stage, PAGE).await;
        assert!((200..300).contains(&reply.status), "{}", reply.status);
        let allowed = header(&reply.headers, "access-control-allow-origin").unwrap();
        assert!(allowed == PAGE || (allowed == "*" && origins == ["*"]), "{allowed}");
        assert_eq!(header(&reply.headers, "access-control-allow-methods"), Some("POST"));
        // `*` does not cover `authorization`, says the Fetch standard, so each must be named.
        let headers = header(&reply.headers, "access-control-allow-headers").unwrap().to_ascii_lowercase();
        for name in ASKED {
            assert!(headers.split(',').any(|allowed| allowed.trim() == name), "{name} of {headers}");
        }
    }
}

#[tokio::test]
async fn an_unknown_page_gets_no_leave() {
    for origins in [&[PAGE][..], &[]] {
        let stage = with_pages(origins).await;
        for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "null"] {
            let reply = preflight(&stage, origin).await;
            assert_eq!(header(&reply.headers, "access-control-allow-origin"), None, "{origins:?} {origin}");
            let request = web(&stage, CONVERSE, "application/grpc-web+proto").header("origin", origin);
            let reply = raw::send(&raw::http1(), request, framed(&ask(NOVA, "hello"))).await;
            assert_eq!(header(&reply.headers, "access-control-allow-origin"), None, "{origins:?} {origin}");
        }
    }
}
