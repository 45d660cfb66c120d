//! InvokeModel and its stream on the wire: chunks, headers, guardrails and scripted accidents.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use bedrock_inference_emulator::{Fault, Operation};
use client::{BOTH, Client, End, NOVA, Protocol, SONNET, claude, emulator, frames, native, path, say, soon};
use serde_json::{Value, json};

const STREAM: &str = "invoke-with-response-stream";
const GUARD: [(&str, &str); 3] = [
    ("x-amzn-bedrock-guardrailidentifier", "demoguardrail1"),
    ("x-amzn-bedrock-guardrailversion", "1"),
    ("x-amzn-bedrock-trace", "ENABLED"),
];

fn kinds(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn claude_chunks_have_the_documented_order_and_shapes() {
    let emulator = emulator().await;
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let chunks = soon(client.chunks(SONNET, &claude("Repeat after me: one two"))).await;
        assert_eq!(
            kinds(&chunks),
            [
                "message_start",
                "content_block_start",
                "ping",
                "content_block_delta",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop"
            ]
        );
        let message = &chunks[0]["message"];
        assert_eq!(message["model"], "claude-sonnet-4-5-20250929");
        assert!(message["id"].as_str().unwrap().starts_with("msg_bdrk_"));
        assert_eq!(message["usage"]["cache_creation"]["ephemeral_5m_input_tokens"], 0);
        assert_eq!(chunks[4]["delta"], json!({"type": "text_delta", "text": " two"}));
        assert_eq!(chunks[6]["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
        assert_eq!(chunks[6]["usage"], json!({"output_tokens": 2}));
    }
}

#[tokio::test]
async fn chunks_are_padded_bytes() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let response = client.post(&path(NOVA, STREAM), say("Hello").to_string()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(response.headers()["x-amzn-bedrock-content-type"], "application/json");
    let (events, end) = soon(frames(response)).await;
    assert_eq!(end, End::Clean);
    assert!(
        events.iter().all(|(name, payload)| name == "chunk" && !payload["p"].as_str().unwrap().is_empty())
    );
    assert!(native(&events.last().unwrap().1)["amazon-bedrock-invocationMetrics"].is_object());
}

#[tokio::test]
async fn settings_and_counts_are_headers() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let asked = [
        ("x-amzn-bedrock-service-tier", "flex"),
        ("x-amzn-bedrock-performanceconfig-latency", "optimized"),
        ("x-amzn-bedrock-request-metadata", r#"{"team":"a"}"#),
    ];
    let answer = client.post_with(&path(SONNET, "invoke"), &asked, &claude("Hello")).await;
    assert_eq!(answer.header("x-amzn-bedrock-service-tier"), "flex");
    assert_eq!(answer.header("x-amzn-bedrock-performanceconfig-latency"), "optimized");
    let usage = answer.json()["usage"].clone();
    for (header, counter) in [
        ("x-amzn-bedrock-input-token-count", "input_tokens"),
        ("x-amzn-bedrock-output-token-count", "output_tokens"),
        ("x-amzn-bedrock-cache-read-input-token-count", "cache_read_input_tokens"),
        ("x-amzn-bedrock-cache-write-input-token-count", "cache_creation_input_tokens"),
    ] {
        assert_eq!(answer.header(header), usage[counter].to_string(), "{header}");
    }
    let wrong = [("x-amzn-bedrock-service-tier", "gold")];
    assert_eq!(client.post_with(&path(SONNET, "invoke"), &wrong, &claude("Hello")).await.status, 400);
}

#[tokio::test]
async fn a_guardrail_speaks_in_the_body_and_in_the_last_chunk() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let body = claude("Should I buy crypto?");
    let answer = client.post_with(&path(SONNET, "invoke"), &GUARD, &body).await.json();
    assert_eq!(answer["amazon-bedrock-guardrailAction"], "INTERVENED");
    assert_eq!(answer["stop_reason"], "end_turn");
    assert!(answer["content"][0]["text"].as_str().unwrap().starts_with("Sorry"));
    let assessment = &answer["amazon-bedrock-trace"]["guardrail"]["input"]["demoguardrail1"];
    assert_eq!(assessment["topicPolicy"]["topics"][0]["action"], "BLOCKED");
    let passed = client.post_with(&path(SONNET, "invoke"), &GUARD, &claude("Hello")).await.json();
    assert_eq!(passed["amazon-bedrock-guardrailAction"], "NONE");
    let half = client.post_with(&path(SONNET, "invoke"), &GUARD[..1], &claude("Hello")).await;
    assert_eq!(half.status, 400);
}

#[tokio::test]
async fn scripted_accidents_hit_native_streams() {
    let emulator = emulator().await;
    for protocol in BOTH {
        for (fault, count, expected) in [
            ("ModelTimeoutException@2", 3, End::Clean),
            ("cut@3", 3, End::Clean),
            ("cut-mid-frame@2", 2, End::InsideFrame),
            ("reset@2", 2, End::Broken),
            ("bad-crc@2", 2, End::BadFrame),
        ] {
            let mut client = Client::connect(&emulator, protocol).await;
            emulator.script(fault.parse().unwrap());
            let response = client.post(&path(SONNET, STREAM), claude("Hello").to_string()).await.unwrap();
            let (events, end) = soon(frames(response)).await;
            assert_eq!((events.len(), end), (count, expected), "{fault} {protocol:?}");
            if fault.starts_with("Model") {
                assert_eq!(events.last().unwrap().0, "!modelTimeoutException");
            }
        }
    }
}

#[tokio::test]
async fn scripted_chunks_may_be_written_plainly() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let plain = json!({"type": "ping"});
    emulator.script(Fault::Events(vec![
        ("chunk".to_owned(), plain.clone()),
        ("chunk".to_owned(), json!({"bytes": "e30="})),
        ("notAChunk".to_owned(), plain.clone()),
    ]));
    let response = client.post(&path(SONNET, STREAM), "{}").await.unwrap();
    assert_eq!(response.headers()["x-amzn-bedrock-content-type"], "application/json");
    let (events, _) = soon(frames(response)).await;
    assert_eq!(native(&events[0].1), plain);
    assert_eq!(events[1].1, json!({"bytes": "e30="}));
    assert_eq!(events[2], ("notAChunk".to_owned(), plain));
}

#[tokio::test]
async fn a_fault_may_come_in_the_metadata_header() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let asked = [("x-amzn-bedrock-request-metadata", r#"{"emulator-fault":"ThrottlingException"}"#)];
    for verb in ["invoke", STREAM, "count-tokens"] {
        let answer = client.post_with(&path(SONNET, verb), &asked, &claude("Hello")).await;
        assert_eq!(answer.status, 429, "{verb}");
    }
    let operations: Vec<Operation> = emulator.calls().iter().map(|call| call.operation).collect();
    let expected = [Operation::InvokeModel, Operation::InvokeModelWithResponseStream, Operation::CountTokens];
    assert_eq!(operations, expected);
}
