//! The HTTP surface: protocols, headers, errors, records and the control interface.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use bedrock_inference_emulator::{CallEnd, Counts, Fault, Operation};
use bytes::Bytes;
use client::{BOTH, Client, NOVA, Protocol, emulator, hello, path, read, say, soon};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

#[tokio::test]
async fn both_protocols_get_the_same_answer() {
    let emulator = emulator().await;
    let mut bodies = Vec::new();
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let answer = client.converse(NOVA, &hello()).await;
        assert_eq!(answer.status, 200, "{protocol:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        bodies.push(answer.json());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0]["stopReason"], "end_turn");
    emulator.shutdown().await;
}

#[tokio::test]
async fn errors_look_like_those_of_aws() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let answer = client.converse(NOVA, &json!({"messages": []})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert!(answer.json()["message"].is_string());
}

#[tokio::test]
async fn unknown_paths_are_unknown_operations() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for path in ["/", "/model/a/invoke-nothing", "/_emulator/nothing"] {
        let answer = read(client.post(path, "{}").await.unwrap()).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.header("x-amzn-errortype").starts_with("UnknownOperationException:"), "{path}");
    }
    assert_eq!(emulator.counts(), Counts::default());
}

#[tokio::test]
async fn a_request_without_authorization_is_refused_and_recorded() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let request =
        Request::post(path(NOVA, "converse")).header("host", "x").body(Full::new(Bytes::from("{}")));
    let answer = read(client.send(request.unwrap()).await.unwrap()).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("x-amzn-errortype").starts_with("MissingAuthenticationTokenException:"));
    soon(emulator.wait_for(|counts| counts.finished == 1)).await;
    assert!(!emulator.calls()[0].authorized);
}

#[tokio::test]
async fn a_body_beyond_25_megabytes_is_refused() {
    let emulator = emulator().await;
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let answer = client.post(&path(NOVA, "converse"), vec![b' '; 25_000_001]).await;
        // An HTTP/1.1 client may still be sending when the answer and the close arrive.
        if let Ok(response) = answer {
            assert_eq!(response.status(), 413, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn calls_are_recorded_byte_for_byte() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let body = " {\"messages\" : [{\"role\":\"user\",\"content\":[{\"text\":\"h\u{e9}\"}]}]} ";
    let arn = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-pro-v1:0";
    read(client.post(&path(arn, "converse"), body).await.unwrap()).await;
    soon(emulator.wait_for(|counts| counts.finished == 1)).await;
    let record = emulator.calls().remove(0);
    assert_eq!(record.operation, Operation::Converse);
    assert_eq!(record.model_id, arn);
    assert_eq!(record.body, body.as_bytes());
    assert_eq!(record.accept.as_deref(), Some("application/json"));
    assert_eq!(record.end, CallEnd::Finished);
    assert!(record.authorized);
}

#[tokio::test]
async fn the_control_interface_scripts_paces_and_tells() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let script = json!({"faults": ["ThrottlingException,retry-after=10", {"reply": {"a": 1}}]});
    assert_eq!(client.control(Method::POST, "script", &script).await.json()["queued"], 2);
    let throttled = client.converse(NOVA, &hello()).await;
    assert_eq!((throttled.status.as_u16(), throttled.header("x-amz-retry-after")), (429, "10"));
    assert_eq!(client.converse(NOVA, &hello()).await.json(), json!({"a": 1}));
    let pace = json!({"firstTokenMs": 2, "tokensPerSecond": 10_000});
    client.control(Method::POST, "pace", &pace).await;
    assert!(client.converse(NOVA, &hello()).await.json()["metrics"]["latencyMs"].as_u64().unwrap() >= 2);
    let counts = client.control(Method::GET, "counts", &Value::Null).await.json();
    assert_eq!(counts, json!({"started": 3, "finished": 3, "aborted": 0}));
    let calls = client.control(Method::GET, "calls", &Value::Null).await.json();
    assert_eq!(calls["calls"][2]["body"], hello().to_string());
    assert_eq!(calls["calls"][2]["end"], "Finished");
    client.control(Method::DELETE, "calls", &Value::Null).await;
    assert_eq!(emulator.counts(), Counts::default());
}

#[tokio::test]
async fn a_mistake_in_a_script_queues_nothing() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let answer = client.control(Method::POST, "script", &json!({"faults": ["garbage", "nonsense"]})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(client.converse(NOVA, &hello()).await.status, 200);
}

#[tokio::test]
async fn scripted_faults_hit_unary_calls() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for (fault, status) in [
        ("ModelTimeoutException", 408),
        ("InternalServerException@3", 500),
        ("garbage", 200),
        ("http=502", 502),
    ] {
        emulator.script(fault.parse().unwrap());
        let answer = client.converse(NOVA, &hello()).await;
        assert_eq!(answer.status, status, "{fault}");
    }
    emulator.script(Fault::Cut(0));
    let cut = client.converse(NOVA, &hello()).await;
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
    emulator.script(Fault::CutByte(7));
    assert_eq!(client.converse(NOVA, &hello()).await.body.len(), 7);
    emulator.script(Fault::Reset(0));
    assert!(client.post(&path(NOVA, "converse"), hello().to_string()).await.is_err());
    soon(emulator.wait_for(|counts| counts.finished == 7)).await;
}

#[tokio::test]
async fn large_echoes_pass_whole() {
    let emulator = emulator().await;
    let long = "word ".repeat(8_000);
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let answer = client.converse(NOVA, &say(&format!("Repeat after me: {long}"))).await.json();
        assert_eq!(answer["output"]["message"]["content"][0]["text"], long.trim());
        assert_eq!(answer["usage"]["outputTokens"], 10_000);
        assert_eq!(answer["stopReason"], "end_turn");
    }
}
