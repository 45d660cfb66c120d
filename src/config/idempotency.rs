//! Idempotency: for how long a call with an id of its caller's is made once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::is_no_clock;

/// How calls are made once that have an id of their caller's.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdempotencySettings {
    /// How long an id stands for its call; zero for never.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// The most bytes of an answer that are kept for repeats.
    pub results_bytes: u32,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self { window: Duration::from_secs(24 * 60 * 60), results_bytes: 1024 * 1024 }
    }
}

impl IdempotencySettings {
    /// The most bytes of an answer that are kept for repeats.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        usize::try_from(self.results_bytes).unwrap_or(usize::MAX)
    }

    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> {
        let window = (!self.window.is_zero() && is_no_clock(self.window)).then_some("window");
        window.into_iter().chain((self.results_bytes == 0).then_some("results_bytes"))
    }
}
