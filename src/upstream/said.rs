//! What an exception says beside its name.

use serde_json::Value;

/// The members of an exception's body, in a response or in a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// AWS's words; they can quote the request.
    pub(super) message: String,
    /// What the model's own server answered.
    pub(super) original_status: Option<u16>,
}

impl Said {
    /// Reads a body. What is not of the form says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text = body.get("message").or_else(|| body.get("Message")).and_then(Value::as_str);
        let status = body.get("originalStatusCode").and_then(Value::as_u64);
        Self {
            message: text.unwrap_or_default().to_owned(),
            original_status: status.and_then(|status| status.try_into().ok()),
        }
    }
}
