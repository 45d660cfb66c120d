//! Scripted faults: everything that can go wrong between a client and Bedrock, on request.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::{EXPIRED_TOKEN, Failure};

/// One scripted deviation from a good answer, for one call.
///
/// The text form ([`FromStr`], [`fmt::Display`]) uses only characters that AWS allows in `requestMetadata`.
/// Positions count stream events: `@2` means after two good events, so the third is hit; only `cut-byte@N`
/// counts bytes. A stream that ends earlier is left whole. On a unary call an exception with a position is sent as the response, a cut
/// truncates the body, a reset closes the connection, silence comes before the response, and faults of single events have no effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// `ThrottlingException`, `ThrottlingException@2`, `ThrottlingException,retry-after=1500`,
    /// `ModelErrorException,original-status=404`: an AWS exception, before the headers or in the stream.
    Exception {
        /// The exception's name; unknown names get status 400.
        name: String,
        /// Events sent before it; `None` means instead of the response.
        after: Option<u32>,
        /// The advised wait, sent as `retry-after` (s) and `x-amz-retry-after` (ms).
        retry_after: Option<Duration>,
        /// The `originalStatusCode` of the exceptions that have one; `None` means 500.
        original_status: Option<u16>,
    },
    /// `http=502`: this status with a page of HTML, as a proxy sends it.
    Http(u16),
    /// `cut@N`: the stream ends well-formed, on a frame boundary, after N events.
    Cut(u32),
    /// `cut-byte@N`: the stream, or the body of a unary call, ends well-formed after N bytes.
    CutByte(u32),
    /// `cut-mid-frame@N`: the stream ends well-formed in the middle of a frame, after N events.
    CutMidFrame(u32),
    /// `reset@N`: the connection (or h2 stream) breaks after N events.
    Reset(u32),
    /// `stall` and `stall@N`: silence for ever, before the headers or after N events.
    Stall(Option<u32>),
    /// `slow=MS` and `slow=MS@N`: silence for MS milliseconds, before the headers or after N events; then the
    /// answer goes on. A shutdown ends the silence early.
    Slow {
        /// How long it lasts; whole milliseconds in the text form.
        by: Duration,
        /// Events sent before it; `None` means before the headers.
        after: Option<u32>,
    },
    /// `bad-crc@N`: the frame after N events has a wrong message checksum.
    BadCrc(u32),
    /// `bad-prelude@N`: the frame after N events has a wrong prelude checksum.
    BadPrelude(u32),
    /// `unknown-event@N`: an extra event of a type no client knows, after N events.
    UnknownEvent(u32),
    /// `garbage`: status 200 with a page of HTML.
    Garbage,
    /// `{"reply": ...}`: status 200 with exactly this JSON body.
    Reply(Value),
    /// `{"events": [["messageStart", {...}], ...]}`: exactly these event frames; a name that ends with
    /// `Exception` becomes an exception frame.
    Events(Vec<(String, Value)>),
}

/// A text or JSON value that is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFault(String);

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown fault `{}`: expected an exception name, http=STATUS, cut@N, cut-byte@N, cut-mid-frame@N, \
             reset@N, stall, stall@N, slow=MS, slow=MS@N, bad-crc@N, bad-prelude@N, unknown-event@N, garbage, {{\"reply\": ...}} or {{\"events\": ...}}",
            self.0
        )
    }
}

impl std::error::Error for InvalidFault {}

impl Fault {
    /// Reads the JSON form: a string in text form, `{"reply": ...}` or `{"events": [[name, payload], ...]}`.
    ///
    /// # Errors
    /// [`InvalidFault`] with the value that was found.
    pub fn from_json(value: Value) -> Result<Self, InvalidFault> {
        let invalid = |value: &Value| InvalidFault(value.to_string());
        match value {
            Value::String(text) => text.parse(),
            Value::Object(mut members) if members.len() == 1 && members.contains_key("reply") => {
                Ok(Self::Reply(members.remove("reply").unwrap_or_default()))
            }
            Value::Object(ref members) if members.len() == 1 => {
                let events = members.get("events").and_then(|events| Vec::deserialize(events).ok());
                events.map(Self::Events).ok_or_else(|| invalid(&value))
            }
            other => Err(invalid(&other)),
        }
    }

    /// The refusal this fault stands for, when it replaces the whole response.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Exception { name, retry_after, original_status, .. } => {
                let mut failure = Failure::new(name.clone(), message_of(name));
                failure.retry_after = *retry_after;
                failure.original_status = *original_status;
                Some(failure)
            }
            _ => None,
        }
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let invalid = || InvalidFault(text.to_owned());
        if text.starts_with('{') {
            return Self::from_json(serde_json::from_str(text).map_err(|_| invalid())?);
        }
        if let Some(status) = text.strip_prefix("http=") {
            let status = status.parse().ok().filter(|status| (200..=599).contains(status));
            return status.map(Self::Http).ok_or_else(invalid);
        }
        let (head, options) = text.split_once(',').map_or((text, ""), |(head, rest)| (head, rest));
        let (kind, position) = head.split_once('@').map_or((head, None), |(kind, at)| (kind, Some(at)));
        let after: Option<u32> = position.map(str::parse).transpose().map_err(|_| invalid())?;
        let options = Options::read(options).ok_or_else(invalid)?;
        let name_like = kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric());
        if name_like {
            let Options { retry_after, original_status } = options;
            return Ok(Self::Exception { name: kind.to_owned(), after, retry_after, original_status });
        }
        if options != Options::default() {
            return Err(invalid());
        }
        if let Some(milliseconds) = kind.strip_prefix("slow=") {
            let by = milliseconds.parse().map(Duration::from_millis).map_err(|_| invalid())?;
            return Ok(Self::Slow { by, after });
        }
        match (kind, after) {
            ("cut", Some(after)) => Ok(Self::Cut(after)),
            ("cut-byte", Some(after)) => Ok(Self::CutByte(after)),
            ("cut-mid-frame", Some(after)) => Ok(Self::CutMidFrame(after)),
            ("reset", Some(after)) => Ok(Self::Reset(after)),
            ("stall", after) => Ok(Self::Stall(after)),
            ("bad-crc", Some(after)) => Ok(Self::BadCrc(after)),
            ("bad-prelude", Some(after)) => Ok(Self::BadPrelude(after)),
            ("unknown-event", Some(after)) => Ok(Self::UnknownEvent(after)),
            ("garbage", None) => Ok(Self::Garbage),
            _ => Err(invalid()),
        }
    }
}

/// What may stand behind an exception's name.
#[derive(Debug, Default, PartialEq)]
struct Options {
    retry_after: Option<Duration>,
    original_status: Option<u16>,
}

impl Options {
    /// Reads `retry-after=1500,original-status=404`, or a part of it.
    fn read(text: &str) -> Option<Self> {
        let mut options = Self::default();
        for option in text.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=')? {
                ("retry-after", milliseconds) => {
                    options.retry_after = Some(Duration::from_millis(milliseconds.parse().ok()?));
                }
                ("original-status", status) => options.original_status = Some(status.parse().ok()?),
                _ => return None,
            }
        }
        Some(options)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception { name, after, retry_after, original_status } => {
                f.write_str(name)?;
                if let Some(after) = after {
                    write!(f, "@{after}")?;
                }
                if let Some(wait) = retry_after {
                    write!(f, ",retry-after={}", wait.as_millis())?;
                }
                original_status.map_or(Ok(()), |status| write!(f, ",original-status={status}"))
            }
            Self::Http(status) => write!(f, "http={status}"),
            Self::Cut(after) => write!(f, "cut@{after}"),
            Self::CutByte(after) => write!(f, "cut-byte@{after}"),
            Self::CutMidFrame(after) => write!(f, "cut-mid-frame@{after}"),
            Self::Reset(after) => write!(f, "reset@{after}"),
            Self::Stall(None) => f.write_str("stall"),
            Self::Stall(Some(after)) => write!(f, "stall@{after}"),
            Self::Slow { by, after: None } => write!(f, "slow={}", by.as_millis()),
            Self::Slow { by, after: Some(after) } => write!(f, "slow={}@{after}", by.as_millis()),
            Self::BadCrc(after) => write!(f, "bad-crc@{after}"),
            Self::BadPrelude(after) => write!(f, "bad-prelude@{after}"),
            Self::UnknownEvent(after) => write!(f, "unknown-event@{after}"),
            Self::Garbage => f.write_str("garbage"),
            Self::Reply(body) => write!(f, "{}", json!({"reply": body})),
            Self::Events(events) => write!(f, "{}", json!({"events": events})),
        }
    }
}

/// The words AWS uses, where they are known.
fn message_of(exception: &str) -> String {
    match exception {
        "ThrottlingException" => "Too many requests, please wait before trying again.",
        "AccessDeniedException" => "You don't have access to the model with the specified model ID.",
        "ServiceUnavailableException" => "Bedrock is unable to process your request.",
        "InternalServerException" => {
            "The system encountered an unexpected error during processing. Try your request again."
        }
        "ModelNotReadyException" => "Model is not ready for inference. Wait and try your request again.",
        "ModelTimeoutException" => "Model has timed out in processing the request. Try your request again.",
        "ModelErrorException" => {
            "The system encountered an unexpected error during processing. Try your request again."
        }
        "ModelStreamErrorException" => "The model stream broke off. Try your request again.",
        "ResourceNotFoundException" => "The requested resource was not found.",
        "ServiceQuotaExceededException" => "Your request exceeds the service quota for your account.",
        "ExpiredTokenException" => EXPIRED_TOKEN,
        other => return format!("The emulator was asked to answer with {other}."),
    }
    .to_owned()
}

/// The faults waiting for the next calls, first in first out.
#[derive(Debug, Default)]
pub(crate) struct Script {
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Fault>>,
}

impl Script {
    /// Appends a fault for one call.
    pub(crate) fn push(&self, fault: Fault) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(fault);
        self.waiting.store(queue.len(), Ordering::Release);
    }

    /// Takes the fault of the call that asks. Without a script this is one atomic read.
    pub(crate) fn take(&self) -> Option<Fault> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = queue.pop_front();
        self.waiting.store(queue.len(), Ordering::Release);
        fault
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_text_form_round_trips() {
        for text in [
            "ThrottlingException",
            "ThrottlingException@2",
            "ThrottlingException,retry-after=1500",
            "ModelErrorException,original-status=404",
            "ModelErrorException@1,retry-after=5,original-status=404",
            "http=502",
            "cut@0",
            "cut-byte@117",
            "cut-mid-frame@3",
            "reset@1",
            "stall",
            "stall@4",
            "slow=1500",
            "slow=20@3",
            "bad-crc@2",
            "bad-prelude@2",
            "unknown-event@1",
            "garbage",
            r#"{"reply":{"a":1}}"#,
            r#"{"events":[["messageStart",{"role":"assistant"}]]}"#,
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "cut",
            "cut@x",
            "cut-byte",
            "http",
            "http=x",
            "http=99",
            "stall@1,original-status=1",
            "nonsense",
            "garbage@1",
            "stall,retry-after=1",
            "slow",
            "slow=x",
            "slow=-1",
            "slow=5@",
            "slow@5",
            "Throttling@",
            "{}",
            "A B",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_script_is_first_in_first_out() {
        let script = Script::default();
        assert_eq!(script.take(), None);
        script.push(Fault::Garbage);
        script.push(Fault::Cut(1));
        assert_eq!(script.take(), Some(Fault::Garbage));
        assert_eq!(script.take(), Some(Fault::Cut(1)));
        assert_eq!(script.take(), None);
    }
}
