//! Backoff: how long to wait before another attempt, and what it costs of the budget. The numbers are those of the
//! AWS SDKs' standard mode in its revision of 2026.

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

/// Anything between nothing and the longest wait after so many failures, so that those who failed together do
/// not come back together; never sooner than AWS advises.
pub(super) fn after(error: &Error, failures: u32) -> Duration {
    let own = longest(error.reason, failures).mul_f64(fastrand::f64());
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

fn longest(reason: Reason, failures: u32) -> Duration {
    let base = if reason == Reason::UpstreamThrottled { THROTTLED_BASE } else { BASE };
    base.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        let most = |reason, failures| {
            let error = Error::new(reason, "");
            (0..2_000).map(|_| after(&error, failures)).max().unwrap_or_default()
        };
        for (reason, failures, limit) in [
            (Reason::UpstreamThrottled, 1, 1_000),
            (Reason::UpstreamThrottled, 3, 4_000),
            (Reason::UpstreamThrottled, 30, 20_000),
            (Reason::UpstreamUnavailable, 1, 50),
            (Reason::UpstreamUnavailable, 4, 400),
        ] {
            let (most, limit) = (most(reason, failures), Duration::from_millis(limit));
            assert!(most <= limit && most > limit.mul_f64(0.9), "{reason:?} {failures}: {most:?}");
        }
    }

    #[test]
    fn the_advice_of_aws_is_the_least() {
        let mut error = Error::new(Reason::UpstreamThrottled, "");
        let advice = Duration::from_millis(1_500);
        error.repeat = Repeat::After(advice, advice);
        for failures in [1, 2, 9] {
            let wait = after(&error, failures);
            assert!(wait >= advice && wait <= advice + BEYOND_ADVICE, "{wait:?}");
        }
    }
}
