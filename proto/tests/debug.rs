//! Content cannot be printed: `{:?}` of a message that can hold some says how much there is, no more.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use bedrock_inference_proto::v1;
use prost_types::value::Kind;

const SECRET: &str = "canary";

#[track_caller]
fn prints(message: &impl Debug, expected: &str) {
    assert_eq!(format!("{message:?}"), expected);
    assert_eq!(format!("{message:#?}"), expected);
}

#[test]
fn messages_and_their_oneofs_print_name_and_size() {
    let kind = v1::content_block::Kind::Text(SECRET.to_owned());
    prints(&kind, "content_block::Kind(8 bytes)");
    let block = v1::ContentBlock { kind: Some(kind) };
    prints(&block, "ContentBlock(8 bytes)");
    let message = v1::Message { role: Some("user".to_owned()), content: vec![block] };
    let request = v1::ConverseRequest { messages: vec![message], ..v1::ConverseRequest::default() };
    prints(&request, "ConverseRequest(18 bytes)");
    prints(&tonic::Request::new(request).into_inner(), "ConverseRequest(18 bytes)");
}

#[test]
fn free_form_json_does_not_print_through_its_message() {
    let value = prost_types::Value { kind: Some(Kind::StringValue(SECRET.to_owned())) };
    let tool = v1::ToolUseBlock { input: Some(value.clone()), ..v1::ToolUseBlock::default() };
    assert!(!format!("{tool:?}").contains(SECRET));
    assert!(!format!("{:?}", v1::content_block::Kind::Unknown(value)).contains(SECRET));
}

#[test]
fn labels_do_not_print_and_reports_do() {
    let labels = BTreeMap::from([(SECRET.to_owned(), SECRET.to_owned())]);
    assert!(!format!("{:?}", v1::CallOptions { labels, ..v1::CallOptions::default() }).contains(SECRET));
    let report = v1::CallReport { region: "eu-central-1".to_owned(), ..v1::CallReport::default() };
    assert!(format!("{report:?}").contains("eu-central-1"));
}

/// Only these print what they hold.
#[test]
fn every_other_message_is_hidden() {
    use prost::Message as _;
    let generated = include_str!("../src/gen/debug.rs");
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let ours = files.file.iter().filter(|file| file.package() == "bedrock.inference.v1");
    let names = ours.flat_map(|file| file.message_type.iter().map(|message| message.name()));
    let open: Vec<_> = names.filter(|name| !generated.contains(&format!("\n    {name},\n"))).collect();
    let expected = [
        "CallReport",
        "Attempt",
        "TokenCounts",
        "Cost",
        "CostLine",
        "Timings",
        "Warning",
        "ListModelsRequest",
        "ListModelsResponse",
        "GetModelRequest",
        "GetModelResponse",
        "ModelTarget",
        "Model",
        "ModelPrice",
        "ModelLimits",
        "ModelCapabilities",
        "ModelLifecycle",
    ];
    assert_eq!(open, expected);
}
