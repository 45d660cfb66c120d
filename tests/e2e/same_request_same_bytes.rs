//! The same request reaches the upstream in the same bytes, and free-form JSON as it was written.

use std::collections::BTreeSet;

use bedrock_inference_proto::v1::{
    ConverseRequest, Tool, ToolConfiguration, ToolInputSchema, ToolResultBlock, ToolResultContentBlock,
    ToolSpecification, ToolUseBlock, content_block, tool, tool_input_schema,
};
use prost_types::Value;
use serde_json::json;

use crate::stage::{CLAUDE, Stage, ask, user};

fn value(json: &serde_json::Value) -> Value {
    bedrock_inference_proto::codec::document_from_json(&json.to_string()).unwrap().0.unwrap()
}

fn tool(schema: &serde_json::Value) -> Tool {
    Tool {
        kind: Some(tool::Kind::ToolSpec(ToolSpecification {
            name: Some("lookup".to_owned()),
            description: Some("Looks things up".to_owned()),
            input_schema: Some(ToolInputSchema {
                kind: Some(tool_input_schema::Kind::Json(value(schema))),
                json_text: None,
            }),
            strict: None,
        })),
    }
}

fn with_tools(tools: Vec<Tool>) -> ConverseRequest {
    ConverseRequest {
        tool_config: Some(ToolConfiguration { tools, tool_choice: None }),
        ..ask(CLAUDE, "Look up the river Seine.")
    }
}

async fn last_body(stage: &Stage) -> serde_json::Value {
    serde_json::from_slice(&stage.emulator.calls().last().unwrap().body).unwrap()
}

#[tokio::test]
async fn a_tool_request_sent_100_times_is_100_times_the_same() {
    let stage = Stage::by_converse().await;
    let schema = json!({"type": "object", "properties": {
        "river": {"type": "string"}, "at": {"type": "integer"}, "zone": {"enum": ["a", "b"]},
        "deep": {"type": "object", "properties": {"x": {"type": "number"}, "m": {}, "a": {}}}
    }, "required": ["river"]});
    let mut request = with_tools(vec![tool(&schema)]);
    request.request_metadata = [("team", "river"), ("app", "seine"), ("zone", "9")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    for _ in 0..100 {
        stage.inference().converse(request.clone()).await.unwrap();
    }
    let bodies: BTreeSet<_> = stage.emulator.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(stage.emulator.calls().len(), 100);
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn free_form_json_arrives_as_it_was_written() {
    let stage = Stage::by_converse().await;
    let schema = json!({
        "type": "object", "default": null, "required": [], "properties": {}, "minimum": 5, "multipleOf": 0.7,
        "examples": [null, [], {}, -3, 9_007_199_254_740_992_i64, 1e300, "text", true]
    });
    let mut request = with_tools(vec![tool(&schema)]);
    request.additional_model_request_fields = Some(value(&json!({"top_k": 50})));
    stage.inference().converse(request).await.unwrap();
    let body = stage.emulator.calls().last().unwrap().body.clone();
    let body = std::str::from_utf8(&body).unwrap().to_owned();
    assert!(body.contains("\"minimum\":5,"), "{body}");
    assert!(body.contains("\"multipleOf\":0.7,"), "{body}");
    assert!(body.contains("\"additionalModelRequestFields\":{\"top_k\":50}"), "{body}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"], schema);
}

#[tokio::test]
async fn integers_above_2_to_the_53_go_through_the_text_twin() {
    let stage = Stage::by_converse().await;
    let text = r#"{"type":"object","const":9007199254740993,"maximum":18446744073709551615}"#;
    let mut request = with_tools(vec![tool(&json!({"type": "object"}))]);
    let Some(tool::Kind::ToolSpec(spec)) = &mut request.tool_config.as_mut().unwrap().tools[0].kind else {
        panic!()
    };
    spec.input_schema.as_mut().unwrap().json_text = Some(text.to_owned());
    stage.inference().converse(request).await.unwrap();
    let body = stage.emulator.calls().last().unwrap().body.clone();
    assert!(std::str::from_utf8(&body).unwrap().contains(text));
}

#[tokio::test]
async fn an_empty_optional_list_is_unset_and_a_required_one_is_written() {
    let stage = Stage::by_converse().await;
    let mut request = with_tools(vec![tool(&json!({"type": "object"}))]);
    let mut call = user("x");
    call.role = Some("assistant".to_owned());
    call.content[0].kind = Some(content_block::Kind::ToolUse(ToolUseBlock {
        tool_use_id: Some("t1".to_owned()),
        name: Some("lookup".to_owned()),
        input: Some(value(&json!({}))),
        ..ToolUseBlock::default()
    }));
    request.messages.push(call);
    let result = content_block::Kind::ToolResult(ToolResultBlock {
        tool_use_id: Some("t1".to_owned()),
        content: Vec::<ToolResultContentBlock>::new(),
        status: None,
        r#type: None,
    });
    let mut answer = user("x");
    answer.content[0].kind = Some(result);
    request.messages.push(answer);
    stage.inference().converse(request).await.unwrap();
    let body = last_body(&stage).await;
    assert_eq!(body["messages"][2]["content"][0]["toolResult"]["content"], json!([]));
    assert!(body.get("system").is_none());
    assert!(body.get("additionalModelResponseFieldPaths").is_none());
}
