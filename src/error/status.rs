//! Errors to gRPC statuses with `google.rpc` details. Nowhere else is a status made.

use std::time::Duration;

use bedrock_inference_proto::v1::CallReport;
use prost::Message;
use prost_types::Any;
use tonic::Status;
use tonic_types::pb;

use super::{Billed, Error, Reason, Repeat};

/// `ErrorInfo.domain` of every error of ours.
pub const DOMAIN: &str = "bedrock.inference.v1";

/// Encoded details stay below this, so that the trailers pass every proxy's header limit.
pub const MAX_DETAILS: usize = 4 * 1024;

/// A status message stays below this as it travels, percent-encoded.
const MAX_MESSAGE: usize = 1024;

/// So many violations are shown, the others only counted; the first number that leaves room for the report.
const VIOLATIONS_SHOWN: [usize; 5] = [20, 10, 5, 2, 0];

/// A violation's path stays below this: it can hold keys of the caller's.
const MAX_PATH: usize = 256;

/// A violation's description stays below this.
const MAX_DESCRIPTION: usize = 256;

/// A value of `ErrorInfo.metadata` stays below this: a model id can be as long as the caller likes.
const MAX_VALUE: usize = 256;

/// How gRPC tells client libraries when to repeat a call, in milliseconds; below zero for never.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The status of a failed call, with the report of what was done until then.
#[must_use]
pub fn status(error: &Error, report: &CallReport) -> Status {
    let code = error.reason.code(error.partial.is_some());
    let message = travelling(&error.context);
    let wait = error.repeat.wait();
    // Fewer violations are shown where all of them, each clipped, leave no room for the report.
    let full = VIOLATIONS_SHOWN.iter().find_map(|shown| {
        let details = details(error, report, wait, *shown);
        let mut full = pb::Status { code: code.into(), message: message.clone(), details };
        add_report(&mut full, report).then_some(full)
    });
    let details = full.unwrap_or_default().encode_to_vec().into();
    let mut status = Status::with_details(code, message, details);
    if let Some(pushback) = pushback(billed(error, report), wait) {
        status.metadata_mut().insert(PUSHBACK, pushback.into());
    }
    status
}

fn details(error: &Error, report: &CallReport, wait: Option<Duration>, violations: usize) -> Vec<Any> {
    let request_id = report.request_id.clone();
    let mut details = vec![
        any("google.rpc.ErrorInfo", &error_info(error, report)),
        any("google.rpc.RequestInfo", &pb::RequestInfo { request_id, serving_data: String::new() }),
    ];
    if let Some(wait) = wait {
        let retry_delay = prost_types::Duration::try_from(wait).ok();
        details.push(any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay }));
    }
    if let Some(failure) = quota_failure(error, report) {
        details.push(any("google.rpc.QuotaFailure", &failure));
    }
    if !error.violations.is_empty() {
        details.push(any("google.rpc.BadRequest", &bad_request(error, violations)));
    }
    details
}

/// Every key is always there; what is not known is empty.
fn error_info(error: &Error, report: &CallReport) -> pb::ErrorInfo {
    let upstream = &error.upstream;
    let first = |ours: &Option<String>, reported: &str| {
        clipped(ours.as_deref().filter(|own| !own.is_empty()).unwrap_or(reported), MAX_VALUE)
    };
    let mut metadata = vec![
        ("model", first(&upstream.model_id, &report.model_asked)),
        ("region", first(&upstream.region, &report.region)),
        ("upstream_code", first(&upstream.code, "")),
        ("upstream_request_id", first(&upstream.request_id, &report.aws_request_id)),
        ("attempts", report.attempts.len().to_string()),
        ("retryable", (error.repeat != Repeat::Futile).to_string()),
        ("billed", billed(error, report).name().to_owned()),
    ];
    if let Some(sent) = error.partial {
        metadata.extend([
            ("partial", (sent > 0).to_string()),
            ("events_sent", sent.to_string()),
            ("usage_known", report.tokens.is_some().to_string()),
        ]);
    }
    pb::ErrorInfo {
        reason: error.reason.name(error.partial.is_some()),
        domain: DOMAIN.to_owned(),
        metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// What may have been billed, by how far the call had come.
fn billed(error: &Error, report: &CallReport) -> Billed {
    match (error.billed, error.partial) {
        (Billed::Full, _) => Billed::Full,
        (_, Some(sent)) if sent > 0 => Billed::Partial,
        (_, Some(_)) => Billed::Unknown,
        _ if report.attempts.is_empty() => Billed::Nothing,
        (billed, None) => billed,
    }
}

/// Some client libraries repeat a call for a pushback alone, whatever its code. So a wait is only told where the
/// repeat is free; what may have been paid is never repeated without the caller's own decision.
fn pushback(billed: Billed, wait: Option<Duration>) -> Option<i32> {
    match billed {
        Billed::Nothing => wait.map(|wait| i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)),
        Billed::Partial | Billed::Full | Billed::Unknown => Some(-1),
    }
}

/// Whose quota is used up, where one is.
fn quota_failure(error: &Error, report: &CallReport) -> Option<pb::QuotaFailure> {
    let (subject, description) = match error.reason {
        Reason::UpstreamQuota => {
            let region = error.upstream.region.as_deref().unwrap_or(&report.region);
            (format!("region:{region}"), "a service quota of the gateway's AWS account for Bedrock")
        }
        Reason::TenantRateLimited | Reason::TenantBudgetExceeded => {
            ("tenant".to_owned(), error.context.as_str())
        }
        _ => return None,
    };
    let violation = pb::quota_failure::Violation {
        subject: clipped(&subject, MAX_VALUE),
        description: clipped(description, MAX_DESCRIPTION),
        ..Default::default()
    };
    Some(pb::QuotaFailure { violations: vec![violation] })
}

fn bad_request(error: &Error, shown: usize) -> pb::BadRequest {
    let violations = error.violations.iter().take(shown).map(|violation| {
        (clipped(&violation.path, MAX_PATH), clipped(&violation.description, MAX_DESCRIPTION))
    });
    let hidden = error.violations.len().saturating_sub(shown);
    let rest = (hidden > 0).then(|| (String::new(), format!("{hidden} more violations")));
    let field_violations = violations.chain(rest).map(|(field, description)| {
        pb::bad_request::FieldViolation { field, description, ..Default::default() }
    });
    pb::BadRequest { field_violations: field_violations.collect() }
}

/// Adds the report, cut until the details fit: first its warnings, then attempts, then lines, then
/// long ids. `false` where nothing fits.
fn add_report(status: &mut pb::Status, report: &CallReport) -> bool {
    const CUTS: [fn(&mut CallReport); 6] = [
        |_| {},
        |report| report.warnings.clear(),
        |report| report.attempts.clear(),
        |report| report.cost.iter_mut().for_each(|cost| cost.lines.clear()),
        // Long only where they repeat what was asked, as for a model that nobody knows.
        |report| {
            report.model.clear();
            report.inference_profile.clear();
        },
        |report| report.model_asked.clear(),
    ];
    let taken = status.encoded_len();
    let mut report = report.clone();
    for cut in CUTS {
        cut(&mut report);
        let detail = any("bedrock.inference.v1.CallReport", &report);
        if taken + detail.encoded_len() + 8 <= MAX_DETAILS {
            status.details.push(detail);
            return true;
        }
    }
    false
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

/// As much of a message as fits on its way, where whatever is not plain ASCII takes three bytes for one.
fn travelling(message: &str) -> String {
    let mut length = 0;
    let fits = message.chars().take_while(|letter| {
        let plain = matches!(letter, ' '..='~') && *letter != '%';
        length += if plain { 1 } else { letter.len_utf8() * 3 };
        length <= MAX_MESSAGE
    });
    fits.collect()
}

fn clipped(text: &str, limit: usize) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= limit).last();
    match end {
        Some(end) if text.len() > limit => text.get(..end).unwrap_or_default().to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
