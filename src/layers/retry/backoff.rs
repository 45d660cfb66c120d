//! Backoff: how long to wait before another attempt, and what it costs of the budget.

use std::time::Duration;

use crate::error::{Error, Reason, Repeat};

/// The wait after the first failure, at the longest; it doubles with each.
const BASE: Duration = Duration::from_millis(50);

/// The same where a quota was reached: sooner is too soon.
const THROTTLED_BASE: Duration = Duration::from_secs(1);

/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(20);

/// How much longer than AWS advises a wait may be.
const BEYOND_ADVICE: Duration = Duration::from_secs(5);

/// The numbers of the AWS SDKs' standard mode in its revision of 2026.
pub(super) struct Backoff;

impl Backoff {
    /// Anything between nothing and the doubled base, so that those who failed together do not come back
    /// together; never sooner than AWS advises.
    pub(super) fn after(error: &Error, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let longest = Self::base(error.reason).saturating_mul(doubled).min(LONGEST);
        let own = longest.mul_f64(fastrand::f64());
        match error.repeat {
            // Both ends alike: AWS has named it.
            Repeat::After(least, most) if least == most => own.clamp(least, least + BEYOND_ADVICE),
            _ => own,
        }
    }

    /// What one repeat takes from the budget.
    pub(super) fn cost(reason: Reason) -> u32 {
        if reason == Reason::UpstreamThrottled { 5 } else { 14 }
    }

    fn base(reason: Reason) -> Duration {
        if reason == Reason::UpstreamThrottled { THROTTLED_BASE } else { BASE }
    }
}
