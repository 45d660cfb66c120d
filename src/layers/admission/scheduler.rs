//! Scheduler: who runs, who waits, and who is turned away. It knows neither tasks nor clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use bedrock_inference_proto::v1::Priority;

use crate::config::AdmissionSettings;

/// The latest calls count for how long one takes; so many of them.
const LATEST: u32 = 32;

/// A place in the queue; a later one is greater.
pub(super) type Ticket = u64;

/// The permits and the queue. `W` is how whoever waits is reached.
///
/// While permits are free that somebody who waits may have, `next` has to be asked for who gets them.
#[derive(Debug)]
pub(super) struct Scheduler<W> {
    limits: AdmissionSettings,
    all: Running,
    batch: Running,
    interactive_waiting: BTreeMap<Ticket, W>,
    batch_waiting: BTreeMap<Ticket, W>,
    next_ticket: Ticket,
}

/// What becomes of a call that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It has a permit.
    Runs,
    /// It may wait for one.
    Waits,
    /// It is turned away, for this reason.
    Refused(&'static str),
}

impl<W> Scheduler<W> {
    pub(super) fn new(limits: AdmissionSettings) -> Self {
        Self {
            limits,
            all: Running::default(),
            batch: Running::default(),
            interactive_waiting: BTreeMap::new(),
            batch_waiting: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// A call comes that would wait for so long.
    pub(super) fn arrive(&mut self, priority: Priority, patience: Duration) -> Arrival {
        if self.has_room(priority) {
            self.begin(priority);
            return Arrival::Runs;
        }
        if self.wait_of_next(priority) > patience {
            return Arrival::Refused("a call would wait for too long until it is its turn");
        }
        let full = self.interactive_waiting.len() + self.batch_waiting.len() >= self.limits.queue;
        let displaces = priority != Priority::Batch && !self.batch_waiting.is_empty();
        if full && !displaces { Arrival::Refused("the queue is full") } else { Arrival::Waits }
    }

    /// A new place in the queue, for a call that may wait. Where it is full, the youngest batch call loses its own.
    pub(super) fn wait(&mut self, priority: Priority, waiter: W) -> (Ticket, Option<W>) {
        let full = self.interactive_waiting.len() + self.batch_waiting.len() >= self.limits.queue;
        let displaced = if full { self.batch_waiting.pop_last() } else { None };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        match priority {
            Priority::Batch => self.batch_waiting.insert(ticket, waiter),
            Priority::Unspecified | Priority::Interactive => self.interactive_waiting.insert(ticket, waiter),
        };
        (ticket, displaced.map(|(_, waiter)| waiter))
    }

    /// A place is given up; nothing happens where it is taken already.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<W> {
        self.interactive_waiting.remove(&ticket).or_else(|| self.batch_waiting.remove(&ticket))
    }

    /// A call has ended that held its permit for so long.
    pub(super) fn end(&mut self, priority: Priority, took: Duration) {
        self.all.end(took);
        if priority == Priority::Batch {
            self.batch.end(took);
        }
    }

    /// Who gets the next free permit, if there is one and somebody who may have it. It is out from now on.
    pub(super) fn next(&mut self) -> Option<(Priority, W)> {
        let priority =
            if self.interactive_waiting.is_empty() { Priority::Batch } else { Priority::Interactive };
        if !self.has_room(priority) {
            return None;
        }
        let waiting = match priority {
            Priority::Batch => &mut self.batch_waiting,
            Priority::Unspecified | Priority::Interactive => &mut self.interactive_waiting,
        };
        let (_, waiter) = waiting.pop_first()?;
        self.begin(priority);
        Some((priority, waiter))
    }

    fn begin(&mut self, priority: Priority) {
        self.all.count += 1;
        if priority == Priority::Batch {
            self.batch.count += 1;
        }
    }

    fn has_room(&self, priority: Priority) -> bool {
        self.all.count < self.limits.calls
            && (priority != Priority::Batch || self.batch.count < self.limits.batch)
    }

    /// How long the next one to come would wait: for those before it, each for as long as it takes until one of
    /// the calls ends that hold what it needs.
    fn wait_of_next(&self, priority: Priority) -> Duration {
        let (interactive, batch) = (self.interactive_waiting.len(), self.batch_waiting.len());
        if priority != Priority::Batch {
            return self.all.wait(interactive, self.limits.calls);
        }
        let of_all = self.all.wait(interactive + batch, self.limits.calls);
        of_all.max(self.batch.wait(batch, self.limits.batch))
    }
}

/// Calls that run, and how long one takes.
#[derive(Debug, Default)]
struct Running {
    count: usize,
    /// The mean of the latest that have ended.
    takes: Duration,
    ended: u32,
}

impl Running {
    fn end(&mut self, took: Duration) {
        self.count = self.count.saturating_sub(1);
        self.ended = (self.ended + 1).min(LATEST);
        self.takes = (self.takes.saturating_mul(self.ended - 1).saturating_add(took)) / self.ended;
    }

    /// How long one waits behind so many others for a permit out of so many; no time while one is free, or
    /// where nothing is known yet.
    fn wait(&self, ahead: usize, permits: usize) -> Duration {
        if self.count < permits {
            return Duration::ZERO;
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).max(1);
        self.takes.saturating_mul(number(ahead + 1)) / number(permits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn scheduler(calls: usize, batch: usize, queue: usize) -> Scheduler<u32> {
        Scheduler::new(AdmissionSettings { calls, batch, queue, ..AdmissionSettings::default() })
    }

    /// Comes, and waits where it may.
    fn comes(scheduler: &mut Scheduler<u32>, priority: Priority, name: u32) -> (Arrival, Option<u32>) {
        let arrival = scheduler.arrive(priority, LONG);
        let displaced = if arrival == Arrival::Waits { scheduler.wait(priority, name).1 } else { None };
        (arrival, displaced)
    }

    #[test]
    fn interactive_calls_go_first_and_batch_calls_have_their_own_bound() {
        use Priority::{Batch, Interactive};
        let mut one = scheduler(3, 2, 10);
        assert_eq!(comes(&mut one, Batch, 0).0, Arrival::Runs);
        assert_eq!(comes(&mut one, Batch, 1).0, Arrival::Runs);
        assert_eq!(comes(&mut one, Batch, 2).0, Arrival::Waits, "though a permit is free");
        assert_eq!(comes(&mut one, Interactive, 3).0, Arrival::Runs);
        assert_eq!(comes(&mut one, Interactive, 4).0, Arrival::Waits);
        assert_eq!(one.next(), None);
        one.end(Batch, Duration::ZERO);
        assert_eq!(one.next(), Some((Interactive, 4)), "the later one goes first");
        one.end(Interactive, Duration::ZERO);
        assert_eq!(one.next(), Some((Batch, 2)));
        assert_eq!(one.next(), None);
    }

    #[test]
    fn an_interactive_call_takes_the_place_of_the_youngest_batch_call() {
        use Priority::{Batch, Interactive};
        let mut full = scheduler(1, 1, 2);
        assert_eq!(comes(&mut full, Interactive, 0).0, Arrival::Runs);
        assert_eq!(comes(&mut full, Batch, 1), (Arrival::Waits, None));
        assert_eq!(comes(&mut full, Batch, 2), (Arrival::Waits, None));
        assert_eq!(comes(&mut full, Batch, 3).0, Arrival::Refused("the queue is full"));
        assert_eq!(comes(&mut full, Interactive, 4), (Arrival::Waits, Some(2)));
        assert_eq!(comes(&mut full, Interactive, 5), (Arrival::Waits, Some(1)));
        assert_eq!(comes(&mut full, Interactive, 6).0, Arrival::Refused("the queue is full"));
    }

    #[test]
    fn whoever_would_wait_for_too_long_is_turned_away_at_once() {
        let mut slow = scheduler(4, 4, 100);
        for _ in 0..4 {
            assert_eq!(slow.arrive(Priority::Interactive, Duration::ZERO), Arrival::Runs);
        }
        assert_eq!(
            slow.arrive(Priority::Interactive, Duration::ZERO),
            Arrival::Waits,
            "nothing is known yet"
        );
        slow.end(Priority::Interactive, Duration::from_secs(2));
        assert_eq!(slow.arrive(Priority::Interactive, Duration::ZERO), Arrival::Runs);
        // Four calls of two seconds: every half a second one ends.
        let half = Duration::from_millis(500);
        for (name, patience) in [(0, half), (1, half * 2), (2, half * 3)] {
            let less = patience - Duration::from_millis(1);
            assert!(matches!(slow.arrive(Priority::Interactive, less), Arrival::Refused(_)), "{name}");
            assert_eq!(slow.arrive(Priority::Interactive, patience), Arrival::Waits);
            slow.wait(Priority::Interactive, name);
        }
        // What is known changes with what ends.
        for _ in 0..100 {
            slow.end(Priority::Interactive, Duration::ZERO);
            slow.begin(Priority::Interactive);
        }
        assert_eq!(slow.arrive(Priority::Interactive, half), Arrival::Waits);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Comes(Priority),
        Ends(prop::sample::Index),
        Leaves(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let priority = prop_oneof![Just(Priority::Interactive), Just(Priority::Batch)];
        prop_oneof![
            3 => priority.prop_map(Step::Comes),
            2 => any::<prop::sample::Index>().prop_map(Step::Ends),
            1 => any::<prop::sample::Index>().prop_map(Step::Leaves),
        ]
    }

    /// What must be true, kept apart from what is tested: who runs and who waits, in the order of coming.
    #[derive(Default)]
    struct Model {
        running: Vec<Priority>,
        waiting: Vec<(Ticket, Priority, u32)>,
    }

    impl Model {
        fn first(&self, priority: Priority) -> Option<(Priority, u32)> {
            self.waiting.iter().find(|(_, of, _)| *of == priority).map(|(_, of, name)| (*of, *name))
        }

        fn batch_running(&self) -> usize {
            self.running.iter().filter(|priority| **priority == Priority::Batch).count()
        }
    }

    proptest! {
        #[test]
        fn permits_are_bounded_and_nobody_waits_while_one_is_free(
            (calls, batch, queue) in (1usize..6, 1usize..6, 0usize..6),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let mut real = scheduler(calls, batch, queue);
            let mut model = Model::default();
            for (name, step) in (0u32..).zip(steps) {
                match step {
                    Step::Comes(priority) => match real.arrive(priority, LONG) {
                        Arrival::Runs => model.running.push(priority),
                        Arrival::Waits => {
                            let (ticket, displaced) = real.wait(priority, name);
                            let youngest = model.waiting.iter().rposition(|(_, of, _)| *of == Priority::Batch);
                            let expected = youngest.filter(|_| model.waiting.len() >= queue);
                            prop_assert_eq!(expected.map(|at| model.waiting.remove(at).2), displaced);
                            model.waiting.push((ticket, priority, name));
                        }
                        Arrival::Refused(_) => prop_assert!(model.waiting.len() >= queue),
                    },
                    Step::Ends(_) if model.running.is_empty() => {}
                    Step::Ends(which) => {
                        let ended = model.running.swap_remove(which.index(model.running.len()));
                        real.end(ended, Duration::from_millis(u64::from(name)));
                    }
                    Step::Leaves(_) if model.waiting.is_empty() => {}
                    Step::Leaves(which) => {
                        let (ticket, _, name) = model.waiting.remove(which.index(model.waiting.len()));
                        prop_assert_eq!(real.leave(ticket), Some(name));
                        prop_assert_eq!(real.leave(ticket), None);
                    }
                }
                while let Some((priority, name)) = real.next() {
                    let first = model.first(Priority::Interactive).or_else(|| model.first(Priority::Batch));
                    prop_assert_eq!(first, Some((priority, name)));
                    model.waiting.retain(|(_, _, waits)| *waits != name);
                    model.running.push(priority);
                }
                prop_assert!(model.running.len() <= calls && model.batch_running() <= batch.min(calls));
                prop_assert_eq!((model.running.len(), model.batch_running()), (real.all.count, real.batch.count));
                prop_assert!(model.waiting.len() <= queue);
                let free = model.running.len() < calls;
                prop_assert!(!free || model.first(Priority::Interactive).is_none());
                prop_assert!(!free || model.batch_running() >= batch || model.first(Priority::Batch).is_none());
            }
        }
    }
}
