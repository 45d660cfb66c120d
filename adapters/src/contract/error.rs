//! The one error type of the adapters.

use bedrock_inference_proto::codec::{ReadError, Violation};

/// A call that cannot be translated, or a reply that is not what the family's format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{context}")]
pub struct AdapterError {
    /// What went wrong.
    pub kind: AdapterErrorKind,
    /// In words, with the place; never content.
    pub context: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterErrorKind {
    /// The wire cannot say these members of the request.
    Unsupported(Vec<Violation>),
    /// The reply's bytes are not what the format says.
    Protocol,
    /// The reply's events are out of order: something was lost or repeated.
    Corrupt,
    /// The reply says in its own format that the model failed, which AWS would say with this exception.
    Upstream(&'static str),
}

impl AdapterError {
    /// The reply's bytes are not what the format says.
    pub fn protocol(context: impl Into<String>) -> Self {
        Self { kind: AdapterErrorKind::Protocol, context: context.into() }
    }

    /// The reply's events are out of order.
    pub fn corrupt(context: impl Into<String>) -> Self {
        Self { kind: AdapterErrorKind::Corrupt, context: context.into() }
    }
}

impl From<Vec<Violation>> for AdapterError {
    fn from(violations: Vec<Violation>) -> Self {
        let context = match violations.as_slice() {
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
            [] => "the request cannot be translated".to_owned(),
        };
        Self { kind: AdapterErrorKind::Unsupported(violations), context }
    }
}

impl From<ReadError> for AdapterError {
    fn from(error: ReadError) -> Self {
        Self::protocol(error.to_string())
    }
}
