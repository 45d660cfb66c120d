//! Calls through Converse: the body is the codec's, in either mode, and what it cannot say is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bedrock_inference_adapters::contract::{AdapterErrorKind, ConverseCall, Mode, Wire};
use bedrock_inference_adapters::converse;
use bedrock_inference_proto::{codec, v1};
use serde_json::json;

fn body() -> String {
    json!({
        "messages": [{"role": "user", "content": [{"text": "hi"}]}], "system": [{"text": "s"}],
        "inferenceConfig": {"maxTokens": 10, "temperature": 0},
        "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
        "additionalModelRequestFields": {"id": 9_007_199_254_740_993_i64},
        "promptVariables": {"a": {"text": "1"}}, "additionalModelResponseFieldPaths": ["/a"],
        "requestMetadata": {"a": "1"}, "performanceConfig": {"latency": "standard"},
        "serviceTier": {"type": "flex"}, "outputConfig": {"effort": "low"}
    })
    .to_string()
}

#[test]
fn the_bytes_are_the_codecs_in_either_mode() {
    let body = body();
    let unary = codec::read::<v1::ConverseRequest>(body.as_bytes()).unwrap().value;
    let stream = codec::read::<v1::ConverseStreamRequest>(body.as_bytes()).unwrap().value;
    let calls = [(ConverseCall::from(unary), Mode::Unary), (ConverseCall::from(stream), Mode::Stream)];
    for (call, mode) in calls {
        assert_eq!(call.mode, mode);
        assert_eq!(converse::encode(&call).unwrap().wire, Wire::Converse { body: body.clone().into() });
    }
}

#[test]
fn the_gateways_own_members_stay_with_the_call_and_off_the_wire() {
    let request = v1::ConverseRequest {
        model_id: Some("m".to_owned()),
        options: Some(v1::CallOptions { request_id: Some("r".to_owned()), ..Default::default() }),
        ..Default::default()
    };
    let call = ConverseCall::from(request.clone());
    assert_eq!(
        (call.request.model_id.clone(), call.request.options.clone()),
        (request.model_id, request.options)
    );
    assert_eq!(converse::encode(&call).unwrap().wire, Wire::Converse { body: "{}".into() });
}

#[test]
fn everything_that_cannot_be_said_is_refused_at_once() {
    let request = v1::ConverseRequest {
        system: vec![v1::SystemContentBlock::default(), v1::SystemContentBlock::default()],
        additional_model_request_fields_text: Some("secret".to_owned()),
        ..Default::default()
    };
    let error = converse::encode(&request.into()).unwrap_err();
    assert!(error.to_string().ends_with("(and 2 more)") && !error.to_string().contains("secret"), "{error}");
    let AdapterErrorKind::Unsupported(violations) = error.kind else { panic!("{error:?}") };
    let paths: Vec<_> = violations.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["system[0]", "system[1]", "additionalModelRequestFields"]);
}
