//! The one error type of the service, and the one place that turns it into a gRPC status.

mod reason;
mod refusal;
mod status;
mod words;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bedrock_inference_adapters::contract::{AdapterError, AdapterErrorKind};
use bedrock_inference_proto::codec::Violation;

pub use reason::{Billed, Reason, Repeat, Retry};
pub(crate) use refusal::{Refusal, refusal};
pub use status::{DOMAIN, MAX_DETAILS, status};

/// Why a call failed. Everyone who waits for the same upstream call gets a clone of the same error.
///
/// Its context and its violations are for the caller alone, since paths can hold keys of the caller's: `Debug`
/// leaves them out, and logs name the reason.
#[derive(Clone)]
pub struct Error(Box<Failure>);

/// What an [`Error`] holds.
#[derive(Clone)]
pub struct Failure {
    /// What kind of failure it is; decides the status code.
    pub reason: Reason,
    /// What was found and what would be accepted. Never a secret, never content.
    pub context: String,
    /// Members of the request that cannot be accepted.
    pub violations: Vec<Violation>,
    /// What the upstream said of itself, where it was asked.
    pub upstream: Upstream,
    /// Set once a repeat may pay again: messages that the caller had until then.
    pub partial: Option<u64>,
    /// What may have been billed before the first content, where the upstream was called.
    pub billed: Billed,
    /// Whether a repeat makes sense.
    pub repeat: Repeat,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What the upstream said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// AWS's error code, such as `ThrottlingException`.
    pub code: Option<String>,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// The model id that was called.
    pub model_id: Option<String>,
    /// The region that was called.
    pub region: Option<String>,
}

impl Error {
    /// A failure of this kind.
    #[must_use]
    pub fn new(reason: Reason, context: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            reason,
            context: context.into(),
            violations: Vec::new(),
            upstream: Upstream::default(),
            partial: None,
            billed: reason.billed(),
            repeat: reason.repeat(),
            source: None,
        }))
    }

    /// A request that cannot be accepted, for this one member.
    #[must_use]
    pub fn invalid(path: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = Violation { path: path.into(), description: description.into() };
        Self::new(Reason::InvalidRequest, violation.to_string()).with_violations(vec![violation])
    }

    /// The caller's deadline has passed.
    #[must_use]
    pub fn late() -> Self {
        Self::new(Reason::ClientDeadline, "the caller's deadline has passed")
    }

    /// The ledger cannot write the call down now.
    #[must_use]
    pub fn unrecorded() -> Self {
        let context = "the gateway's ledger cannot write the call down now, so it was not made";
        Self::new(Reason::LedgerUnavailable, context)
    }

    /// A message of the answer is above the limit. The answer has been paid.
    #[must_use]
    pub fn answer_too_large(bytes: usize, limit: usize) -> Self {
        let context = format!("a message of the answer has {bytes} bytes; at most {limit} are sent");
        let mut error = Self::new(Reason::MessageTooLarge, context);
        error.billed = Billed::Full;
        error
    }

    /// The same failure, known better: everything that follows from the reason is that of this one.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self.billed = reason.billed();
        self.repeat = reason.repeat();
        self
    }

    /// Names the members of the request that cannot be accepted.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// Keeps what caused the failure. It is logged, never sent.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Marks the failure as one that came too late for an unseen repeat.
    #[must_use]
    pub fn after(mut self, events_sent: u64) -> Self {
        self.partial.get_or_insert(events_sent);
        self
    }
}

impl Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("reason", &self.reason)
            .field("violations", &self.violations.len())
            .field("upstream", &self.upstream)
            .field("partial", &self.partial)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

impl From<AdapterError> for Error {
    fn from(error: AdapterError) -> Self {
        match error.kind {
            AdapterErrorKind::Unsupported(violations) => {
                Self::new(Reason::InvalidRequest, error.context).with_violations(violations)
            }
            AdapterErrorKind::Protocol => Self::new(Reason::UpstreamProtocol, error.context),
            AdapterErrorKind::Corrupt => Self::new(Reason::UpstreamCorrupt, error.context),
            AdapterErrorKind::Upstream(code) => refusal(&Refusal { code, ..Refusal::default() }),
        }
    }
}
