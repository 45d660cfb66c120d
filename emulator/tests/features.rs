//! What the service does around a model: guardrails, prompt caching, echoes of settings.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use client::{Client, NOVA, Protocol, SONNET, emulator, frames, say};
use serde_json::{Value, json};

fn guarded(text: &str, more: &Value) -> Value {
    let mut body = say(text);
    body["guardrailConfig"] = json!({"guardrailIdentifier": "demoguardrail1", "guardrailVersion": "DRAFT"});
    for (name, value) in more.as_object().into_iter().flatten() {
        body["guardrailConfig"][name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_blocked_input_costs_no_tokens_and_says_why() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let body = guarded("Should I buy crypto?", &json!({"trace": "enabled"}));
    let answer = client.converse(NOVA, &body).await.json();
    assert_eq!(answer["stopReason"], "guardrail_intervened");
    assert_eq!(answer["usage"]["totalTokens"], 0);
    let assessment = &answer["trace"]["guardrail"]["inputAssessment"]["demoguardrail1"];
    assert_eq!(assessment["topicPolicy"]["topics"][0]["action"], "BLOCKED");
    assert!(assessment["wordPolicy"].is_null());
    let (events, _) = frames(client.stream(NOVA, &body).await.expect("a stream")).await;
    let last = &events.last().expect("metadata").1;
    assert_eq!(last["trace"], answer["trace"]);
}

#[tokio::test]
async fn asynchronous_streams_mask_nothing() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for (mode, said) in [("sync", "mail {EMAIL}"), ("async", "mail ada@example.com")] {
        let body = guarded("Repeat after me: mail ada@example.com", &json!({"streamProcessingMode": mode}));
        let (events, _) = frames(client.stream(NOVA, &body).await.expect("a stream")).await;
        let text: String = events
            .iter()
            .filter_map(|(_, event)| event.pointer("/delta/text").and_then(Value::as_str))
            .collect();
        assert_eq!(text, said, "{mode}");
    }
}

#[tokio::test]
async fn a_cached_prefix_is_read_by_the_next_call() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let mut body = say("Hello");
    body["system"] = json!([{"text": "s".repeat(8_000)}, {"cachePoint": {"type": "default", "ttl": "1h"}}]);
    let first = client.converse(SONNET, &body).await.json();
    assert_eq!(first["usage"]["cacheWriteInputTokens"], 2_000);
    assert_eq!(first["usage"]["cacheDetails"], json!([{"ttl": "1h", "inputTokens": 2_000}]));
    let second = client.converse(SONNET, &body).await.json();
    assert_eq!(second["usage"]["cacheReadInputTokens"], 2_000);
    assert_eq!(second["usage"]["cacheWriteInputTokens"], 0);
    assert_eq!(second["usage"]["inputTokens"], first["usage"]["inputTokens"]);
    assert_eq!(second["usage"]["totalTokens"], first["usage"]["totalTokens"]);
    assert!(second["usage"]["cacheDetails"].is_null());
}

#[tokio::test]
async fn settings_are_echoed_only_when_sent() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let plain = client.converse(NOVA, &say("Hello")).await.json();
    assert!(
        plain["performanceConfig"].is_null() && plain["serviceTier"].is_null() && plain["trace"].is_null()
    );
    let mut body = say("Hello");
    body["performanceConfig"] = json!({"latency": "optimized"});
    body["serviceTier"] = json!({"type": "priority"});
    let echoed = client.converse(NOVA, &body).await.json();
    assert_eq!(echoed["performanceConfig"], body["performanceConfig"]);
    assert_eq!(echoed["serviceTier"], body["serviceTier"]);
}
