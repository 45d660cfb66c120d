//! The operations that wake no model: CountTokens and ApplyGuardrail.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bedrock_inference_emulator::Operation;
use client::{Answer, Client, NOVA, Protocol, SONNET, claude, emulator, path, say};
use serde_json::{Value, json};

const BASE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

async fn count(client: &mut Client, model: &str, input: &Value) -> Answer {
    client.post_with(&path(model, "count-tokens"), &[], &json!({"input": input})).await
}

fn native(body: &Value) -> Value {
    json!({"invokeModel": {"body": STANDARD.encode(body.to_string())}})
}

async fn apply(client: &mut Client, guardrail: &str, body: &Value) -> Answer {
    client.post_with(&format!("/guardrail/{guardrail}/version/1/apply"), &[], body).await
}

#[tokio::test]
async fn a_count_is_the_input_of_the_call() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let mut body = claude("Hello");
    body["system"] =
        json!([{"type": "text", "text": "s".repeat(8_000), "cache_control": {"type": "ephemeral"}}]);
    for _ in 0..2 {
        let usage = client.invoke(SONNET, &body).await.json()["usage"].clone();
        let part = |name: &str| usage[name].as_u64().unwrap();
        let all =
            part("input_tokens") + part("cache_read_input_tokens") + part("cache_creation_input_tokens");
        assert_eq!(count(&mut client, BASE, &native(&body)).await.json(), json!({"inputTokens": all}));
    }
    let usage = client.converse(SONNET, &say("Hello")).await.json()["usage"].clone();
    let counted = count(&mut client, BASE, &json!({"converse": say("Hello")})).await.json();
    assert_eq!(counted["inputTokens"], usage["inputTokens"]);
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let good = native(&claude("Hello"));
    let converse = json!({"converse": {"messages": [], "inferenceConfig": {}}});
    let both = json!({"converse": say("a"), "invokeModel": {"body": "e30="}});
    for (model, input, part) in [
        (SONNET, &good, "doesn't support counting tokens."),
        (NOVA, &good, "doesn't support counting tokens."),
        ("anthropic.claude-opus-5", &good, "doesn't support counting tokens."),
        (BASE, &json!({"invokeModel": {"body": "not base64"}}), "not valid base64"),
        (BASE, &native(&json!({"messages": []})), "required key [anthropic_version]"),
        (BASE, &converse, "extraneous key [inferenceConfig]"),
        (BASE, &both, "exactly one"),
        (BASE, &json!([]), "`input`"),
    ] {
        let answer = count(&mut client, model, input).await;
        assert_eq!(answer.status, 400, "{model} {input}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_guardrail_assesses_both_sides() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let ask = |source: &str, text: &str| json!({"source": source, "content": [{"text": {"text": text}}]});
    let blocked = apply(&mut client, "demoguardrail1", &ask("INPUT", "my stocks")).await.json();
    assert_eq!(blocked["action"], "GUARDRAIL_INTERVENED");
    assert_eq!(blocked["usage"]["topicPolicyUnits"], 1);
    assert_eq!(blocked["guardrailCoverage"]["textCharacters"], json!({"guarded": 9, "total": 9}));
    let masked = apply(&mut client, "demoguardrail1", &ask("OUTPUT", "mail a@b.org")).await.json();
    assert_eq!(masked["outputs"], json!([{"text": "mail {EMAIL}"}]));
    assert_eq!(masked["usage"]["sensitiveInformationPolicyUnits"], 1);
    let mut full = ask("INPUT", "Hello");
    full["outputScope"] = "FULL".into();
    let passed = apply(&mut client, "demoguardrail1", &full).await.json();
    assert_eq!((passed["action"].as_str(), &passed["outputs"]), (Some("NONE"), &json!([])));
    assert_eq!(passed["assessments"][0]["topicPolicy"]["topics"][0]["detected"], false);
    let record = emulator.calls().remove(0);
    assert_eq!((record.operation, record.model_id.as_str()), (Operation::ApplyGuardrail, "demoguardrail1"));
}

#[tokio::test]
async fn wrong_guardrail_calls_are_refused() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let text = json!([{"text": {"text": "a"}}]);
    for (guardrail, body, status) in [
        ("unknown", json!({"source": "INPUT", "content": text}), 404),
        ("demoguardrail1", json!({"content": text}), 400),
        ("demoguardrail1", json!({"source": "BOTH", "content": text}), 400),
        ("demoguardrail1", json!({"source": "INPUT", "content": []}), 400),
        ("demoguardrail1", json!({"source": "INPUT", "content": text, "more": 1}), 400),
        ("demoguardrail1", json!({"source": "INPUT", "content": [{"sound": {}}]}), 400),
        (
            "demoguardrail1",
            json!({"source": "INPUT", "content": [{"text": {"text": "a", "qualifiers": ["x"]}}]}),
            400,
        ),
        ("demoguardrail1", json!({"source": "INPUT", "content": [{"image": {"format": "gif"}}]}), 400),
    ] {
        let answer = apply(&mut client, guardrail, &body).await;
        assert_eq!(answer.status, status, "{body}");
    }
}
