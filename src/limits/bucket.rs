//! Bucket: what is used of so many units a minute, as one level that drains.

use std::time::Duration;

/// A level counts units times the milliseconds of a minute: a limit of so many units a minute drains as much each
/// millisecond, and nothing is rounded.
const MINUTE: i64 = 60_000;

/// No level is above: a double of Lua's still counts up to there one by one.
const HIGHEST: i64 = 9_000_000_000_000_000;

/// The level of one limit. `take.lua` has the same arithmetic.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    level: i64,
    /// When it stood there, in milliseconds.
    at: i64,
}

impl Bucket {
    /// Takes so many units at once. More than the limit itself are taken from an empty bucket only.
    ///
    /// # Errors
    /// How long it takes until they can be taken, where nobody takes or gives back others.
    pub(super) fn take(&mut self, now: i64, limit: i64, units: i64) -> Result<(), Duration> {
        let after = self.drained(now, limit).saturating_add(units.saturating_mul(MINUTE));
        let above = after - limit.max(units).saturating_mul(MINUTE);
        if above > 0 {
            // Rounded up.
            return Err(Duration::from_millis((above + limit - 1).div_euclid(limit).unsigned_abs()));
        }
        self.stand(now, after);
        Ok(())
    }

    /// Adds what was used beyond what was taken, or gives back what was not. Nothing is above full.
    pub(super) fn settle(&mut self, now: i64, limit: i64, units: i64) {
        let after = self.drained(now, limit).saturating_add(units.saturating_mul(MINUTE));
        self.stand(now, after);
    }

    fn drained(&self, now: i64, limit: i64) -> i64 {
        let drained = (now - self.at).max(0).saturating_mul(limit);
        (self.level - drained).max(0)
    }

    fn stand(&mut self, now: i64, level: i64) {
        *self = Self { level: level.clamp(0, HIGHEST), at: now.max(self.at) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Pass(i64),
        Take(i64),
        /// Gives back, or owes, so much of what was taken last.
        Settle(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_i64..90_000).prop_map(Step::Pass),
            (1_i64..150).prop_map(Step::Take),
            (-60_i64..60).prop_map(Step::Settle),
        ]
    }

    proptest! {
        /// C18: what was taken and kept is never above the limit for each minute and once more; a refusal's wait is
        /// exact to the millisecond; and what comes back never makes room for more than the limit.
        #[test]
        fn a_limit_holds_whatever_is_taken_and_given_back(
            limit in 1_i64..100,
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let (mut bucket, mut now, mut kept, mut last) = (Bucket::default(), 0, 0, 0);
            for step in steps {
                match step {
                    Step::Pass(time) => now += time,
                    Step::Take(units) => {
                        let units = units.min(limit);
                        let before = bucket;
                        match bucket.take(now, limit, units) {
                            Ok(()) => {
                                kept += units;
                                last = units;
                                prop_assert!(kept * MINUTE <= limit * now + limit * MINUTE, "{kept} at {now}");
                            }
                            Err(wait) => {
                                let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                                prop_assert!(bucket.take(now + wait - 1, limit, units).is_err());
                                bucket = before;
                                let mut later = bucket;
                                prop_assert!(later.take(now + wait, limit, units).is_ok());
                            }
                        }
                    }
                    Step::Settle(units) => {
                        let units = units.max(-last);
                        bucket.settle(now, limit, units);
                        kept += units;
                        last = 0;
                        let mut full = bucket;
                        prop_assert!(full.take(now, limit, limit).is_err() || full.take(now, limit, 1).is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_larger_than_the_limit_is_taken_from_an_empty_bucket_and_owed() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(0, 10, 25), Ok(()));
        assert_eq!(bucket.take(0, 10, 1), Err(Duration::from_secs(96)));
        assert_eq!(bucket.take(96_000, 10, 1), Ok(()));
        assert_eq!(bucket.take(96_000, 10, 25), Err(Duration::from_secs(60)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(60_000, 1, 1), Ok(()));
        assert!(bucket.take(0, 1, 1).is_err());
        bucket.settle(0, 1, 0);
        assert_eq!(bucket.take(119_999, 1, 1), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(120_000, 1, 1), Ok(()));
    }
}
