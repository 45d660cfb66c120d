//! Reading: blobs, nulls, members that this version does not know, and bodies that are not what AWS says.

use bedrock_inference_proto::codec::{self, ReadError};
use bedrock_inference_proto::v1;
use serde_json::{Value, json};

use crate::message;

fn read(body: &Value) -> codec::Decoded<v1::ConverseResponse> {
    codec::read(body.to_string().as_bytes()).unwrap()
}

fn one_block(block: Value) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": [block]}}})
}

#[test]
fn a_reply_of_aws_is_the_message_that_proto3_json_makes_of_it() {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"text": "hello"},
            {"reasoningContent": {"redactedContent": "AAH/+w=="}},
            {"toolUse": {"toolUseId": "t", "name": "n", "input": {"a": [1, 0.7, null]}}}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 9_007_199_254_740_993_i64}
    });
    let decoded = read(&body);
    assert_eq!(decoded.value, message("ConverseResponse", body));
    assert_eq!(decoded.unknown, Vec::<String>::new());
}

#[test]
fn blobs_are_base64_on_the_wire_and_bytes_in_the_message() {
    let decoded = read(&one_block(json!({"reasoningContent": {"redactedContent": "AAH/+w=="}})));
    let Some(v1::converse_output::Kind::Message(message)) = decoded.value.output.unwrap().kind else {
        panic!("no message")
    };
    let Some(v1::content_block::Kind::ReasoningContent(reasoning)) = message.content[0].kind.clone() else {
        panic!("no reasoning")
    };
    let bytes = prost::bytes::Bytes::from_static(&[0, 1, 255, 251]);
    assert_eq!(reasoning.kind, Some(v1::reasoning_content_block::Kind::RedactedContent(bytes)));
}

#[test]
fn unknown_members_are_listed_with_their_paths_and_the_rest_is_read() {
    let cases = [
        (json!({"newTop": 1}), vec!["newTop"]),
        (json!({"usage": {"inputTokens": 1, "newCount": {"deep": [1]}}}), vec!["usage.newCount"]),
        (
            json!({"usage": {"cacheDetails": [{"ttl": "5m"}, {"ttl": "1h", "x": null}]}, "y": []}),
            vec!["usage.cacheDetails[1].x", "y"],
        ),
        (
            json!({"trace": {"guardrail": {"outputAssessments": {"g1": [{}, {"new": 1}]}}}}),
            vec!["trace.guardrail.outputAssessments.g1[1].new"],
        ),
        (
            one_block(json!({"toolUse": {"toolUseId": "t", "caller": "c"}})),
            vec!["output.message.content[0].toolUse.caller"],
        ),
        (one_block(json!({"newBlock": 1})), vec!["output.message.content[0].newBlock"]),
        (json!({"a": 1, "stopReason": "end_turn", "b": 2}), vec!["a", "b"]),
    ];
    for (body, unknown) in cases {
        assert_eq!(read(&body).unknown, unknown, "{body}");
    }
    let decoded = read(&json!({"a": [[{"b": 1}]], "stopReason": "end_turn"}));
    assert_eq!(decoded.value.stop_reason.as_deref(), Some("end_turn"));
}

#[test]
fn an_unknown_content_block_or_delta_travels_on() {
    let decoded = read(&one_block(json!({"newBlock": {"b": 1, "a": [null]}})));
    let expected = one_block(json!({"unknown": {"newBlock": {"b": 1, "a": [null]}}}));
    assert_eq!(decoded.value, message("ConverseResponse", expected));

    let delta = codec::read::<v1::ContentBlockDeltaEvent>(br#"{"delta":{"new":"x"},"contentBlockIndex":0}"#);
    let expected = json!({"delta": {"unknown": {"new": "x"}}, "contentBlockIndex": 0});
    assert_eq!(delta.unwrap().value, message("ContentBlockDeltaEvent", expected));
}

#[test]
fn null_members_are_unset() {
    let body = json!({
        "output": {"message": {"role": null, "content": null}}, "stopReason": null, "usage": null,
        "trace": {"guardrail": {"modelOutput": null, "inputAssessment": null, "outputAssessments": null}}
    });
    let expected = json!({"output": {"message": {}}, "trace": {"guardrail": {}}});
    assert_eq!(read(&body).value, message("ConverseResponse", expected));

    let body = json!({"image": null, "text": "a", "toolUse": null, "cachePoint": null});
    assert_eq!(read(&one_block(body)).value, message("ConverseResponse", one_block(json!({"text": "a"}))));
}

#[track_caller]
fn check_error(body: &str, path: &str, syntax: bool) {
    let error = codec::read::<v1::ConverseResponse>(body.as_bytes()).unwrap_err();
    assert_eq!(error, ReadError { path: path.to_owned(), syntax }, "{body}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_member_of_another_type_is_an_error_with_its_path() {
    let content = "output.message.content";
    let cases = [
        (json!("secret"), ""),
        (json!(["secret"]), ""),
        (json!(null), ""),
        (json!({"stopReason": 1}), "stopReason"),
        (json!({"stopReason": ["secret"]}), "stopReason"),
        (json!({"usage": "secret"}), "usage"),
        (json!({"usage": {"inputTokens": "secret"}}), "usage.inputTokens"),
        (json!({"usage": {"inputTokens": 2_147_483_648_i64}}), "usage.inputTokens"),
        (json!({"usage": {"inputTokens": 1.5}}), "usage.inputTokens"),
        (json!({"usage": {"cacheDetails": [{}, "secret"]}}), "usage.cacheDetails[1]"),
        (json!({"metrics": {"latencyMs": true}}), "metrics.latencyMs"),
        (json!({"output": {"message": {"content": {"secret": 1}}}}), content),
        (
            json!({"trace": {"guardrail": {"inputAssessment": {"secret": "secret"}}}}),
            "trace.guardrail.inputAssessment.*",
        ),
        (
            json!({"trace": {"guardrail": {"outputAssessments": {"secret": [{}, 1]}}}}),
            "trace.guardrail.outputAssessments.*[1]",
        ),
    ];
    for (body, path) in cases {
        check_error(&body.to_string(), path, false);
    }
    let blocks = [
        (json!({"text": {"secret": 1}}), "text"),
        (json!({"toolUse": {"name": 1}}), "toolUse.name"),
        (json!({"image": {"source": {"bytes": "secret!"}}}), "image.source.bytes"),
        (json!({"image": {"source": {"bytes": "AAH"}}}), "image.source.bytes"),
        (json!({"reasoningContent": {"redactedContent": 1}}), "reasoningContent.redactedContent"),
    ];
    for (block, path) in blocks {
        check_error(&one_block(block).to_string(), &format!("{content}[0].{path}"), false);
    }
}

#[test]
fn a_body_that_is_not_json_is_an_error_with_the_place_where_it_breaks() {
    let cases = [
        ("", ""),
        ("secret", ""),
        ("{}secret", ""),
        (r#"{"stopReason":"secret"#, "stopReason"),
        (r#"{"secret":tru"#, ""),
        (r#"{"usage":{"secret":[1,"#, "usage"),
        (r#"{"output":{"message":{"content":[{"secret":tru"#, "output.message.content[0]"),
        (r#"{"stopReason":"secret \ud800"}"#, "stopReason"),
        (r#"{"usage":{"inputTokens":1 secret"#, "usage"),
        (
            r#"{"output":{"message":{"content":[{"text":"a"},{"text":"secret"#,
            "output.message.content[1].text",
        ),
        (
            r#"{"output":{"message":{"content":[{"toolUse":{"input":{"secret":"#,
            "output.message.content[0].toolUse.input",
        ),
        (r#"{"newMember":[secret"#, ""),
    ];
    for (body, path) in cases {
        check_error(body, path, true);
    }
    assert!(codec::read::<v1::ConverseResponse>(b"{\"stopReason\":\"\xff\"}").unwrap_err().syntax);
}
