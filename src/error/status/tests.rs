//! Every reason as a status: its code, its details, and what client libraries make of it.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::collections::HashMap;

use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{Attempt, TokenCounts};
use tonic::Code;
use tonic_types::StatusExt;

use super::super::{Billed, Reason};
use super::*;

fn dispatched() -> CallReport {
    CallReport {
        request_id: "r".repeat(128),
        model_asked: "m".repeat(2048),
        region: "us-east-1".to_owned(),
        aws_request_id: "aws".to_owned(),
        attempts: vec![Attempt { model_id: "m".repeat(2048), ..Attempt::default() }],
        ..CallReport::default()
    }
}

fn metadata(status: &Status) -> HashMap<String, String> {
    let details = status.get_error_details();
    details.error_info().map(|info| info.metadata.clone()).unwrap_or_default()
}

fn pushback(status: &Status) -> Option<i32> {
    status.metadata().get(PUSHBACK)?.to_str().ok()?.parse().ok()
}

fn has_report(status: &Status) -> bool {
    let full = pb::Status::decode(status.details()).unwrap_or_default();
    full.details.iter().any(|any| any.type_url.ends_with("CallReport"))
}

#[test]
fn every_reason_is_a_whole_status() {
    const KEYS: [&str; 7] =
        ["model", "region", "upstream_code", "upstream_request_id", "attempts", "retryable", "billed"];
    for reason in Reason::ALL {
        for partial in [None, Some(0), Some(7)] {
            let mut error = Error::new(*reason, "what was found");
            error.upstream.model_id = Some("m".repeat(2048));
            error.partial = partial;
            let status = status(&error, &dispatched());
            let details = status.get_error_details();
            let told = details.error_info().map(|info| (info.reason.clone(), info.domain.clone()));
            assert_eq!(told, Some((reason.name(partial.is_some()), DOMAIN.to_owned())));
            assert_eq!(status.code(), reason.code(partial.is_some()), "{reason:?}");
            assert!(status.details().len() <= MAX_DETAILS, "{reason:?}: {}", status.details().len());
            assert!(has_report(&status), "{reason:?}");
            assert!(details.request_info().is_some_and(|info| info.request_id.len() == 128));
            let metadata = metadata(&status);
            let late: &[&str] =
                if partial.is_some() { &["partial", "events_sent", "usage_known"] } else { &[] };
            assert_eq!(metadata.len(), KEYS.len() + late.len(), "{reason:?}: {metadata:?}");
            assert!(metadata["model"].len() <= MAX_VALUE, "{reason:?}");
            for key in KEYS.iter().chain(late) {
                assert!(metadata.contains_key(*key), "{reason:?} has no {key}");
            }
            let of_tenant = matches!(reason, Reason::TenantRateLimited | Reason::TenantBudgetExceeded);
            let of_quota = of_tenant || *reason == Reason::UpstreamQuota;
            assert_eq!(details.quota_failure().is_some(), of_quota, "{reason:?}");
        }
    }
}

#[test]
fn names_are_of_the_form_that_google_asks_for() {
    let mut seen = std::collections::BTreeSet::new();
    for reason in Reason::ALL {
        for name in [reason.name(false), reason.name(true)] {
            assert!(name.len() <= 63, "{name}");
            assert!(name.starts_with(|first: char| first.is_ascii_uppercase()), "{name}");
            let of_form = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(name.len() > 1 && name.chars().all(of_form), "{name}");
        }
        assert!(seen.insert(reason.name(false)), "{reason:?} shares its name");
    }
}

#[test]
fn a_wait_is_drawn_from_its_range_and_told_twice_alike() {
    for reason in Reason::ALL {
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let status = status(&Error::new(*reason, ""), &dispatched());
            let info = status.get_error_details().retry_info().map(|info| info.retry_delay);
            let retryable = metadata(&status)["retryable"] == "true";
            match (reason.repeat(), info.flatten()) {
                (Repeat::After(shortest, longest), Some(wait)) => {
                    assert!(retryable && shortest <= wait && wait <= longest, "{reason:?}: {wait:?}");
                    assert!(shortest >= Duration::from_millis(100), "{reason:?}");
                    if pushback(&status) != Some(-1) {
                        assert_eq!(pushback(&status), i32::try_from(wait.as_millis()).ok(), "{reason:?}");
                    }
                    waits.insert(wait);
                }
                (Repeat::Sensible, None) => assert!(retryable, "{reason:?}"),
                (Repeat::Futile, None) => assert!(!retryable, "{reason:?}"),
                (repeat, wait) => assert!(wait.is_none(), "{reason:?}: {repeat:?} and {wait:?}"),
            }
        }
        assert!(waits.is_empty() || waits.len() > 25, "{reason:?} does not spread: {waits:?}");
    }
}

#[test]
fn what_may_have_been_paid_is_never_repeated_by_a_library() {
    for reason in Reason::ALL {
        let free = reason.billed() == Billed::Nothing;
        assert!(free || reason.code(false) != Code::Unavailable, "{reason:?} looks free");
        let unanswered = status(&Error::new(*reason, ""), &dispatched());
        assert_eq!(pushback(&unanswered) == Some(-1), !free, "{reason:?}");
        for sent in [0, 3] {
            let late = status(&Error::new(*reason, "").after(sent), &dispatched());
            assert_eq!(pushback(&late), Some(-1), "{reason:?}");
        }
    }
}

#[test]
fn what_was_billed_is_told_by_how_far_the_call_had_come() {
    let billed = |error: &Error, report: &CallReport| metadata(&status(error, report))["billed"].clone();
    let late = Error::late();
    assert_eq!(billed(&late, &CallReport::default()), "none");
    assert_eq!(billed(&late, &dispatched()), "unknown");
    assert_eq!(billed(&late.clone().after(0), &dispatched()), "unknown");
    assert_eq!(billed(&late.after(1), &dispatched()), "partial");
    assert_eq!(billed(&Error::answer_too_large(2, 1), &dispatched()), "full");
    assert_eq!(billed(&Error::answer_too_large(2, 1).after(4), &dispatched()), "full");
    assert_eq!(billed(&Error::new(Reason::MessageTooLarge, ""), &CallReport::default()), "none");
}

#[test]
fn the_usage_is_known_where_the_report_has_it() {
    let known =
        |report: &CallReport| metadata(&status(&Error::late().after(1), report))["usage_known"].clone();
    assert_eq!(known(&dispatched()), "false");
    assert_eq!(known(&CallReport { tokens: Some(TokenCounts::default()), ..dispatched() }), "true");
}

/// I20: whatever the caller wrote, the status travels.
#[test]
fn details_fit_whatever_the_violations_say() {
    let sizes = [(1, 10), (20, 300), (500, 50), (20, 100_000), (1, 1_000_000)];
    for ((count, length), letter) in
        sizes.into_iter().flat_map(|size| [(size, "x"), (size, "語"), (size, "%")])
    {
        let long = letter.repeat(length);
        let violation = Violation { path: long.clone(), description: long.clone() };
        let error = Error::new(Reason::InvalidRequest, long).with_violations(vec![violation; count]);
        for report in [CallReport { request_id: "r".repeat(128), ..CallReport::default() }, dispatched()] {
            let status = status(&error, &report);
            assert!(status.details().len() <= MAX_DETAILS, "{count} of {length}");
            // What clients take of headers by default: 8 KiB, by the arithmetic of HTTP/2.
            let mut trailers = http::HeaderMap::new();
            assert!(status.add_header(&mut trailers).is_ok());
            let size: usize =
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
            assert!(size <= 8 * 1024, "{count} of {length} {letter}: {size}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("INVALID_REQUEST"));
            assert!(details.bad_request().is_some_and(|request| !request.field_violations.is_empty()));
            assert!(has_report(&status), "{count} of {length}");
        }
    }
}
