//! Models beside Claude, Nova and Titan: played through Converse, each within its row.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use client::{Client, Protocol, emulator, frames, path, say};
use serde_json::{Value, json};

const GPT_OSS: &str = "openai.gpt-oss-120b-1:0";
const GPT: &str = "us.openai.gpt-5.6-sol";
const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";

fn with(name: &str, value: Value) -> Value {
    let mut body = say("Hello");
    body[name] = value;
    body
}

fn tools() -> Value {
    json!({"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object"}}}}]})
}

#[tokio::test]
async fn reasoning_is_asked_for_by_effort_and_carries_no_signature() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for (model, fields, reasons) in [
        (GPT_OSS, json!({"reasoning_effort": "low"}), true),
        (GPT, json!({"reasoning": {"effort": "high"}}), true),
        (GPT, json!({"reasoning": {"effort": "none"}}), false),
        (GPT_OSS, json!({}), false),
        (LLAMA, json!({"reasoning_effort": "low"}), false),
    ] {
        let mut body = with("additionalModelRequestFields", fields.clone());
        let answer = client.converse(model, &body).await.json();
        let message = answer["output"]["message"].clone();
        let reasoning = &message["content"][0]["reasoningContent"]["reasoningText"];
        assert_eq!(reasoning["text"].is_string(), reasons, "{model} {fields}: {message}");
        assert!(reasoning["signature"].is_null(), "{model} {fields}: {message}");
        let (events, _) = frames(client.stream(model, &body).await.expect("a stream")).await;
        let told =
            |name: &str| events.iter().any(|(_, event)| event["delta"]["reasoningContent"][name].is_string());
        assert_eq!((told("text"), told("signature")), (reasons, false), "{model} {fields}");
        // It goes back as it came.
        let question = body["messages"][0].clone();
        body["messages"] = json!([question, message, question]);
        assert_eq!(client.converse(model, &body).await.status, 200, "{model} {fields}");
    }
}

#[tokio::test]
async fn what_a_row_rules_out_is_refused() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let stops = with("inferenceConfig", json!({"stopSequences": ["a"]}));
    let audio = json!([{"role": "user", "content": [
        {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
    ]}]);
    for (model, body, operation, part) in [
        (GPT, stops.clone(), "converse", "stopSequences"),
        (GPT, with("inferenceConfig", json!({"temperature": 0.5})), "converse", "temperature"),
        (LLAMA, with("toolConfig", tools()), "converse-stream", "tool use in streaming mode"),
        (LLAMA, with("messages", audio.clone()), "converse", "audio"),
        ("mistral.mistral-7b-instruct-v0:2", with("system", json!([{"text": "a"}])), "converse", "system"),
        ("ai21.j2-mid-v1", say("Hello"), "converse-stream", "unsupported for streaming"),
        (GPT_OSS, say("Hello"), "invoke", "native body of gpt-oss-120b"),
        (GPT_OSS, say("Hello"), "invoke-with-response-stream", "native body of gpt-oss-120b"),
    ] {
        let answer = client.post_with(&path(model, operation), &[], &body).await;
        assert_eq!(answer.status, 400, "{model} {operation}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(part), "{model} {operation}: {message}");
    }
    for (model, body) in [
        (GPT_OSS, stops),
        (LLAMA, with("toolConfig", tools())),
        ("mistral.voxtral-mini-3b-2507", with("messages", audio)),
    ] {
        assert_eq!(client.converse(model, &body).await.status, 200, "{model}");
    }
}
