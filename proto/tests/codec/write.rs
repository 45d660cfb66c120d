//! Writing: order, required lists, numbers, blobs, unions, and every violation with its path.

use bedrock_inference_proto::codec::{self, Shape};
use bedrock_inference_proto::v1;
use prost_types::value::Kind;
use serde_json::{Value, json};

use crate::{message, request};

fn written<T: Shape>(message: &T) -> String {
    String::from_utf8(codec::write(message).unwrap()).unwrap()
}

fn one_block(block: Value) -> Value {
    json!({"messages": [{"role": "user", "content": [block]}]})
}

#[test]
fn same_message_gives_the_same_bytes_in_the_order_of_aws_model() {
    let body = json!({
        "outputConfig": {"effort": "low", "textFormat": {"structure": {"jsonSchema": {"name": "n", "schema": "{}"}}, "type": "json_schema"}},
        "serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "standard"},
        "requestMetadata": {"z": "1", "a": "2"}, "additionalModelResponseFieldPaths": ["/b", "/a"],
        "promptVariables": {"z": {"text": "1"}, "a": {"text": "2"}},
        "additionalModelRequestFields": {"z": {"y": 1, "b": 2}, "B": 3, "a": []},
        "guardrailConfig": {"trace": "enabled", "guardrailVersion": "1", "guardrailIdentifier": "g"},
        "toolConfig": {"toolChoice": {"auto": {}}, "tools": [
            {"toolSpec": {"strict": true, "inputSchema": {"json": {"type": "object", "properties": {"q": {}, "b": {}}}}, "description": "d", "name": "t"}},
            {"cachePoint": {"ttl": "1h", "type": "default"}}]},
        "inferenceConfig": {"stopSequences": ["X", "A"], "topP": 0.9, "temperature": 0.5, "maxTokens": 10},
        "system": [{"text": "s"}], "messages": [{"content": [{"text": "hi"}], "role": "user"}],
        "modelId": "m", "options": {"requestId": "r"}
    });
    let expected = concat!(
        r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"system":[{"text":"s"}],"#,
        r#""inferenceConfig":{"maxTokens":10,"temperature":0.5,"topP":0.9,"stopSequences":["X","A"]},"#,
        r#""toolConfig":{"tools":[{"toolSpec":{"name":"t","description":"d","inputSchema":{"json":"#,
        r#"{"properties":{"b":{},"q":{}},"type":"object"}},"strict":true}},"#,
        r#"{"cachePoint":{"type":"default","ttl":"1h"}}],"toolChoice":{"auto":{}}},"#,
        r#""guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1","trace":"enabled"},"#,
        r#""additionalModelRequestFields":{"B":3,"a":[],"z":{"b":2,"y":1}},"#,
        r#""promptVariables":{"a":{"text":"2"},"z":{"text":"1"}},"#,
        r#""additionalModelResponseFieldPaths":["/b","/a"],"requestMetadata":{"a":"2","z":"1"},"#,
        r#""performanceConfig":{"latency":"standard"},"serviceTier":{"type":"flex"},"#,
        r#""outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":"#,
        r#"{"schema":"{}","name":"n"}}},"effort":"low"}}"#,
    );
    for _ in 0..100 {
        assert_eq!(written(&request(body.clone())), expected);
    }
}

fn check(cases: &[(&str, Value, &str)]) {
    for (name, body, expected) in cases {
        assert_eq!(written(&request(body.clone())), *expected, "{name}");
    }
}

#[test]
fn lists_and_scalars_are_written_as_aws_wants_them() {
    let cases = [
        ("nothing", json!({}), r#"{}"#),
        (
            "empty optional lists and maps are unset",
            json!({"messages": [], "system": [], "requestMetadata": {}, "inferenceConfig": {"stopSequences": []}}),
            r#"{"inferenceConfig":{}}"#,
        ),
        ("empty toolConfig.tools", json!({"toolConfig": {}}), r#"{"toolConfig":{"tools":[]}}"#),
        (
            "empty message.content",
            json!({"messages": [{"role": "user"}]}),
            r#"{"messages":[{"role":"user","content":[]}]}"#,
        ),
        (
            "empty toolResult.content",
            one_block(json!({"toolResult": {"toolUseId": "t"}})),
            r#"{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[]}}]}]}"#,
        ),
        (
            "zero, false and the empty string are not unset",
            json!({"inferenceConfig": {"maxTokens": 0, "temperature": 0, "topP": 0.0}, "guardrailConfig": {"trace": ""}}),
            r#"{"inferenceConfig":{"maxTokens":0,"temperature":0,"topP":0},"guardrailConfig":{"trace":""}}"#,
        ),
        (
            "doubles in their shortest form",
            json!({"inferenceConfig": {"temperature": 0.7, "topP": 0.1}}),
            r#"{"inferenceConfig":{"temperature":0.7,"topP":0.1}}"#,
        ),
    ];
    check(&cases);
}

#[test]
fn free_form_json_and_unions_are_written_as_aws_wants_them() {
    let cases = [
        (
            "free-form numbers, null and empty values as they were",
            json!({"additionalModelRequestFields": [5, 5.0, 0.7, -3, 1e300, 9_007_199_254_740_992_i64, null, [], {}, "", false]}),
            r#"{"additionalModelRequestFields":[5,5,0.7,-3,1e+300,9007199254740992,null,[],{},"",false]}"#,
        ),
        (
            "a null that is the whole value",
            json!({"additionalModelRequestFields": null}),
            r#"{"additionalModelRequestFields":null}"#,
        ),
        (
            "the twin wins and is written as it stands",
            json!({"additionalModelRequestFields": {"a": 1}, "additionalModelRequestFieldsText": " {\"z\" : 9007199254740993,\"a\":1.0} "}),
            r#"{"additionalModelRequestFields":{"z" : 9007199254740993,"a":1.0}}"#,
        ),
        (
            "a twin alone",
            one_block(json!({"toolUse": {"inputText": "[ ]"}})),
            r#"{"messages":[{"role":"user","content":[{"toolUse":{"input":[ ]}}]}]}"#,
        ),
        (
            "a twin alone counts as its union member",
            json!({"toolConfig": {"tools": [{"toolSpec": {"inputSchema": {"jsonText": "{}"}}}]}}),
            r#"{"toolConfig":{"tools":[{"toolSpec":{"inputSchema":{"json":{}}}}]}}"#,
        ),
        (
            "a twin beside its own member is one member",
            one_block(json!({"toolResult": {"content": [{"json": {"a": 1}, "jsonText": "{\"b\":2}"}]}})),
            r#"{"messages":[{"role":"user","content":[{"toolResult":{"content":[{"json":{"b":2}}]}}]}]}"#,
        ),
        (
            "blobs as base64",
            one_block(json!({"image": {"format": "png", "source": {"bytes": "AAH/+w=="}}})),
            r#"{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"AAH/+w=="}}}]}]}"#,
        ),
        (
            "the list member of a union",
            one_block(json!({"document": {"source": {"content": [{"text": "a"}]}}})),
            r#"{"messages":[{"role":"user","content":[{"document":{"source":{"content":[{"text":"a"}]}}}]}]}"#,
        ),
        (
            "the list member of a union, empty and alone",
            one_block(json!({"document": {"source": {"content": []}}})),
            r#"{"messages":[{"role":"user","content":[{"document":{"source":{"content":[]}}}]}]}"#,
        ),
        (
            "another member beside the empty list",
            one_block(json!({"document": {"source": {"text": "", "content": []}}})),
            r#"{"messages":[{"role":"user","content":[{"document":{"source":{"text":""}}}]}]}"#,
        ),
        (
            "values that AWS may add tomorrow",
            json!({"messages": [{"role": "narrator"}], "serviceTier": {"type": "warp"}}),
            r#"{"messages":[{"role":"narrator","content":[]}],"serviceTier":{"type":"warp"}}"#,
        ),
    ];
    check(&cases);
}

#[test]
fn an_empty_tool_result_delta_counts_as_set_when_nothing_else_is() {
    let delta = |json| message::<v1::ContentBlockDelta>("ContentBlockDelta", json);
    let cases = [
        (json!({}), r#"{"toolResult":[]}"#),
        (json!({"text": "a"}), r#"{"text":"a"}"#),
        (json!({"toolResult": [{"json": null}]}), r#"{"toolResult":[{"json":null}]}"#),
    ];
    for (body, expected) in cases {
        assert_eq!(written(&delta(body)), expected);
    }
}

/// The violations as `path: description` lines.
fn violations<T: Shape>(message: &T) -> Vec<String> {
    codec::write(message).unwrap_err().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_violation<T: Shape>(message: &T, path: &str, description: &str) {
    let found = violations(message);
    let [only] = found.as_slice() else { panic!("{found:?}") };
    let rest = only.strip_prefix(&format!("{path}: ")).unwrap_or_else(|| panic!("{only} is not at {path}"));
    assert!(rest.starts_with(description), "{only}");
}

#[test]
fn what_aws_json_cannot_say_is_refused_with_its_path() {
    let block = "messages[0].content[0]";
    let cases = [
        (one_block(json!({"toolUse": {"inputText": "{secret"}})), ".toolUse.input", "has a _text twin"),
        (one_block(json!({"toolUse": {"inputText": ""}})), ".toolUse.input", "has a _text twin"),
        (one_block(json!({"toolUse": {"inputText": "1 2"}})), ".toolUse.input", "has a _text twin"),
        (
            one_block(json!({"toolUse": {"input": {}, "inputText": "nope"}})),
            ".toolUse.input",
            "has a _text twin",
        ),
        (one_block(json!({})), "", "has no member; one of text, image, document, video,"),
        (one_block(json!({"image": {"source": {}}})), ".image.source", "has no member; one of bytes,"),
        (
            one_block(json!({"unknown": {"newBlock": "secret"}})),
            "",
            "holds a member that this version does not",
        ),
        (
            one_block(json!({"document": {"source": {"text": "a", "content": [{"text": "b"}]}}})),
            ".document.source",
            "has several members; only one of bytes, s3Location, text, content",
        ),
        (
            one_block(json!({"toolResult": {"content": [{"json": 1}, {"text": "a", "jsonText": "{}"}]}})),
            ".toolResult.content[1]",
            "has several members; only one of json, text,",
        ),
    ];
    for (body, path, description) in cases {
        check_violation(&request(body), &format!("{block}{path}"), description);
    }
}

#[test]
fn a_union_without_a_member_is_refused_wherever_it_stands() {
    let cases = [
        (json!({"system": [{"text": "a"}, {}]}), "system[1]"),
        (json!({"promptVariables": {"name": {}}}), "promptVariables.name"),
        (json!({"toolConfig": {"tools": [{}]}}), "toolConfig.tools[0]"),
        (json!({"toolConfig": {"tools": [], "toolChoice": {}}}), "toolConfig.toolChoice"),
        (
            json!({"toolConfig": {"tools": [{"toolSpec": {"inputSchema": {}}}]}}),
            "toolConfig.tools[0].toolSpec.inputSchema",
        ),
        (json!({"outputConfig": {"textFormat": {"structure": {}}}}), "outputConfig.textFormat.structure"),
    ];
    for (body, path) in cases {
        check_violation(&request(body), path, "has no member; one of ");
    }
}

#[test]
fn a_tool_result_delta_beside_another_member_is_refused() {
    let event =
        |delta| message::<v1::ContentBlockDeltaEvent>("ContentBlockDeltaEvent", json!({ "delta": delta }));
    check_violation(
        &event(json!({"text": "a", "toolResult": [{"text": "b"}]})),
        "delta",
        "has several members",
    );
    check_violation(&event(json!({"unknown": {"a": 1}})), "delta", "holds a member that this version");
    check_violation(&event(json!({"toolResult": [{}]})), "delta.toolResult[0]", "has no member");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut message = request(json!({"inferenceConfig": {"temperature": 0.5}}));
        message.inference_config.as_mut().unwrap().temperature = Some(number);
        check_violation(&message, "inferenceConfig.temperature", "is not a finite number");

        let mut message = request(json!({"additionalModelRequestFields": {"a": [1]}}));
        let Some(Kind::StructValue(fields)) =
            &mut message.additional_model_request_fields.as_mut().unwrap().kind
        else {
            panic!("not an object")
        };
        fields.fields.get_mut("a").unwrap().kind = Some(Kind::NumberValue(number));
        check_violation(&message, "additionalModelRequestFields", "holds a number that is not finite");
    }
}

#[test]
fn every_violation_is_reported_in_order_and_none_shows_content() {
    let message = request(json!({
        "messages": [
            {"role": "user", "content": [{"text": "secret"}, {}, {"toolUse": {"inputText": "secret"}}]},
            {"role": "assistant", "content": [{"unknown": "secret"}]}],
        "system": [{}],
        "inferenceConfig": {"temperature": "NaN", "topP": "Infinity"},
        "additionalModelRequestFieldsText": "{secret}"
    }));
    let found = violations(&message);
    let paths: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "messages[0].content[1]",
        "messages[0].content[2].toolUse.input",
        "messages[1].content[0]",
        "system[0]",
        "inferenceConfig.temperature",
        "inferenceConfig.topP",
        "additionalModelRequestFields",
    ];
    assert_eq!(paths, expected);
    assert!(!found.concat().contains("secret"));
}
