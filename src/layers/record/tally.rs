//! Tally: how many attempts there were, and how they ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts attempts since the start of the service; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    complete: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Attempts at a moment. Those that are neither complete nor failed nor dropped are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Sent to Bedrock.
    pub begun: u64,
    /// Answered, and read to the end.
    pub complete: u64,
    /// Failed, at once or on the way.
    pub failed: u64,
    /// Dropped before their end.
    pub dropped: u64,
}

impl Tally {
    /// The attempts so far.
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        let Counts { begun, complete, failed, dropped } = &*self.0;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Attempts {
            begun: count(begun),
            complete: count(complete),
            failed: count(failed),
            dropped: count(dropped),
        }
    }

    /// An attempt begins. It is counted as dropped unless another end is told of it.
    pub(super) fn begin(&self) -> Begun {
        add(&self.0.begun);
        Begun(Some(Arc::clone(&self.0)))
    }
}

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Begun(Option<Arc<Counts>>);

impl Begun {
    pub(super) fn completed(mut self) {
        self.0.take().iter().for_each(|counts| add(&counts.complete));
    }

    pub(super) fn failed(mut self) {
        self.0.take().iter().for_each(|counts| add(&counts.failed));
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.take().iter().for_each(|counts| add(&counts.dropped));
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_ends_once() {
        let tally = Tally::default();
        tally.begin().completed();
        tally.clone().begin().failed();
        drop(tally.begin());
        let under_way = tally.begin();
        assert_eq!(tally.attempts(), Attempts { begun: 4, complete: 1, failed: 1, dropped: 1 });
        drop(under_way);
    }
}
