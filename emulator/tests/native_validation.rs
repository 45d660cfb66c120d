//! Raw native bodies that no model accepts, and what the service says to them.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use client::{Client, NOVA, Protocol, SONNET, claude, emulator, path, read};
use serde_json::{Value, json};

const OPUS: &str = "us.anthropic.claude-opus-5";
const TITAN: &str = "amazon.titan-text-lite-v1";

/// A good Claude body with some members replaced.
fn with(more: &Value) -> String {
    let mut body = claude("Hello");
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body.to_string()
}

fn content(block: &Value) -> String {
    with(&json!({"messages": [{"role": "user", "content": [block]}]}))
}

/// Model, body, and a part of the message; an empty part means that the call succeeds.
type Case = (&'static str, String, &'static str);

/// The members of Claude's body.
fn claude_members() -> Vec<Case> {
    let thinking = json!({"type": "enabled", "budget_tokens": 2048});
    let prefill = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    let both = json!({"temperature": 1, "top_p": 1});
    vec![
        (SONNET, String::new(), "Malformed input request"),
        (SONNET, "null".to_owned(), "not a JSON object"),
        (
            SONNET,
            with(&json!({"x": 1})),
            "#: extraneous key [x] is not permitted, please reformat your input",
        ),
        (SONNET, with(&json!({"stream": false})), "extraneous key [stream]"),
        (SONNET, with(&json!({"max_tokens": null})), "required key [max_tokens] not found"),
        (SONNET, with(&json!({"max_tokens": 0})), "greater than or equal to 1"),
        (SONNET, with(&json!({"temperature": 1.5})), "less than or equal to 1"),
        (SONNET, with(&json!({"top_k": -1})), "top_k"),
        (SONNET, with(&both), "`temperature` and `top_p` cannot both"),
        (SONNET, with(&json!({"thinking": {"type": "maybe"}})), "[enabled, disabled, adaptive]"),
        (SONNET, with(&json!({"thinking": thinking, "top_k": 1})), "`top_k` must be unset"),
        (SONNET, with(&json!({"thinking": thinking, "messages": prefill})), "prefilled"),
        (SONNET, with(&json!({"messages": prefill})), ""),
        (OPUS, with(&json!({"messages": prefill})), "prefill"),
        (OPUS, with(&json!({"temperature": 1})), "`temperature` is deprecated"),
        (SONNET, with(&json!({"stop_sequences": [" "]})), "non-whitespace"),
        (SONNET, with(&json!({"stop_sequences": vec!["x"; 8_191]})), ""),
        (SONNET, with(&json!({"stop_sequences": vec!["x"; 8_192]})), "8191"),
        (SONNET, with(&json!({"system": [{"type": "image"}]})), "system.0.type"),
        (SONNET, with(&json!({"output_config": {"effort": "huge"}})), "output_config.effort"),
        (SONNET, with(&json!({"metadata": {"user": 1}})), "metadata.user: Extra inputs"),
    ]
}

/// Claude's tools and blocks.
fn claude_parts() -> Vec<Case> {
    let tool = json!({"name": "t", "input_schema": {"type": "object"}});
    let computer = json!({"type": "computer_20250124", "name": "computer", "display_width_px": 1});
    let eternal = json!({"type": "text", "text": "a", "cache_control": {"type": "eternal"}});
    let bitmap = json!({"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}});
    let url = json!({"type": "document", "source": {"type": "url", "url": "x"}});
    let redacted = json!({"type": "redacted_thinking", "data": "x"});
    let kept = json!({"type": "thinking", "thinking": "x", "cache_control": {"type": "ephemeral"}});
    vec![
        (SONNET, with(&json!({"tools": [tool], "tool_choice": {"type": "none"}})), ""),
        (SONNET, with(&json!({"tools": [tool], "tool_choice": {"type": "all"}})), "[auto, any, tool, none]"),
        (SONNET, with(&json!({"tools": [{"name": "a b"}]})), "should match pattern"),
        (SONNET, with(&json!({"tools": [{"name": "t"}]})), "tools.0.input_schema"),
        (SONNET, with(&json!({"tools": [computer]})), ""),
        (SONNET, content(&eternal), "ephemeral"),
        (SONNET, content(&bitmap), "image/webp"),
        (SONNET, content(&url), "not supported on Bedrock"),
        (SONNET, content(&redacted), "not allowed in a message with the user role"),
        (SONNET, content(&kept), "cache_control"),
    ]
}

fn other_families() -> Vec<Case> {
    let text = |text: &str| json!({"inputText": text}).to_string();
    let long = json!({"inputText": "a", "textGenerationConfig": {"maxTokenCount": 4097}});
    vec![
        (NOVA, claude("Hello").to_string(), "extraneous key [anthropic_version]"),
        (NOVA, text("a"), "required key [messages] not found#: extraneous key [inputText]"),
        (NOVA, json!({"messages": []}).to_string(), "greater than or equal to 1"),
        (TITAN, text(" "), "blank"),
        (TITAN, long.to_string(), "limit of 4096"),
        (TITAN, text("Bot: a\nUser: b\nBot:"), ""),
        ("anthropic.claude-opus-5", claude("a").to_string(), "on-demand throughput isn\u{2019}t supported"),
    ]
}

#[tokio::test]
async fn native_bodies_are_refused_with_a_useful_message() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for verb in ["invoke", "invoke-with-response-stream"] {
        for (model, body, part) in claude_members().into_iter().chain(claude_parts()).chain(other_families())
        {
            let answer = read(client.post(&path(model, verb), body.clone()).await.expect("a response")).await;
            if part.is_empty() {
                assert_eq!(answer.status, 200, "{body}: {:?}", answer.body);
                continue;
            }
            assert_eq!(answer.status, 400, "{body}");
            assert!(answer.header("x-amzn-errortype").starts_with("ValidationException"), "{body}");
            let message = answer.json();
            let message = message["message"].as_str().expect("a message");
            assert!(message.contains(part), "{body}: {message}");
        }
    }
}
