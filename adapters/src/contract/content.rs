//! Content in bytes, which can be passed on and read, and not printed.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// Bytes of a prompt or an answer. `Debug` says how many there are, so that it may be derived around them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Bytes);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Content {
    /// The bytes, for where they leave the service.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Content {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl<B: Into<Bytes>> From<B> for Content {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}
