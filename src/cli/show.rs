//! What goes to the terminal. Colours only where one is.
//!
//! A reader who has gone away, as `head` does, is no failure: what cannot be written is dropped.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use bedrock_inference_adapters::contract::decimal;
use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use bedrock_inference_proto::v1::{CallReport, CostLine, Route};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use tonic_types::StatusExt;

/// A style, as an ANSI escape code.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Cyan = 36,
}

/// Text in a style, where standard output is a terminal.
pub(super) fn styled(text: impl Display, style: Style) -> String {
    if std::io::stdout().is_terminal() { paint(&text, style) } else { text.to_string() }
}

#[expect(clippy::as_conversions, reason = "the discriminant is the code")]
fn paint(text: &impl Display, style: Style) -> String {
    format!("\x1b[{}m{text}\x1b[0m", style as u8)
}

/// A line.
pub(super) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A piece of a line, at once.
pub(super) fn piece(text: impl Display) {
    let mut out = std::io::stdout();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A line on standard error.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error, on standard error.
pub(super) fn error(text: impl Display) {
    let label = "error:";
    let label = if std::io::stderr().is_terminal() { paint(&label, Style::Red) } else { label.to_owned() };
    let _ = writeln!(std::io::stderr(), "{label} {text}");
}

/// A message as proto3 JSON.
///
/// # Errors
/// The message is not in the descriptor set: a mistake of the build.
pub(super) fn json(name: &str, message: &impl Message, pretty: bool) -> Result<String, String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(|error| error.to_string())?;
    let descriptor = pool.get_message_by_name(&format!("bedrock.inference.v1.{name}"));
    let descriptor = descriptor.ok_or_else(|| format!("no message {name}"))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
    let dynamic = dynamic.map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    let written = if pretty {
        dynamic.serialize_with_options(&mut serde_json::Serializer::pretty(&mut out), &options)
    } else {
        dynamic.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options)
    };
    written.map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// A call report in a few lines.
pub(super) fn report(report: &CallReport) -> String {
    let route = match report.route() {
        Route::Native => " by native",
        Route::Converse => " by converse",
        // Counting and guardrails have one way only.
        Route::Unspecified => "",
    };
    let served = if report.inference_profile.is_empty() { &report.model } else { &report.inference_profile };
    let mut lines = vec![
        format!("request   {}  (aws {})", report.request_id, or_dash(&report.aws_request_id)),
        format!("served    {} in {}{route}", or_dash(served), or_dash(&report.region)),
    ];
    let failed = report.attempts.iter().filter(|attempt| attempt.outcome != "OK");
    lines.extend(failed.map(|attempt| {
        format!("attempt   {} in {}: {}", attempt.model_id, attempt.region, or_dash(&attempt.outcome))
    }));
    if let Some(tokens) = &report.tokens {
        let written = tokens.cache_write_5m + tokens.cache_write_1h;
        lines.push(format!(
            "tokens    {} in, {} out, cache {} read {} written",
            tokens.input, tokens.output, tokens.cache_read, written
        ));
    }
    if let Some(cost) = &report.cost {
        let of = |line: &CostLine| format!("{} {}", decimal(line.pico_usd, 12), line.token_class);
        let parts: Vec<_> = cost.lines.iter().map(of).collect();
        lines.push(format!("cost      {} USD: {}", cost.usd, parts.join(" + ")));
    }
    if let Some(timings) = &report.timings {
        let parts = [
            ("total", &timings.total),
            ("preparing", &timings.preparing),
            ("first content", &timings.first_content),
            ("streaming", &timings.streaming),
            ("finishing", &timings.finishing),
        ];
        let parts = parts.map(|(name, duration)| format!("{name} {}", milliseconds(duration.as_ref())));
        lines.push(format!("times     {}", parts.join(", ")));
    }
    lines.extend(report.warnings.iter().map(|w| format!("warning   {}: {}", w.path, w.message)));
    lines.iter().map(|text| format!("  {}", styled(text, Style::Dim))).collect::<Vec<_>>().join("\n")
}

/// A failed call in words: code, reason and message, then what its details say.
pub(super) fn status(status: &tonic::Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    let causes = std::iter::successors(std::error::Error::source(status), |error| error.source());
    let cause = causes.last().map(|cause| format!(" ({cause})")).unwrap_or_default();
    let mut lines = vec![format!("{}{reason}: {}{cause}", code(status.code()), status.message())];
    let violations =
        details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
    if violations.len() > 1 {
        lines.extend(violations.iter().map(|found| format!("  {}: {}", found.field, found.description)));
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        lines.push(format!("  worth another try in {delay:.1?}"));
    }
    let upstream = details.error_info().and_then(|info| info.metadata.get("upstream_request_id"));
    let ids = [
        ("request id", details.request_info().map(|info| info.request_id.as_str())),
        ("AWS request id", upstream.map(String::as_str)),
    ];
    let ids: Vec<_> = ids
        .into_iter()
        .filter_map(|(name, id)| Some((name, id.filter(|id| !id.is_empty())?)))
        .map(|(name, id)| format!("{name} {id}"))
        .collect();
    if !ids.is_empty() {
        lines.push(format!("  {}", ids.join(", ")));
    }
    lines.join("\n")
}

/// The code as gRPC writes it.
fn code(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn milliseconds(duration: Option<&prost_types::Duration>) -> String {
    let duration = duration.copied().and_then(|duration| std::time::Duration::try_from(duration).ok());
    format!("{:.1} ms", duration.unwrap_or_default().as_secs_f64() * 1000.0)
}
