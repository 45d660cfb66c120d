//! TargetHealth: what is known of each target, whatever configuration it is called by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::breaker::Breaker;
use super::budget::Budget;
use crate::catalog::Target;

/// So many targets are remembered; beyond, all are forgotten. Callers can name regions and make ids up.
const MOST: usize = 4096;

/// The health of every target that was called. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct TargetHealth(Arc<Mutex<HashMap<Key, Arc<Vitals>>>>);

/// Region, model, and role. The model is that of the catalogue by its base id or profile, or what AWS was called
/// by; `None` for guardrails.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    region: String,
    model: Option<String>,
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
        let model = target.entry.as_ref().map(|entry| match &target.inference_profile {
            Some(profile) => profile,
            None if entry.known => &entry.model.id,
            None => &target.model_id,
        });
        let key = Key { region: target.region.clone(), model: model.cloned(), role: target.role.clone() };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&key) {
            all.clear();
        }
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
        let role = Some("arn:aws:iam::123456789012:role/other".to_owned());
        assert!(health.of(&Target { role, ..one.clone() }).budget.spend(5), "another role has other quotas");
        for number in 0..2 * MOST {
            drop(health.of(&Target::region_only(&format!("region-{number}"))));
        }
        let kept = health.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(kept <= MOST, "{kept}");
    }
}
