//! AWS's own advice on when to come back is passed on, where coming back makes sense.

use std::time::Duration;

use tonic_types::StatusExt;

use super::rpcs::{Rpc, ask_with};
use crate::stage::Stage;

#[tokio::test]
async fn a_wait_that_aws_names_is_passed_on_in_both_forms() {
    let stage = Stage::open().await;
    let cases = [
        ("ThrottlingException,retry-after=1500", Some(1500)),
        ("ServiceUnavailableException,retry-after=30000", Some(30_000)),
        // Too short to help, and too long for anybody to wait.
        ("ThrottlingException,retry-after=0", Some(100)),
        ("ThrottlingException,retry-after=86400000", Some(300_000)),
        // Nothing helps here.
        ("ValidationException,retry-after=1500", None),
        ("AccessDeniedException,retry-after=1500", None),
    ];
    for (fault, expected) in cases {
        let status = ask_with(&stage, Rpc::InvokeModel, fault).await.status.unwrap();
        let wait = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
        assert_eq!(wait, expected.map(Duration::from_millis), "{fault}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms");
        let pushback = pushback.map(|pushback| pushback.to_str().unwrap().parse().unwrap());
        assert_eq!(pushback, expected, "{fault}");
    }
}
