//! Compression: every service takes and gives gzip and zstd; messages of a stream go as they are.

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::models_client::ModelsClient;
use bedrock_inference_proto::v1::{ConverseStreamResponse, GetModelRequest, ListModelsRequest};
use bytes::Bytes;
use prost::Message;
use tonic::codec::CompressionEncoding::{self, Gzip, Zstd};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::raw::{self, CONVERSE, CONVERSE_STREAM, framed, frames, grpc, header};
use crate::stage::{NOVA, Stage, ask, ask_stream, reason};

const ENCODINGS: [(CompressionEncoding, &str); 2] = [(Gzip, "gzip"), (Zstd, "zstd")];

/// Paths with a request for each, one for every service.
fn requests() -> Vec<(&'static str, Bytes)> {
    use tonic_reflection::pb::{v1, v1alpha};
    // A short answer is not worth it.
    let long = format!("Repeat after me: {}", "river ".repeat(2000));
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let list_alpha = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    vec![
        (CONVERSE, framed(&ask(NOVA, &long))),
        ("/bedrock.inference.v1.Models/ListModels", framed(&ListModelsRequest::default())),
        ("/grpc.health.v1.Health/Check", framed(&HealthCheckRequest::default())),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            framed(&v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) }),
        ),
        (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            framed(&v1alpha::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(list_alpha),
            }),
        ),
    ]
}

#[tokio::test]
async fn every_service_answers_compressed_where_the_client_accepts_it() {
    let stage = Stage::open().await;
    let http = raw::http2();
    for (path, body) in requests() {
        for (_, encoding) in ENCODINGS {
            let request = grpc(stage.addr, path).header("grpc-accept-encoding", encoding);
            let reply = raw::send(&http, request, body.clone()).await;
            assert_eq!(header(&reply.headers, "grpc-encoding"), Some(encoding), "{path}");
            let flags: Vec<_> = frames(&reply.body).iter().map(|frame| frame.flags).collect();
            assert_eq!(flags, [1], "{path} {encoding}");
            assert_eq!(header(&reply.trailers, "grpc-status"), Some("0"), "{path} {encoding}");
        }
        let reply = raw::send(&http, grpc(stage.addr, path), body).await;
        assert_eq!(header(&reply.headers, "grpc-encoding"), None, "{path}");
        assert_eq!(frames(&reply.body)[0].flags, 0, "{path}");
    }
}

#[tokio::test]
async fn every_service_reads_compressed_requests() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient as Alpha;
    let stage = Stage::open().await;
    macro_rules! client {
        ($client:ident, $encoding:expr) => {
            $client::new(stage.channel.clone()).send_compressed($encoding).accept_compressed($encoding)
        };
    }
    for (encoding, name) in ENCODINGS {
        let check = |metadata: &tonic::metadata::MetadataMap, service| {
            let found = metadata.get("grpc-encoding").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(found.as_deref(), Some(name), "{service}");
        };
        let long = "river ".repeat(1000);
        let reply = client!(InferenceClient, encoding).converse(ask(NOVA, &long)).await.unwrap();
        check(reply.metadata(), "Inference");
        let body: serde_json::Value =
            serde_json::from_slice(&stage.emulator.calls().last().unwrap().body).unwrap();
        assert_eq!(body["messages"][0]["content"][0]["text"], long);
        let request = GetModelRequest { model_id: NOVA.to_owned() };
        let reply = client!(ModelsClient, encoding).get_model(request).await.unwrap();
        check(reply.metadata(), "Models");
        let reply = client!(HealthClient, encoding).check(HealthCheckRequest::default()).await.unwrap();
        check(reply.metadata(), "Health");
        let request =
            futures_util::stream::iter([tonic_reflection::pb::v1::ServerReflectionRequest::default()]);
        let reply = client!(ServerReflectionClient, encoding).server_reflection_info(request).await.unwrap();
        check(reply.metadata(), "reflection v1");
        let request =
            futures_util::stream::iter([tonic_reflection::pb::v1alpha::ServerReflectionRequest::default()]);
        let reply = client!(Alpha, encoding).server_reflection_info(request).await.unwrap();
        check(reply.metadata(), "reflection v1alpha");
    }
}

/// C9: what is not read.
#[tokio::test]
async fn an_unknown_encoding_is_unimplemented_and_names_the_known_ones() {
    let stage = Stage::open().await;
    let http = raw::http2();
    for (path, body) in requests() {
        for encoding in ["br", "deflate", "snappy"] {
            let request = grpc(stage.addr, path).header("grpc-encoding", encoding);
            let reply = raw::send(&http, request, body.clone()).await;
            let status = header(&reply.headers, "grpc-status").or(header(&reply.trailers, "grpc-status"));
            assert_eq!(status, Some("12"), "{path} {encoding}");
            let accepted = header(&reply.headers, "grpc-accept-encoding").unwrap_or_default();
            assert!(accepted.contains("gzip") && accepted.contains("zstd"), "{path}: {accepted:?}");
            if path.starts_with("/bedrock.") {
                let status = tonic::Status::from_header_map(&reply.headers).unwrap();
                assert_eq!(reason(&status), "UNSUPPORTED_ENCODING", "{path} {encoding}");
            }
        }
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn messages_of_a_stream_are_not_compressed() {
    let stage = Stage::open().await;
    let body = framed(&ask_stream(NOVA, "Write a haiku about rivers."));
    let request = grpc(stage.addr, CONVERSE_STREAM).header("grpc-accept-encoding", "gzip,zstd");
    let reply = raw::send(&raw::http2(), request, body).await;
    assert_eq!(header(&reply.trailers, "grpc-status"), Some("0"));
    let frames = frames(&reply.body);
    assert!(frames.len() > 4);
    for frame in frames {
        assert_eq!(frame.flags, 0);
        ConverseStreamResponse::decode(frame.payload).unwrap();
    }
}

/// C9.
#[tokio::test]
async fn a_decompression_bomb_is_refused_at_the_size_limit() {
    let stage = Stage::open().await;
    let bomb = ask(NOVA, &"0".repeat(64 << 20));
    for (encoding, name) in ENCODINGS {
        let mut client = InferenceClient::new(stage.channel.clone()).send_compressed(encoding);
        let status = client.converse(Request::new(bomb.clone())).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{name}: {status:?}");
        assert_eq!(reason(&status), "MESSAGE_TOO_LARGE", "{name}");
    }
    assert_eq!(stage.emulator.counts().started, 0);
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
}
