//! TargetHealth: what is known of each target, whatever configuration it is called by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::breaker::Breaker;
use super::budget::Budget;
use crate::catalog::Target;

/// So many targets have a health of their own; those beyond share one. Callers can name regions by ARN.
const MOST: usize = 4096;

/// The health of every target that was called. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct TargetHealth(Arc<Mutex<HashMap<Key, Arc<Vitals>>>>);

/// Region, base id or profile, and role. Models that nobody knows share one: callers make their ids up.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    region: String,
    model: String,
    role: Option<String>,
}

/// The health of one target.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    pub(super) budget: Budget,
    pub(super) breaker: Breaker,
}

impl TargetHealth {
    /// That of this target.
    pub(super) fn of(&self, target: &Target) -> Arc<Vitals> {
        let known = target.entry.as_ref().filter(|entry| entry.known);
        let model = known.map(|entry| target.inference_profile.as_ref().unwrap_or(&entry.model.id));
        let key = Key {
            region: target.region.clone(),
            model: model.cloned().unwrap_or_default(),
            role: target.role.clone(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if all.len() < MOST || all.contains_key(&key) { key } else { Key::default() };
        Arc::clone(all.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_its_own_up_to_a_limit() {
        let health = TargetHealth::default();
        let (one, other) = (Target::region_only("us-east-1"), Target::region_only("us-west-2"));
        while health.of(&one).budget.spend(5) {}
        assert!(health.of(&other).budget.spend(5) && !health.of(&one).budget.spend(5));
        for number in 0..2 * MOST {
            drop(health.of(&Target::region_only(&format!("region-{number}"))));
        }
        let kept = health.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert_eq!(kept, MOST + 1);
    }
}
