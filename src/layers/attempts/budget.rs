//! Budget: repeats that a target may have, so that they do not become the storm that they are meant to outlast.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a target begins with, and has at most.
const FULL: u32 = 500;

/// What an answer at the first attempt gives.
const EARNED: u32 = 1;

/// What one target has left.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl Budget {
    /// Takes the cost of a call that was somewhere before; `false` where there is not enough.
    pub(super) fn spend(&self, cost: u32) -> bool {
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost));
        spent.is_ok()
    }

    /// An answer came: what the call had cost is given back, or something is earned.
    pub(super) fn refund(&self, spent: u32) {
        let gained = if spent == 0 { EARNED } else { spent };
        let more = |left: u32| Some(left.saturating_add(gained).min(FULL));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_repeated_little_and_good_times_pay_for_more() {
        let budget = Budget::default();
        assert_eq!((0..1_000).filter(|_| budget.spend(5)).count(), 100);
        assert!(!budget.spend(1));
        (0..14).for_each(|_| budget.refund(0));
        assert!(budget.spend(14) && !budget.spend(1));
        budget.refund(14);
        assert!(budget.spend(14));
        (0..9_000).for_each(|_| budget.refund(0));
        assert_eq!((0..1_000).filter(|_| budget.spend(14)).count(), 35, "never more than it began with");
    }
}
