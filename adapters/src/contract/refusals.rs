//! What an adapter's tested list does not hold, gathered while it encodes.

use bedrock_inference_proto::codec::Violation;

use super::AdapterError;

/// Why a member is refused that Converse takes and no native format knows.
pub const CONVERSE_ONLY: &str = "is taken by Converse only";

/// The members of a call that an adapter cannot say, with their paths in AWS's names.
#[derive(Debug, Default)]
pub struct Refusals(Vec<Violation>);

impl Refusals {
    /// Notes a member, and what would be accepted or which route takes it.
    pub fn refuse(&mut self, path: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { path: path.into(), description: description.into() });
    }

    /// Notes a member where it is set.
    pub fn refuse_if(&mut self, set: bool, path: &str, description: &str) {
        if set {
            self.refuse(path, description);
        }
    }

    /// The error of a call that cannot be said at all.
    #[must_use]
    pub fn only(path: impl Into<String>, description: impl Into<String>) -> AdapterError {
        AdapterError::from(vec![Violation { path: path.into(), description: description.into() }])
    }

    /// The end of encoding.
    ///
    /// # Errors
    /// `Unsupported` with everything that was noted.
    pub fn finish(self) -> Result<(), AdapterError> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.into()) }
    }
}
