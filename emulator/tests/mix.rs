//! The steady mix of faults, and answers that are slow on purpose.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "tests")]

mod client;

use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Fault, Mix};
use client::{BOTH, Client, End, NOVA, Protocol, emulator, frames, hello, path, read, soon, with_fault};
use http::Method;
use serde_json::json;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(40);

async fn statuses(emulator: &Emulator, calls: usize) -> Vec<u16> {
    let mut client = Client::connect(emulator, Protocol::Http2).await;
    let mut statuses = Vec::new();
    for _ in 0..calls {
        statuses.push(client.converse(NOVA, &hello()).await.status.as_u16());
    }
    statuses
}

fn mix(seed: u64, share: f64) -> Mix {
    Mix::new(seed, [(share, "ThrottlingException".parse().unwrap())]).unwrap()
}

#[tokio::test]
async fn a_mix_can_be_replayed() {
    let emulator = emulator().await;
    emulator.set_mix(mix(11, 0.3));
    let first = statuses(&emulator, 100).await;
    let throttled = first.iter().filter(|status| **status == 429).count();
    assert!((15..=45).contains(&throttled), "{throttled} of 100");
    assert_eq!(throttled + first.iter().filter(|status| **status == 200).count(), 100);
    emulator.set_mix(mix(11, 0.3));
    assert_eq!(statuses(&emulator, 100).await, first);
    emulator.set_mix(mix(12, 0.3));
    assert_ne!(statuses(&emulator, 100).await, first);
    emulator.set_mix(Mix::default());
    assert_eq!(statuses(&emulator, 20).await, [200; 20]);
}

#[tokio::test]
async fn a_fault_meant_for_one_call_goes_before_the_mix() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    emulator.set_mix(mix(1, 1.0));
    emulator.script(Fault::Http(502));
    assert_eq!(client.converse(NOVA, &with_fault(hello(), "http=503")).await.status, 503);
    assert_eq!(client.converse(NOVA, &hello()).await.status, 502);
    assert_eq!(client.converse(NOVA, &hello()).await.status, 429);
}

#[tokio::test]
async fn a_mix_hits_streams_at_its_position_and_leaves_short_ones_whole() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http2).await;
    for (fault, count, end) in [("bad-crc@2", 2, End::BadFrame), ("cut@1", 1, End::Clean)] {
        emulator.set_mix(Mix::new(1, [(1.0, fault.parse().unwrap())]).unwrap());
        let (events, found) = frames(client.stream(NOVA, &hello()).await.unwrap()).await;
        assert_eq!((events.len(), found), (count, end), "{fault}");
    }
    emulator.set_mix(Mix::new(1, [(1.0, Fault::Reset(9_999))]).unwrap());
    let (events, end) = frames(client.stream(NOVA, &hello()).await.unwrap()).await;
    assert_eq!((events.last().unwrap().0.as_str(), end), ("metadata", End::Clean));
}

#[tokio::test]
async fn the_control_interface_sets_a_mix_or_says_what_is_wrong() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let part = |share: f64, fault| json!({"share": share, "fault": fault});
    let faults =
        [part(0.5, json!("ThrottlingException,retry-after=7")), part(0.5, json!({"reply": {"a": 1}}))];
    assert_eq!(client.control(Method::POST, "mix", &json!({"seed": 5, "faults": faults})).await.status, 200);
    let wrong = [part(0.7, json!("garbage")), part(0.7, json!("stall"))];
    let answer = client.control(Method::POST, "mix", &json!({"faults": wrong})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"].as_str().unwrap().contains("add up to 1.4"), "{answer:?}");
    for wrong in [json!({"faults": [part(0.1, json!("nonsense"))]}), json!({"share": 1})] {
        assert_eq!(client.control(Method::POST, "mix", &wrong).await.status, 400);
    }
    // The mistakes left the first mix in force.
    for _ in 0..20 {
        let answer = client.converse(NOVA, &hello()).await;
        assert!(answer.status == 429 || answer.json() == json!({"a": 1}), "{answer:?}");
    }
    assert_eq!(client.control(Method::POST, "mix", &json!({})).await.status, 200);
    assert_eq!(statuses(&emulator, 20).await, [200; 20]);
}

#[tokio::test]
async fn a_slow_answer_is_late_and_whole() {
    let emulator = emulator().await;
    for protocol in BOTH {
        let mut client = Client::connect(&emulator, protocol).await;
        let plain = client.converse(NOVA, &hello()).await.json();
        for fault in ["slow=40", "slow=40@3"] {
            let start = Instant::now();
            let late = client.converse(NOVA, &with_fault(hello(), fault)).await.json();
            assert!(start.elapsed() >= PAUSE, "{protocol:?} {fault}");
            assert_eq!(late["output"], plain["output"]);
            let start = Instant::now();
            let response = client.stream(NOVA, &with_fault(hello(), fault)).await.unwrap();
            let (events, end) = frames(response).await;
            assert!(start.elapsed() >= PAUSE, "{protocol:?} {fault}");
            assert_eq!((events.last().unwrap().0.as_str(), end), ("metadata", End::Clean));
        }
    }
}

#[tokio::test]
async fn a_shutdown_ends_a_slow_answers_pause_and_not_the_answer() {
    for protocol in BOTH {
        let emulator = emulator().await;
        let (mut unary, mut streaming) =
            (Client::connect(&emulator, protocol).await, Client::connect(&emulator, protocol).await);
        let body = with_fault(hello(), "slow=3600000").to_string();
        let unary = tokio::spawn(async move {
            read(unary.post(&path(NOVA, "converse"), body).await.unwrap()).await.status
        });
        let response = streaming.stream(NOVA, &with_fault(hello(), "slow=3600000@2")).await.unwrap();
        let reading = tokio::spawn(frames(response));
        soon(emulator.wait_for(|counts| counts.started == 2)).await;
        soon(emulator.shutdown()).await;
        assert_eq!(soon(unary).await.unwrap(), 200);
        let (events, end) = soon(reading).await.unwrap();
        assert_eq!((events.last().unwrap().0.as_str(), end), ("metadata", End::Clean), "{protocol:?}");
    }
}
