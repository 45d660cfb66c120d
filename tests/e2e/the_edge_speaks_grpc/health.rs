//! Health: ready when requests can be signed, and not any more from the beginning of the shutdown.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::stage::Stage;

const SERVICES: [&str; 3] = ["", "bedrock.inference.v1.Inference", "bedrock.inference.v1.Models"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn every_service_is_serving_and_an_unknown_one_is_not_found() {
    let stage = Stage::open().await;
    let mut health = HealthClient::new(stage.channel.clone());
    for service in SERVICES {
        let answer = health.check(of(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let status = health.check(of("bedrock.inference.v1.Nothing")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_sees_the_shutdown_and_then_ends() {
    for service in SERVICES {
        let stage = Stage::open().await;
        let mut health = HealthClient::new(stage.channel.clone());
        let mut updates = health.watch(of(service)).await.unwrap().into_inner();
        assert_eq!(updates.message().await.unwrap().unwrap().status(), ServingStatus::Serving, "{service:?}");
        stage.shutdown.cancel();
        let update = timeout(Duration::from_secs(10), updates.message()).await.unwrap().unwrap();
        assert_eq!(update.unwrap().status(), ServingStatus::NotServing, "{service:?}");
        // A watch left open must not hold the shutdown for its whole grace.
        let end = timeout(Duration::from_secs(10), updates.message()).await.expect("the watch stays open");
        assert!(matches!(end, Ok(None)), "{service:?}: {end:?}");
        timeout(Duration::from_secs(10), stage.service).await.expect("the service runs on").unwrap().unwrap();
    }
}
