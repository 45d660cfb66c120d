//! Reflection, v1 and v1alpha: a client that knows nothing can find every service and build its messages.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use prost_reflect::{DescriptorPool, prost::Message, prost_types::FileDescriptorProto};

use crate::stage::Stage;

const SERVICES: [&str; 6] = [
    "bedrock.inference.v1.Inference",
    "bedrock.inference.v1.Models",
    "bedrock.inference.v1.Usage",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

const METHODS: [(&str, &[&str]); 3] = [
    (
        "bedrock.inference.v1.Inference",
        &[
            "Converse",
            "ConverseStream",
            "InvokeModel",
            "InvokeModelStream",
            "CountTokens",
            "EstimateCost",
            "ApplyGuardrail",
        ],
    ),
    ("bedrock.inference.v1.Models", &["ListModels", "GetModel"]),
    ("bedrock.inference.v1.Usage", &["GetUsage", "ListCalls", "Reconcile"]),
];

/// A reflection client of one version: lists services, and fetches the file of a symbol or of a name.
macro_rules! reflection {
    ($version:ident) => {
        mod $version {
            use tonic::transport::Channel;
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            pub async fn services(channel: &Channel) -> Vec<String> {
                match super::one(ask(channel, MessageRequest::ListServices(String::new()))).await {
                    MessageResponse::ListServicesResponse(list) => {
                        list.service.into_iter().map(|service| service.name).collect()
                    }
                    other => panic!("{other:?}"),
                }
            }

            pub async fn file_of(channel: &Channel, symbol: &str) -> Vec<Vec<u8>> {
                files(ask(channel, MessageRequest::FileContainingSymbol(symbol.to_owned()))).await
            }

            pub async fn file(channel: &Channel, name: &str) -> Vec<Vec<u8>> {
                files(ask(channel, MessageRequest::FileByFilename(name.to_owned()))).await
            }

            async fn files(answer: impl Future<Output = Vec<MessageResponse>>) -> Vec<Vec<u8>> {
                match super::one(answer).await {
                    MessageResponse::FileDescriptorResponse(files) => files.file_descriptor_proto,
                    other => panic!("{other:?}"),
                }
            }

            async fn ask(channel: &Channel, request: MessageRequest) -> Vec<MessageResponse> {
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
                let mut client = ServerReflectionClient::new(channel.clone());
                let answers =
                    client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap();
                super::all(answers.into_inner())
                    .await
                    .into_iter()
                    .map(|answer| answer.message_response.unwrap())
                    .collect()
            }
        }
    };
}

reflection!(v1);
reflection!(v1alpha);

async fn all<T>(mut stream: tonic::Streaming<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(message) = stream.next().await {
        all.push(message.unwrap());
    }
    all
}

async fn one<T: std::fmt::Debug>(answer: impl Future<Output = Vec<T>>) -> T {
    let mut answers = answer.await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

/// A pool of the files that hold these services, fetched as a client does it: one by one, with imports.
macro_rules! pool {
    ($version:ident, $channel:expr, $services:expr) => {{
        let mut wanted: Vec<String> = Vec::new();
        let mut files: Vec<FileDescriptorProto> = Vec::new();
        let decode = |bytes: Vec<u8>| FileDescriptorProto::decode(bytes.as_slice()).unwrap();
        for service in $services {
            files.extend($version::file_of($channel, service).await.into_iter().map(decode));
        }
        wanted.extend(files.iter().flat_map(|file| file.dependency.clone()));
        while let Some(name) = wanted.pop() {
            if files.iter().all(|file| file.name() != name) {
                let more: Vec<_> = $version::file($channel, &name).await.into_iter().map(decode).collect();
                wanted.extend(more.iter().flat_map(|file| file.dependency.clone()));
                files.extend(more);
            }
        }
        let mut seen = BTreeSet::new();
        files.retain(|file| seen.insert(file.name().to_owned()));
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files).unwrap();
        pool
    }};
}

fn check_pool(pool: &DescriptorPool) {
    for (service, methods) in METHODS {
        let service = pool.get_service_by_name(service).unwrap();
        let found: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
        assert_eq!(found, methods, "{}", service.full_name());
    }
    let inference = pool.get_service_by_name("bedrock.inference.v1.Inference").unwrap();
    let streaming: Vec<_> = inference.methods().map(|method| method.is_server_streaming()).collect();
    assert_eq!(streaming, [false, true, false, true, false, false, false]);
    let request = pool.get_message_by_name("bedrock.inference.v1.ConverseRequest").unwrap();
    assert_eq!(request.get_field_by_name("model_id").unwrap().json_name(), "modelId");
    for service in SERVICES {
        assert!(pool.get_service_by_name(service).is_some(), "{service}");
    }
}

#[tokio::test]
async fn both_versions_list_every_service() {
    let stage = Stage::open().await;
    // Each version of the reflection service is registered apart, so both must know of the other.
    for mut listed in [v1::services(&stage.channel).await, v1alpha::services(&stage.channel).await] {
        listed.sort();
        assert_eq!(listed, SERVICES);
    }
}

#[tokio::test]
async fn both_versions_give_descriptors_that_a_pool_can_be_built_from() {
    let stage = Stage::open().await;
    check_pool(&pool!(v1, &stage.channel, SERVICES));
    check_pool(&pool!(v1alpha, &stage.channel, SERVICES));
}
