//! How fast the emulator speaks: the wait before the first token and the rate after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How fast answers are given. The default is as fast as possible.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// How long the model "thinks" before its first token. Default: zero.
    pub first_token: Duration,
    /// Output tokens a second after the first one; `None` (the default) means no limit. Zero and negative
    /// rates count as `None`.
    pub tokens_per_second: Option<f64>,
}

impl Pace {
    /// How long after the request the given number of output tokens have been said.
    #[must_use]
    pub fn time_of(&self, tokens: f64) -> Duration {
        let speaking = self
            .tokens_per_second
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(tokens / rate).ok());
        self.first_token.saturating_add(speaking.unwrap_or_default())
    }

    /// Whether nothing ever waits.
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        self.first_token.is_zero() && self.tokens_per_second.is_none_or(|rate| rate <= 0.0)
    }
}

/// The pace in force, read by every call without a lock.
#[derive(Debug, Default)]
pub(crate) struct PaceSetting {
    first_token_nanos: AtomicU64,
    /// The bits of an `f64`; zero means no limit.
    tokens_per_second: AtomicU64,
}

impl PaceSetting {
    /// A setting that starts with the given pace.
    pub(crate) fn new(pace: Pace) -> Self {
        let setting = Self::default();
        setting.set(pace);
        setting
    }

    /// Replaces the pace for the calls that start from now on.
    pub(crate) fn set(&self, pace: Pace) {
        let nanos = u64::try_from(pace.first_token.as_nanos()).unwrap_or(u64::MAX);
        self.first_token_nanos.store(nanos, Ordering::Relaxed);
        self.tokens_per_second.store(pace.tokens_per_second.unwrap_or(0.0).to_bits(), Ordering::Relaxed);
    }

    /// The pace in force.
    pub(crate) fn get(&self) -> Pace {
        let rate = f64::from_bits(self.tokens_per_second.load(Ordering::Relaxed));
        Pace {
            first_token: Duration::from_nanos(self.first_token_nanos.load(Ordering::Relaxed)),
            tokens_per_second: (rate > 0.0).then_some(rate),
        }
    }
}

/// Waits for this long, or until the emulator stops.
pub(crate) async fn pause(by: Duration, stopping: CancellationToken) {
    // Both ends are good ones.
    let _ = timeout(by, stopping.cancelled()).await;
}

/// The moment a call arrived: the only place that reads a clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_first_token_plus_tokens_at_the_rate() {
        let pace = Pace { first_token: Duration::from_millis(200), tokens_per_second: Some(50.0) };
        assert_eq!(pace.time_of(0.0), Duration::from_millis(200));
        assert_eq!(pace.time_of(25.0), Duration::from_millis(700));
        assert!(!pace.is_immediate());
    }

    #[test]
    fn the_setting_gives_back_what_was_set() {
        let setting = PaceSetting::new(Pace::default());
        assert!(setting.get().is_immediate());
        let pace = Pace { first_token: Duration::from_millis(3), tokens_per_second: Some(12.5) };
        setting.set(pace);
        assert_eq!(setting.get(), pace);
    }
}
