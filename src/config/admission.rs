//! Settings of admission: how much the service takes on at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::is_too_long;

/// How much the service takes on at a time.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionSettings {
    /// Calls that run at a time; each runs until its work ends, with or without its caller.
    pub calls: usize,
    /// How many of them may be batch calls.
    pub batch: usize,
    /// Calls that wait until one of them ends.
    pub queue: usize,
    /// The longest that a call waits so.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// Abandoned calls that are read to their end at a time.
    pub drains: usize,
    /// Bytes that the process may have resident. Default: what its control group allows.
    pub memory_limit: Option<u64>,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            calls: 400,
            batch: 200,
            queue: 100,
            wait: Duration::from_secs(1),
            drains: 64,
            memory_limit: None,
        }
    }
}

impl AdmissionSettings {
    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [
            ("calls", self.calls == 0),
            ("batch", self.batch == 0),
            ("wait", is_too_long(self.wait)),
            ("memory_limit", self.memory_limit == Some(0)),
        ];
        keys.into_iter().filter(|(_, wrong)| *wrong).map(|(key, _)| key)
    }
}
