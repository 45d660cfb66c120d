//! Answers from end to end: prompt in, blocks out.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::models::Catalogue;
use crate::prompt::parse_converse;

const NOVA: &str = "us.amazon.nova-pro-v1:0";

fn ask(body: Value) -> Answer {
    let Value::Object(body) = body else { panic!("a body is an object") };
    compose(&parse_converse(Catalogue::load().unwrap().resolve(NOVA).unwrap(), body).unwrap())
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn text(answer: &Answer) -> String {
    let texts = answer.blocks.iter().filter_map(|block| match block {
        AnswerBlock::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn known_topics_are_answered() {
    for (question, part) in [
        ("What is the capital of France?", "is Paris"),
        ("What is 12*7?", "12 * 7 = 84."),
        ("Write a haiku about the sea", "On the sea:\n"),
        ("Explain TCP in one sentence.", "TCP turns a network"),
        ("Give me a list of three fruits", "1. apple\n2. banana\n3. cherry"),
        ("How many r in strawberry?", "3 times"),
        ("Hello there", "speaking as Amazon Nova Pro"),
        ("Tell me about your day", "You wrote \u{201c}Tell me about your day\u{201d}"),
    ] {
        let answer = text(&ask(json!({"messages": [user(question)]})));
        assert!(answer.contains(part), "{question}: {answer}");
    }
}

#[test]
fn an_echo_is_exact() {
    assert_eq!(text(&ask(json!({"messages": [user("Repeat after me: one TWO")]}))), "one TWO");
}

#[test]
fn conversations_and_system_prompts_are_mentioned() {
    let said = json!({"role": "assistant", "content": [{"text": "hi"}]});
    let answer = text(&ask(json!({
        "system": [{"text": "You are a pirate."}],
        "messages": [user("My name is Ada."), said, user("What is my name?")]})));
    for part in
        ["Your name is Ada", "turn 2", "began with \u{201c}My name is Ada\u{201d}", "You are a pirate"]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

fn weather() -> Value {
    json!({"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}}]})
}

#[test]
fn every_enumerated_value_gets_its_own_call() {
    let answer = ask(json!({"messages": [user("Weather in Paris and Rome?")], "toolConfig": weather()}));
    assert_eq!(answer.stop_reason, StopReason::ToolUse);
    let inputs: Vec<&Value> = answer
        .blocks
        .iter()
        .filter_map(|block| match block {
            AnswerBlock::ToolUse { input, .. } => Some(input),
            _ => None,
        })
        .collect();
    assert_eq!(inputs, [&json!({"city": "Paris"}), &json!({"city": "Rome"})]);
}

#[test]
fn tool_results_are_put_into_words() {
    let answer = ask(json!({"messages": [user("Weather in Paris?"),
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "get_weather", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"json": {"degrees": 15}}]}}]}],
        "toolConfig": weather()}));
    assert_eq!(text(&answer), "get_weather says: degrees: 15.");
    assert_eq!(answer.stop_reason, StopReason::EndTurn);
}

#[test]
fn structured_output_is_json() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
        .to_string();
    let answer = ask(json!({"messages": [user("Tell me about Oslo")], "outputConfig": {"textFormat": {
        "type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}}}));
    assert_eq!(text(&answer), r#"{"city":"Oslo"}"#);
}

#[test]
fn the_same_prompt_gets_the_same_answer() {
    let body = json!({"messages": [user("Weather in Paris?")], "toolConfig": weather()});
    assert_eq!(ask(body.clone()), ask(body));
}
