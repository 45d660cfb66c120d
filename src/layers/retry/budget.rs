//! Budget: repeats that a target may have, so that they do not become the storm that they are meant to outlast.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::Target;

/// What a target begins with, and has at most.
const FULL: u32 = 500;

/// What an answer at the first attempt gives.
const EARNED: u32 = 1;

/// The budgets of every model in every region; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Budgets(Arc<Mutex<HashMap<Key, Budget>>>);

/// Region and model. Models that nobody knows share one: callers make their ids up.
type Key = (String, String);

/// What one target has left.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<AtomicU32>);

impl Budgets {
    /// The budget of this target.
    pub(super) fn of(&self, target: &Target) -> Budget {
        let known = target.entry.as_ref().filter(|entry| entry.known);
        let model = known.map(|entry| entry.model.id.clone()).unwrap_or_default();
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.entry((target.region.clone(), model)).or_default().clone()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(FULL)))
    }
}

impl Budget {
    /// Takes the cost of a repeat; `false` where there is not enough.
    pub(super) fn spend(&self, cost: u32) -> bool {
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost));
        spent.is_ok()
    }

    /// An answer came: what the last repeat cost is given back, or something is earned.
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

    #[test]
    fn each_target_has_its_own() {
        let budgets = Budgets::default();
        let (one, other) = (Target::region_only("us-east-1"), Target::region_only("us-west-2"));
        while budgets.of(&one).spend(5) {}
        assert!(budgets.of(&other).spend(5) && !budgets.of(&one).spend(5));
    }
}
