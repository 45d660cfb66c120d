//! The clocks of a call, and those of single models.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The shortest that a clock may be; timers have no finer steps.
const SHORTEST: Duration = Duration::from_millis(1);

/// The longest; sums of these and any instant fit their types.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Whether a clock cannot be of this length.
pub(super) fn is_no_clock(clock: Duration) -> bool {
    clock < SHORTEST || is_too_long(clock)
}

/// The same for what may also be nothing.
pub(super) fn is_too_long(clock: Duration) -> bool {
    clock > LONGEST
}

/// The clocks of a call.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Opening a connection to Bedrock.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From sending a request to the first content of its stream.
    #[serde(with = "humantime_serde")]
    pub first_content: Duration,
    /// Between two events of a stream.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// From sending a request to the end of its answer.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// How long a caller may read nothing of what waits for it.
    #[serde(with = "humantime_serde")]
    pub slow_reader: Duration,
    /// Reading an answer to its end after its caller has gone.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

/// What is different for one model.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// Its own clocks.
    pub timeouts: ModelTimeouts,
}

/// Clocks of one model; those that are unset are everybody's.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelTimeouts {
    /// From sending a request to the first content of its stream.
    #[serde(with = "humantime_serde")]
    pub first_content: Option<Duration>,
    /// Between two events of a stream.
    #[serde(with = "humantime_serde")]
    pub idle: Option<Duration>,
    /// From sending a request to the end of its answer.
    #[serde(with = "humantime_serde")]
    pub total: Option<Duration>,
    /// How long a caller may read nothing of what waits for it.
    #[serde(with = "humantime_serde")]
    pub slow_reader: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(3100),
            first_content: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            slow_reader: Duration::from_secs(30),
            drain: Duration::from_secs(120),
        }
    }
}

impl Timeouts {
    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [
            ("connect", is_no_clock(self.connect)),
            ("first_content", is_no_clock(self.first_content)),
            ("idle", is_no_clock(self.idle)),
            ("total", is_no_clock(self.total)),
            ("slow_reader", is_no_clock(self.slow_reader)),
            ("drain", is_too_long(self.drain)),
        ];
        keys.into_iter().filter(|(_, wrong)| *wrong).map(|(key, _)| key)
    }

    /// These, with a model's own in their place.
    #[must_use]
    pub fn with(self, own: ModelTimeouts) -> Self {
        Self {
            first_content: own.first_content.unwrap_or(self.first_content),
            idle: own.idle.unwrap_or(self.idle),
            total: own.total.unwrap_or(self.total),
            slow_reader: own.slow_reader.unwrap_or(self.slow_reader),
            ..self
        }
    }
}

impl ModelTimeouts {
    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let clocks = [
            ("first_content", self.first_content),
            ("idle", self.idle),
            ("total", self.total),
            ("slow_reader", self.slow_reader),
        ];
        clocks.into_iter().filter(|(_, clock)| clock.is_some_and(is_no_clock)).map(|(key, _)| key)
    }
}
