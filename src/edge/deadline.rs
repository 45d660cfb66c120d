//! Deadline: `grpc-timeout` read once, and enforced from the request's arrival.

use std::time::Duration;

use http::{Extensions, HeaderMap};
use tokio::time::{Instant, timeout_at};
use tower::Layer;

use super::{HttpService, layer, pass, refused};
use crate::call::Report;
use crate::error::{Error, Reason};

/// How much later than a handler the edge answers for the same deadline: the handler knows more, and both clocks may
/// ring in one moment.
const GRACE: Duration = Duration::from_millis(5);

/// What is known of a request as soon as its headers are there; an extension of every request.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When its caller stops waiting; `None` for never.
    pub deadline: Option<Instant>,
    /// What is done for it. Whoever refuses it, here or further in, has a request id to name.
    pub report: Report,
}

impl Arrival {
    /// The report of the request that these belong to; a new one where the edge has not run.
    #[must_use]
    pub fn report(extensions: &Extensions) -> Report {
        extensions.get::<Self>().map_or_else(|| Report::begin(Instant::now()), |own| own.report.clone())
    }
}

/// Answers `CLIENT_DEADLINE` when the deadline passes before there are headers, and refuses a header that is
/// not of gRPC's form.
pub(super) fn deadline() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, mut request| {
        let arrived = Instant::now();
        let timeout = timeout(request.headers());
        let deadline = timeout.as_ref().ok().copied().flatten().and_then(|limit| arrived.checked_add(limit));
        let report = Report::begin(arrived);
        request.extensions_mut().insert(Arrival { deadline, report: report.clone() });
        async move {
            if let Err(error) = timeout {
                return refused(&report, &error);
            }
            let answer = pass(inside, request);
            match deadline {
                None => answer.await,
                Some(deadline) => timeout_at(deadline + GRACE, answer)
                    .await
                    .unwrap_or_else(|_| refused(&report, &Error::late())),
            }
        }
    })
}

/// `None` where the header is not there.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse);
    parsed.map(Some).ok_or_else(|| {
        let context = "grpc-timeout is not of the form 1 to 8 digits and one of H, M, S, m, u, n";
        Error::new(Reason::InvalidDeadline, context)
    })
}

fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_as_the_protocol_says() {
        let cases = [
            ("1n", Some(Duration::from_nanos(1))),
            ("0m", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("250m", Some(Duration::from_millis(250))),
            ("123456789S", None),
            ("", None),
            ("S", None),
            ("10", None),
            ("-1S", None),
            ("1.5S", None),
            ("1 S", None),
            ("5s", None),
            ("5ä", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header), expected, "{header:?}");
        }
    }
}
