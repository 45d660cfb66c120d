//! Native bodies as prompts.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::models::Catalogue;
use crate::prompt::{Block, GuardrailRequest, Source, Tool, ToolChoice, TraceLevel, Ttl, parse_converse};
use crate::tokens;

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn members(body: Value) -> Map<String, Value> {
    let Value::Object(members) = body else { panic!("a body is an object") };
    members
}

fn parse(body: Value) -> Prompt {
    let model = Catalogue::load().unwrap().resolve(SONNET).unwrap();
    parse_native(model, members(body), Invocation::default()).unwrap()
}

fn claude(content: Value) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
        "messages": [{"role": "user", "content": content}]})
}

#[test]
fn checkpoints_follow_what_carries_them() {
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    let mut body = claude(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]));
    body["tools"] = json!([{"name": "t", "input_schema": {"type": "object"}, "cache_control": hour}]);
    let prompt = parse(body);
    assert!(matches!(prompt.tools.as_slice(), [Tool::Spec(_), Tool::CachePoint(Ttl::OneHour)]));
    let content = &prompt.messages[0].content;
    assert!(matches!(content.as_slice(), [Block::Text(_), Block::CachePoint(Ttl::FiveMinutes)]));
}

#[test]
fn documents_come_in_three_kinds_of_source() {
    for (source, format, text, chunked) in [
        (json!({"type": "base64", "media_type": "application/pdf", "data": "YWI="}), "pdf", "ab", false),
        (json!({"type": "text", "media_type": "text/plain", "data": "ab"}), "txt", "ab", false),
        (
            json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            "txt",
            "a\nb",
            true,
        ),
    ] {
        let prompt = parse(claude(json!([{"type": "document", "source": source}])));
        let [Block::Document(document)] = prompt.messages[0].content.as_slice() else { panic!("{source}") };
        assert_eq!((document.format.as_str(), document.chunked, document.citable), (format, chunked, false));
        assert!(matches!(&document.source, Source::Bytes(bytes) if bytes == text));
    }
}

#[test]
fn a_choice_of_none_is_no_call() {
    let mut body = claude(json!("Weather in Oslo?"));
    body["tools"] = json!([{"name": "t", "input_schema": {"type": "object"}}]);
    body["tool_choice"] = json!({"type": "none"});
    let prompt = parse(body);
    assert_eq!(prompt.tool_choice, ToolChoice::None);
    assert_eq!(crate::answer::compose(&prompt).stop_reason.as_str(), "end_turn");
}

#[test]
fn both_routes_count_the_same() {
    let native = parse(claude(json!("Hello there")));
    let converse = json!({"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]});
    let converse = parse_converse(Arc::clone(&native.model), members(converse)).unwrap();
    assert_eq!(tokens::of_prompt(&native), tokens::of_prompt(&converse));
}

#[test]
fn tagged_text_becomes_guarded_content() {
    let mut body = claude(json!(
        "a <amazon-bedrock-guardrails-guardContent_x>b</amazon-bedrock-guardrails-guardContent_x>"
    ));
    body["amazon-bedrock-guardrailConfig"] =
        json!({"tagSuffix": "x", "streamProcessingMode": "ASYNCHRONOUS"});
    let model = Catalogue::load().unwrap().resolve(SONNET).unwrap();
    let guardrail = GuardrailRequest {
        identifier: "g".to_owned(),
        version: "1".to_owned(),
        trace: TraceLevel::Disabled,
        asynchronous: false,
    };
    let invocation = Invocation { guardrail: Some(guardrail), ..Invocation::default() };
    let prompt = parse_native(model, members(body), invocation).unwrap();
    let content = prompt.messages[0].content.as_slice();
    assert!(matches!(content, [Block::Text(a), Block::GuardText(b)] if a == "a " && b == "b"));
    assert!(prompt.guardrail.unwrap().asynchronous);
}
