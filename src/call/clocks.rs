//! Clocks: how long each part of a call may take, by its model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Call;
use crate::config::{ModelSettings, Timeouts};

/// The clocks of every model.
#[derive(Debug, Clone)]
pub struct Clocks(Arc<Table>);

#[derive(Debug)]
struct Table {
    usual: Timeouts,
    own: BTreeMap<String, Timeouts>,
}

impl Clocks {
    /// The usual ones, and those of models that have their own.
    #[must_use]
    pub fn new(usual: Timeouts, models: &BTreeMap<String, ModelSettings>) -> Self {
        let own = models.iter().map(|(id, model)| (id.clone(), usual.with(model.timeouts))).collect();
        Self(Arc::new(Table { usual, own }))
    }

    /// The longest of one kind that any model has.
    #[must_use]
    pub fn longest(&self, clock: impl Fn(&Timeouts) -> Duration) -> Duration {
        let Table { usual, own } = &*self.0;
        own.values().chain([usual]).map(clock).max().unwrap_or_default()
    }

    /// Those of a call that has been resolved.
    #[must_use]
    pub fn of(&self, call: &Call) -> Timeouts {
        let Table { usual, own } = &*self.0;
        let entry = call.targets.get(call.at).and_then(|target| target.entry.as_ref());
        entry.and_then(|entry| own.get(&entry.model.id)).copied().unwrap_or(*usual)
    }
}
