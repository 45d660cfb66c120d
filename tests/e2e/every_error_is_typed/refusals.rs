//! Every row by every RPC: in place of the response, and at every kind of place in a stream.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::rows::{Row, rows};
use super::rpcs::{Ended, PROFILE, Rpc, ask_with};
use crate::stage::{Stage, reason, report, told};

/// What the caller is told, whichever way the failure came.
fn check(what: &str, rpc: Rpc, row: &Row, status: &Status, code: Code, expected: &str) {
    let found = (status.code(), reason(status));
    assert_eq!(found, (code, expected.to_owned()), "{what}: {}", status.message());
    let keys = ["model", "region", "upstream_code", "attempts", "retryable"].map(|key| told(status, key));
    let retryable = row.retryable.to_string();
    assert_eq!(keys, [rpc.model(), "us-east-1", row.upstream_code(), "1", &retryable], "{what}");
    assert_eq!(told(status, "upstream_request_id").len(), 36, "{what}");
    let details = status.get_error_details();
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    match (row.wait, wait) {
        (None, None) => {}
        (Some((shortest, longest)), Some(wait)) => {
            let seconds = wait.as_secs_f64();
            assert!((shortest..=longest).contains(&seconds), "{what}: {seconds} s");
        }
        (expected, found) => panic!("{what}: {expected:?} and {found:?}"),
    }
    assert_eq!(details.quota_failure().is_some(), row.reason == "UPSTREAM_QUOTA", "{what}");
    let report = report(status);
    assert_eq!(report.attempts.len(), 1, "{what}");
    let attempt = &report.attempts[0];
    assert_eq!((attempt.outcome.as_str(), attempt.region.as_str()), (expected, "us-east-1"), "{what}");
    assert_eq!(attempt.aws_request_id, told(status, "upstream_request_id"), "{what}");
    assert_eq!(report.model_asked, rpc.model(), "{what}");
}

fn check_before(what: &str, rpc: Rpc, row: &Row, status: &Status) {
    let named = match (row.reason, rpc) {
        ("MODEL_NOT_FOUND", Rpc::ApplyGuardrail) => "GUARDRAIL_NOT_FOUND",
        (named, _) => named,
    };
    check(what, rpc, row, status, row.code, named);
    assert_eq!(told(status, "billed"), row.billed, "{what}");
    assert_eq!(told(status, "partial"), "", "{what}");
    let wait = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    let free = wait.map(|wait| wait.as_millis().to_string());
    let pushback = if row.billed == "none" { free } else { Some("-1".to_owned()) };
    assert_eq!(pushed_back(status), pushback, "{what}");
}

fn check_after(what: &str, rpc: Rpc, row: &Row, ended: &Ended, status: &Status) {
    check(what, rpc, row, status, Code::Aborted, &row.midstream());
    let keys = ["billed", "partial", "usage_known", "events_sent"].map(|key| told(status, key));
    assert_eq!(keys, ["partial", "true", "false", &ended.messages.to_string()], "{what}");
    assert_eq!(pushed_back(status).as_deref(), Some("-1"), "{what}");
}

fn pushed_back(status: &Status) -> Option<String> {
    let pushback = status.metadata().get("grpc-retry-pushback-ms")?;
    Some(pushback.to_str().unwrap().to_owned())
}

/// U1: every exception, by every RPC.
#[tokio::test]
async fn in_place_of_the_response() {
    let stage = Stage::open().await;
    let mut seen = 0;
    for row in rows() {
        for rpc in Rpc::ALL {
            let what = format!("{} by {rpc:?}", row.fault);
            let ended = ask_with(&stage, rpc, row.fault).await;
            let status = ended.status.unwrap_or_else(|| panic!("{what} went well"));
            assert!(!ended.opened, "{what}: headers came first");
            check_before(&what, rpc, &row, &status);
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

/// U8: every exception, at every place of a stream.
#[tokio::test]
async fn in_a_stream() {
    let stage = Stage::open().await;
    for rpc in Rpc::STREAMS {
        let frames = frames_of(&stage, rpc).await;
        for row in rows() {
            // The last one stands behind messageStop and before the metadata, or before the native terminator.
            for behind in [0, 1, 3, frames - 2, frames - 1] {
                let Some(fault) = row.behind(behind) else { continue };
                let what = format!("{fault} of {frames} by {rpc:?}");
                let mut ended = ask_with(&stage, rpc, &fault).await;
                let status = ended.status.take().unwrap_or_else(|| panic!("{what} went well"));
                if ended.opened {
                    check_after(&what, rpc, &row, &ended, &status);
                } else {
                    check_before(&what, rpc, &row, &status);
                }
                // What is content, and so opens the stream, comes early, whatever the route.
                assert!(if behind == 0 { !ended.opened } else { ended.opened || behind < 4 }, "{what}");
            }
        }
    }
}

/// How many frames AWS's stream has: a cut behind the last one cuts nothing.
async fn frames_of(stage: &Stage, rpc: Rpc) -> usize {
    for frames in 0..100 {
        let ended = ask_with(stage, rpc, &format!("cut@{frames}")).await;
        let Some(status) = ended.status else { return frames };
        assert_eq!(reason(&status), "UPSTREAM_STREAM_TRUNCATED", "cut@{frames} by {rpc:?}");
    }
    panic!("{rpc:?} of {PROFILE} does not end");
}

#[tokio::test]
async fn waits_differ_from_call_to_call() {
    let stage = Stage::open().await;
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let ended = ask_with(&stage, Rpc::InvokeModel, "ThrottlingException").await;
        let wait = ended.status.unwrap().get_error_details().retry_info().and_then(|info| info.retry_delay);
        waits.insert(wait.unwrap_or(Duration::ZERO));
    }
    assert!(waits.len() > 5, "{waits:?}");
}
