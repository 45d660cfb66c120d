//! Errors to gRPC statuses with `google.rpc` details. Nowhere else is a status made.

use std::collections::HashMap;

use bedrock_inference_proto::v1::CallReport;
use prost::Message;
use prost_types::Any;
use tonic::Status;
use tonic_types::pb;

use super::Error;

/// `ErrorInfo.domain` of every error of ours.
pub const DOMAIN: &str = "bedrock.inference.v1";

/// Encoded details stay below this, so that the trailers pass every proxy's header limit.
const MAX_DETAILS: usize = 4 * 1024;

/// A status message stays below this.
const MAX_MESSAGE: usize = 1024;

/// Violations beyond this many are only counted.
const MAX_VIOLATIONS: usize = 20;

/// The status of a failed call, with the report of what was done until then.
#[must_use]
pub fn status(error: &Error, report: Option<&CallReport>) -> Status {
    let late = error.partial.is_some();
    let code = error.reason.code(late);
    let message = clipped(&error.context);
    let mut details = vec![any("google.rpc.ErrorInfo", &error_info(error))];
    if let Some(report) = report {
        details.push(any(
            "google.rpc.RequestInfo",
            &pb::RequestInfo { request_id: report.request_id.clone(), serving_data: String::new() },
        ));
    }
    if let Some(delay) = error.retry_after {
        let retry_delay = prost_types::Duration::try_from(delay).ok();
        details.push(any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay }));
    }
    if !error.violations.is_empty() {
        details.push(any("google.rpc.BadRequest", &bad_request(error)));
    }
    let mut full = pb::Status { code: code.into(), message: message.clone(), details };
    if let Some(report) = report {
        add_report(&mut full, report);
    }
    Status::with_details(code, message, full.encode_to_vec().into())
}

/// The HTTP response that carries this error where no gRPC handler was reached.
#[must_use]
pub fn grpc_response<B: Default>(error: &Error) -> http::Response<B> {
    status(error, None).into_http()
}

fn error_info(error: &Error) -> pb::ErrorInfo {
    let late = error.partial.is_some();
    let upstream = &error.upstream;
    let mut metadata = HashMap::new();
    let known = [
        ("model", upstream.model_id.clone()),
        ("region", upstream.region.clone()),
        ("upstream_code", upstream.code.clone()),
        ("upstream_request_id", upstream.request_id.clone()),
        ("partial", error.partial.map(|_| "true".to_owned())),
        ("events_sent", error.partial.map(|sent| sent.to_string())),
    ];
    metadata.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    pb::ErrorInfo { reason: error.reason.name(late), domain: DOMAIN.to_owned(), metadata }
}

fn bad_request(error: &Error) -> pb::BadRequest {
    let shown = error
        .violations
        .iter()
        .take(MAX_VIOLATIONS)
        .map(|violation| (violation.path.clone(), clipped(&violation.description)));
    let hidden = error.violations.len().saturating_sub(MAX_VIOLATIONS);
    let rest = (hidden > 0).then(|| (String::new(), format!("{hidden} more violations")));
    let field_violations = shown.chain(rest).map(|(field, description)| pb::bad_request::FieldViolation {
        field,
        description,
        ..Default::default()
    });
    pb::BadRequest { field_violations: field_violations.collect() }
}

/// Adds the report, cut until the details fit: first its warnings, then attempts, then lines.
fn add_report(status: &mut pb::Status, report: &CallReport) {
    const CUTS: [fn(&mut CallReport); 4] = [
        |_| {},
        |report| report.warnings.clear(),
        |report| report.attempts.clear(),
        |report| report.cost.iter_mut().for_each(|cost| cost.lines.clear()),
    ];
    let taken = status.encoded_len();
    let mut report = report.clone();
    for cut in CUTS {
        cut(&mut report);
        let detail = any("bedrock.inference.v1.CallReport", &report);
        if taken + detail.encoded_len() + 8 <= MAX_DETAILS {
            status.details.push(detail);
            return;
        }
    }
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn clipped(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_MESSAGE).last();
    match end {
        Some(end) if text.len() > MAX_MESSAGE => text.get(..end).unwrap_or_default().to_owned(),
        _ => text.to_owned(),
    }
}
