//! What the codec promises: the same bytes for the same message, nothing lost, every mistake with its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "codec/documents.rs"]
mod documents;
#[path = "codec/properties.rs"]
mod properties;
#[path = "codec/read.rs"]
mod read;
#[path = "codec/write.rs"]
mod write;

use bedrock_inference_proto::{FILE_DESCRIPTOR_SET, v1};
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

/// A message from proto3 JSON, as a JSON-to-gRPC client makes it: the codec has no part in it.
fn message<M: prost::Message + Default>(name: &str, json: Value) -> M {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let descriptor = pool.get_message_by_name(&format!("bedrock.inference.v1.{name}")).unwrap();
    let dynamic = DynamicMessage::deserialize(descriptor, json).unwrap();
    dynamic.transcode_to().unwrap()
}

fn request(json: Value) -> v1::ConverseRequest {
    message("ConverseRequest", json)
}
