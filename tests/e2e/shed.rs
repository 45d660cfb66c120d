//! Calls that may be turned away, and what they then hear.

use std::time::Duration;

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{CallOptions, ConverseRequest, OnDisconnect, Priority};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::stage::{NOVA, ask, reason, report, told};

/// A call of this priority, whose upstream call ends when its caller leaves.
pub fn of(priority: Priority) -> ConverseRequest {
    let options = CallOptions {
        priority: priority.into(),
        on_disconnect: OnDisconnect::Cancel.into(),
        ..CallOptions::default()
    };
    ConverseRequest { options: Some(options), ..ask(NOVA, "hello") }
}

/// What callers of a small service need: a client for each.
pub fn client(channel: &Channel) -> InferenceClient<Channel> {
    InferenceClient::new(channel.clone())
}

/// Everything that a client can read of having been turned away.
pub fn assert_shed(status: &Status) {
    assert_eq!(
        (status.code(), reason(status).as_str()),
        (Code::Unavailable, "SERVER_OVERLOADED"),
        "{status:?}"
    );
    assert_eq!((told(status, "billed").as_str(), told(status, "retryable").as_str()), ("none", "true"));
    assert_eq!(told(status, "attempts"), "0");
    assert!(report(status).attempts.is_empty());
    let wait = status.get_error_details().retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!((Duration::from_millis(200)..=Duration::from_secs(1)).contains(&wait), "{wait:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert_eq!(pushback, wait.as_millis().to_string());
}
