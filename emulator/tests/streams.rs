//! ConverseStream on the wire: order, shapes, and every scripted accident, over both protocols.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use client::{BOTH, Client, End, NOVA, Protocol, SONNET, emulator, frames, hello, say, soon, with_fault};
use serde_json::{Value, json};

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

async fn stream(client: &mut Client, model: &str, body: &Value) -> (Vec<(String, Value)>, End) {
    let response = client.stream(model, body).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    soon(frames(response)).await
}

#[tokio::test]
async fn events_come_in_order_with_padding() {
    let emulator = emulator().await;
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let (events, end) = stream(&mut client, NOVA, &say("Repeat after me: one two three")).await;
        assert_eq!(
            names(&events),
            [
                "messageStart",
                "contentBlockDelta",
                "contentBlockDelta",
                "contentBlockDelta",
                "contentBlockStop",
                "messageStop",
                "metadata"
            ]
        );
        assert_eq!(end, End::Clean);
        assert!(events.iter().all(|(_, payload)| payload["p"].as_str().is_some_and(|p| !p.is_empty())));
        assert_eq!(events[2].1["delta"], json!({"text": " two"}));
        assert_eq!(events[2].1["contentBlockIndex"], 0);
        assert_eq!(events[5].1["stopReason"], "end_turn");
    }
    soon(emulator.wait_for(|counts| counts.finished == 2)).await;
}

#[tokio::test]
async fn reasoning_text_and_tools_have_their_shapes() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "Weather in Paris?"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}}]},
        "inferenceConfig": {"maxTokens": 4096},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}});
    let (events, _) = stream(&mut client, SONNET, &body).await;
    let starts: Vec<&Value> =
        events.iter().filter(|(name, _)| name == "contentBlockStart").map(|(_, payload)| payload).collect();
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0]["contentBlockIndex"], 2);
    let id = starts[0]["start"]["toolUse"]["toolUseId"].as_str().unwrap();
    assert!(id.starts_with("tooluse_") && id.len() == 30, "{id}");
    let deltas = |index: u64, pointer: &str| -> String {
        let found = events.iter().filter(|(_, payload)| payload["contentBlockIndex"] == index);
        found.filter_map(|(_, payload)| payload.pointer(pointer)?.as_str()).collect()
    };
    assert!(deltas(0, "/delta/reasoningContent/text").starts_with("The user says"));
    assert!(!deltas(0, "/delta/reasoningContent/signature").is_empty());
    assert!(deltas(1, "/delta/text").contains("get_weather"));
    assert_eq!(deltas(2, "/delta/toolUse/input"), r#"{"city":"Paris"}"#);
    assert_eq!(events.last().unwrap().0, "metadata");
}

#[tokio::test]
async fn scripted_accidents_hit_after_the_named_event() {
    let emulator = emulator().await;
    for protocol in BOTH {
        let accidents = [
            ("ThrottlingException@2", 3, End::Clean),
            ("cut@0", 0, End::Clean),
            ("cut@3", 3, End::Clean),
            ("cut-mid-frame@2", 2, End::InsideFrame),
            ("cut-byte@0", 0, End::Clean),
            ("cut-byte@10", 0, End::InsideFrame),
            ("reset@2", 2, End::Broken),
            ("bad-crc@2", 2, End::BadFrame),
            ("bad-prelude@2", 2, End::BadFrame),
        ];
        for (fault, count, expected) in accidents {
            let mut client = Client::connect(&emulator, protocol).await;
            let (events, end) = stream(&mut client, NOVA, &with_fault(hello(), fault)).await;
            assert_eq!((events.len(), end), (count, expected), "{fault} {protocol:?} {events:?}");
        }
    }
    let broken_frames_read_to_the_end_by_nobody =
        |counts: &bedrock_inference_emulator::Counts| counts.open() == 0;
    soon(emulator.wait_for(broken_frames_read_to_the_end_by_nobody)).await;
}

#[tokio::test]
async fn exceptions_in_streams_are_exception_frames() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let (events, _) = stream(&mut client, NOVA, &with_fault(hello(), "ModelStreamErrorException@1")).await;
    let (name, payload) = events.last().unwrap();
    assert_eq!(name, "!modelStreamErrorException");
    assert_eq!(payload["originalStatusCode"], 500);
    assert!(payload["message"].is_string());
}

#[tokio::test]
async fn an_unknown_event_is_extra() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http2).await;
    let (plain, _) = stream(&mut client, NOVA, &hello()).await;
    let (events, _) = stream(&mut client, NOVA, &with_fault(hello(), "unknown-event@1")).await;
    assert_eq!(events[1].0, "somethingNew");
    assert_eq!(events.len(), plain.len() + 1);
}

#[tokio::test]
async fn a_fault_beyond_the_end_leaves_the_stream_whole() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let (events, end) = stream(&mut client, NOVA, &with_fault(hello(), "reset@9999")).await;
    assert_eq!((events.last().unwrap().0.as_str(), end), ("metadata", End::Clean));
}

#[tokio::test]
async fn scripted_events_are_sent_as_they_are() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let script =
        r#"{"events":[["messageStart",{"role":"assistant"}],["throttlingException",{"message":"x"}]]}"#;
    emulator.script(script.parse().unwrap());
    let (events, end) = stream(&mut client, NOVA, &json!({"not": "even valid"})).await;
    assert_eq!(events[0], ("messageStart".to_owned(), json!({"role": "assistant"})));
    assert_eq!(events[1], ("!throttlingException".to_owned(), json!({"message": "x"})));
    assert_eq!(end, End::Clean);
}
