//! What cannot be read is refused with a reason, before anything is paid, and the connection lives on.

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use prost::Message;
use tonic::{Code, Status};

use super::raw::{self, CONVERSE, CONVERSE_STREAM, framed, grpc};
use crate::stage::{NOVA, Stage, ask, reason, told};

const MODELS: &str = "/bedrock.inference.v1.Models/GetModel";

/// A frame that claims this many bytes and holds these.
fn claiming(flag: u8, length: u32, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(payload);
    frame.freeze()
}

fn frame(payload: &[u8]) -> Bytes {
    claiming(0, u32::try_from(payload.len()).unwrap(), payload)
}

async fn refusal(stage: &Stage, path: &str, body: Bytes) -> Status {
    let reply = raw::send(&raw::http2(), grpc(stage.addr, path), body).await;
    assert_eq!(reply.status, 200);
    Status::from_header_map(&reply.headers).expect("no status among the headers")
}

/// C10.
#[tokio::test]
async fn bytes_that_are_no_message_are_malformed() {
    let stage = Stage::open().await;
    let bad = [
        ("no protobuf", frame(&[0xff; 64])),
        ("a field that ends early", frame(&[0x0a, 0x7f, b'x'])),
        ("no UTF-8 in the model id", frame(&[0x0a, 0x02, 0xc3, 0x28])),
        ("a wrong wire type", frame(&[0x08, 0x01])),
        ("field number 0", frame(&[0x02, 0x00])),
        ("a length of more than is there", claiming(0, 100, &[0x0a, 0x01, b'x'])),
        ("half a prefix", Bytes::from_static(&[0, 0, 0])),
        ("nothing at all", Bytes::new()),
        ("a flag that nobody knows", claiming(7, 1, &[0])),
        ("compressed without an encoding", claiming(1, 1, &[0])),
    ];
    for path in [CONVERSE, CONVERSE_STREAM, MODELS] {
        for (what, body) in &bad {
            let status = refusal(&stage, path, body.clone()).await;
            let found = (status.code(), reason(&status));
            assert_eq!(found, (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned()), "{path}: {what}");
            let told = ["billed", "retryable", "attempts"].map(|key| told(&status, key));
            assert_eq!(told, ["none", "false", "0"], "{path}: {what}");
        }
    }
    assert_eq!(stage.emulator.counts().started, 0);
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_the_field_and_not_what_it_holds() {
    let stage = Stage::open().await;
    let mut request = ask(NOVA, "canary-7f3a").encode_to_vec();
    let at = request.windows(6).position(|bytes| bytes == b"canary").unwrap();
    request[at + 3] = 0xff;
    let status = refusal(&stage, CONVERSE, frame(&request)).await;
    assert_eq!(reason(&status), "MALFORMED_MESSAGE");
    assert!(status.message().contains("ConverseRequest.messages"), "{}", status.message());
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(!details.contains("7f3a") && !status.message().contains("7f3a"), "{details}");
}

/// C8: a length that lies.
#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_bytes_are_there() {
    let stage = Stage::open().await;
    for length in [(32 << 20) + 1, u32::MAX] {
        let status = refusal(&stage, CONVERSE, claiming(0, length, b"x")).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        assert!(status.message().contains(&length.to_string()), "{}", status.message());
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_is_named() {
    let stage = Stage::open().await;
    for path in
        ["/bedrock.inference.v1.Inference/Divine", "/bedrock.inference.v9.Inference/Converse", "/", "/x"]
    {
        let status = refusal(&stage, path, framed(&ask(NOVA, "hello"))).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unimplemented, "UNKNOWN_METHOD"),
            "{path}"
        );
        assert!(status.message().contains(path), "{path}: {}", status.message());
    }
}

#[tokio::test]
async fn the_models_rpcs_refuse_with_a_request_id() {
    use bedrock_inference_proto::v1::{GetModelRequest, ListModelsRequest};
    let stage = Stage::open().await;
    let status =
        stage.models().get_model(GetModelRequest { model_id: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MODEL_NOT_FOUND"));
    let request = ListModelsRequest { page_size: -1, ..ListModelsRequest::default() };
    let status = stage.models().list_models(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
}

/// A page of anywhere may send a form's media types without asking; they reach nobody's identity.
#[tokio::test]
async fn what_is_not_grpc_is_no_call() {
    let stage = Stage::open().await;
    let message = framed(&ask(NOVA, "hello"));
    let cases = [
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("application/json"), 415),
        (Some("application/grpcs"), 415),
        (None, 415),
        (Some("application/grpc"), 200),
        (Some("application/grpc+proto"), 200),
        (Some("application/grpc;charset=utf-8"), 200),
    ];
    for (media_type, status) in cases {
        let before = stage.emulator.counts().started;
        let request = raw::request(stage.addr, Method::POST, CONVERSE).header("te", "trailers");
        let request =
            media_type.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        let reply = raw::send(&raw::http2(), request, message.clone()).await;
        let calls = stage.emulator.counts().started - before;
        assert_eq!((reply.status, calls), (status, u64::from(status == 200)), "{media_type:?}");
    }
}
