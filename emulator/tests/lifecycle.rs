//! Who goes away first: clients that leave, emulators that stop.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod client;

use std::time::Duration;

use bedrock_inference_emulator::{CallEnd, Counts, Pace};
use client::{BOTH, Client, NOVA, Protocol, emulator, hello, path, read, say, soon, with_fault};
use http_body_util::BodyExt;

/// A pace at which no answer ends within a test.
const GLACIAL: Pace = Pace { first_token: Duration::from_secs(3_600), tokens_per_second: None };

#[tokio::test]
async fn a_client_that_leaves_before_the_headers_is_noticed() {
    for protocol in BOTH {
        for fault in [Some("stall"), None] {
            let emulator = emulator().await;
            emulator.set_pace(GLACIAL);
            let mut client = Client::connect(&emulator, protocol).await;
            let body = fault.map_or_else(hello, |fault| with_fault(hello(), fault)).to_string();
            let call =
                tokio::spawn(async move { client.post(&path(NOVA, "converse"), body).await.map(drop) });
            soon(emulator.wait_for(|counts| counts.started == 1)).await;
            call.abort();
            soon(emulator.wait_for(|counts| counts.aborted == 1)).await;
            assert_eq!(emulator.calls().first().unwrap().end, CallEnd::Aborted, "{protocol:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_noticed() {
    for protocol in BOTH {
        let emulator = emulator().await;
        let mut client = Client::connect(&emulator, protocol).await;
        let response = client.stream(NOVA, &with_fault(hello(), "stall@2")).await.unwrap();
        let mut body = response.into_body();
        assert!(soon(body.frame()).await.is_some());
        assert_eq!(emulator.counts(), Counts { started: 1, finished: 0, aborted: 0 });
        drop(body);
        // Over HTTP/2 the dropped body resets the stream; the connection stays.
        if matches!(protocol, Protocol::Http1) {
            drop(client);
        }
        soon(emulator.wait_for(|counts| counts.aborted == 1)).await;
    }
}

#[tokio::test]
async fn a_stream_nobody_reads_is_not_produced() {
    for protocol in BOTH {
        let emulator = emulator().await;
        let mut client = Client::connect(&emulator, protocol).await;
        // About 100,000 events, 25 MB on the wire: far more than all socket and window buffers together.
        let long = say(&format!("Repeat after me: {}", "abcd ".repeat(120_000)));
        let response = client.stream("us.anthropic.claude-opus-5", &long).await.unwrap();
        assert_eq!(response.status(), 200);
        drop(response);
        drop(client);
        soon(emulator.wait_for(|counts| counts.open() == 0)).await;
        assert_eq!(emulator.counts(), Counts { started: 1, finished: 0, aborted: 1 }, "{protocol:?}");
    }
}

#[tokio::test]
async fn shutdown_waits_for_calls_and_ends_stalled_ones() {
    for protocol in BOTH {
        let emulator = emulator().await;
        let addr = emulator.addr();
        let mut stalled = Client::connect(&emulator, protocol).await;
        let body = with_fault(hello(), "stall").to_string();
        let stalled =
            tokio::spawn(async move { stalled.post(&path(NOVA, "converse"), body).await.map(drop) });
        soon(emulator.wait_for(|counts| counts.started == 1)).await;
        emulator.set_pace(Pace { first_token: Duration::from_millis(30), tokens_per_second: None });
        let mut slow = Client::connect(&emulator, protocol).await;
        let slow = tokio::spawn(async move {
            read(slow.post(&path(NOVA, "converse"), hello().to_string()).await.unwrap()).await.status
        });
        soon(emulator.wait_for(|counts| counts.started == 2)).await;
        soon(emulator.shutdown()).await;
        assert_eq!(soon(slow).await.unwrap(), 200, "{protocol:?}");
        assert!(soon(stalled).await.unwrap().is_err());
        assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    }
}

#[tokio::test]
async fn dropping_the_emulator_breaks_its_connections() {
    for protocol in BOTH {
        let emulator = emulator().await;
        emulator.set_pace(GLACIAL);
        let mut client = Client::connect(&emulator, protocol).await;
        let call = tokio::spawn(async move { client.converse_fails().await });
        soon(emulator.wait_for(|counts| counts.started == 1)).await;
        drop(emulator);
        assert!(soon(call).await.unwrap(), "{protocol:?}");
    }
}

impl Client {
    async fn converse_fails(&mut self) -> bool {
        self.post(&path(NOVA, "converse"), hello().to_string()).await.is_err()
    }
}
