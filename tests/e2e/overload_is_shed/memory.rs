//! Memory that grows: what follows from it, in a process of its own.

use std::time::{Duration, Instant};

use bedrock_inference_proto::v1::Priority;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::apart::Apart;
use crate::raw_http2::{GOAWAY, NO_ERROR, Raw};
use crate::shed::{assert_shed, client, of};

async fn with_limit(bytes: u64, environment: &[(&str, &str)]) -> Apart {
    let limit = bytes.to_string();
    let limit = ("BEDROCK_INFERENCE_ADMISSION__MEMORY_LIMIT", limit.as_str());
    Apart::open(&[environment, &[limit]].concat()).await
}

/// I12: new calls are turned away, and health is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_memory_turns_calls_away_and_enough_does_not() {
    let roomy = with_limit(1 << 40, &[]).await;
    let channel = roomy.channel().await;
    client(&channel).converse(of(Priority::Batch)).await.unwrap();
    let resident = roomy.resident();
    drop(channel);
    let (code, told) = roomy.service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    assert!(!told.iter().any(|line| line.contains("memory")), "{told:?}");

    let short = with_limit(resident / 2, &[]).await;
    let told = short.service.says("memory is short");
    assert!(told.contains("WARN") && told.contains("Critical"), "{told}");
    let channel = short.channel().await;
    for priority in [Priority::Interactive, Priority::Batch] {
        assert_shed(&client(&channel).converse(of(priority)).await.unwrap_err());
    }
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(short.emulator.counts().started, 0);
    let (code, told) = short.service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    assert!(!told.iter().any(|line| line.contains("memory is short")), "told twice: {told:?}");
}

/// I12: connections are asked to leave, one now and one then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_memory_asks_connections_to_leave() {
    // They are looked at each 50 ms.
    let short = with_limit(1, &[("BEDROCK_INFERENCE_TIMEOUTS__SLOW_READER", "200ms")]).await;
    short.service.says("memory is short");
    let mut left = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::open(short.addr(), &[]).await;
        let began = Instant::now();
        let leaves = raw.heard_of(GOAWAY).await.expect("closed without a word");
        assert_eq!(leaves.code(), NO_ERROR);
        left.push(began.elapsed());
    }
    left.sort_unstable();
    println!("connections were asked to leave after {left:?}");
    assert!(
        left[0] >= Duration::from_millis(40) && left[7] >= left[0] + Duration::from_millis(40),
        "{left:?}"
    );
}
