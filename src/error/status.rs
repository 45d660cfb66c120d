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

/// So many violations are shown, the others only counted; the first number that leaves room for the report.
const VIOLATIONS_SHOWN: [usize; 5] = [20, 10, 5, 2, 0];

/// A violation's path stays below this: it can hold keys of the caller's.
const MAX_PATH: usize = 256;

/// A violation's description stays below this.
const MAX_DESCRIPTION: usize = 256;

/// The status of a failed call, with the report of what was done until then.
#[must_use]
pub fn status(error: &Error, report: Option<&CallReport>) -> Status {
    let late = error.partial.is_some();
    let code = error.reason.code(late);
    let message = clipped(&error.context, MAX_MESSAGE);
    // Fewer violations are shown where all of them, each clipped, leave no room for the report.
    let full = VIOLATIONS_SHOWN.iter().find_map(|shown| {
        let details = details(error, report, *shown);
        let mut full = pb::Status { code: code.into(), message: message.clone(), details };
        add_report(&mut full, report).then_some(full)
    });
    Status::with_details(code, message, full.unwrap_or_default().encode_to_vec().into())
}

fn details(error: &Error, report: Option<&CallReport>, violations: usize) -> Vec<Any> {
    let mut details = vec![any("google.rpc.ErrorInfo", &error_info(error))];
    if let Some(report) = report {
        let request_id = report.request_id.clone();
        details.push(any(
            "google.rpc.RequestInfo",
            &pb::RequestInfo { request_id, serving_data: String::new() },
        ));
    }
    if let Some(delay) = error.retry_after {
        let retry_delay = prost_types::Duration::try_from(delay).ok();
        details.push(any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay }));
    }
    if !error.violations.is_empty() {
        details.push(any("google.rpc.BadRequest", &bad_request(error, violations)));
    }
    details
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
        ("partial", error.partial.map(|sent| (sent > 0).to_string())),
        ("events_sent", error.partial.map(|sent| sent.to_string())),
    ];
    metadata.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    pb::ErrorInfo { reason: error.reason.name(late), domain: DOMAIN.to_owned(), metadata }
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

/// Adds the report, cut until the details fit: first its warnings, then attempts, then lines. `false` where
/// nothing fits.
fn add_report(status: &mut pb::Status, report: Option<&CallReport>) -> bool {
    const CUTS: [fn(&mut CallReport); 4] = [
        |_| {},
        |report| report.warnings.clear(),
        |report| report.attempts.clear(),
        |report| report.cost.iter_mut().for_each(|cost| cost.lines.clear()),
    ];
    let taken = status.encoded_len();
    let Some(report) = report else { return taken <= MAX_DETAILS };
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

fn clipped(text: &str, limit: usize) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= limit).last();
    match end {
        Some(end) if text.len() > limit => text.get(..end).unwrap_or_default().to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bedrock_inference_proto::codec::Violation;
    use tonic_types::StatusExt;

    use super::super::Reason;
    use super::*;

    #[test]
    fn details_fit_whatever_the_violations_say() {
        for (count, length) in [(1, 10), (20, 300), (500, 50), (20, 100_000), (1, 1_000_000)] {
            let long = "x".repeat(length);
            let violation = Violation { path: long.clone(), description: long.clone() };
            let error = Error::new(Reason::InvalidRequest, long).with_violations(vec![violation; count]);
            let report = CallReport { request_id: "r".repeat(128), ..CallReport::default() };
            let status = status(&error, Some(&report));
            assert!(status.details().len() <= MAX_DETAILS, "{count} of {length}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("INVALID_REQUEST"));
            assert!(details.bad_request().is_some_and(|request| !request.field_violations.is_empty()));
            let full = pb::Status::decode(status.details()).unwrap_or_default();
            assert!(
                full.details.iter().any(|any| any.type_url.ends_with("CallReport")),
                "{count} of {length}"
            );
        }
    }
}
