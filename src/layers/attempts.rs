//! Attempts: which target is called, and another one where an attempt failed before its first content.

mod backoff;
mod breaker;
mod budget;
mod health;
mod order;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, Reply};
use crate::config::{BreakerSettings, RetrySettings};
use crate::error::{Billed, Error, Reason, Repeat, Retry};

use breaker::{Pass, Shut};
pub use health::TargetHealth;
use health::Vitals;

/// What a hedge costs of its target's budget, as much as a repeat.
const HEDGE: u32 = 14;

/// Tries one target after the other, each at once, then those again that are worth a wait, as long as the targets'
/// budgets, the caller's deadline and the caller last. A target whose breaker is open is passed over. Every attempt
/// has its row in the report.
///
/// Where an alias asks for it, a second target is called beside one that has had no content for so long, once a call
/// and where nothing has been paid for a failure yet; the first to speak is kept.
///
/// Of several failures the one that may have cost the most is told: a caller must not take for free what an
/// earlier attempt may have spent.
pub fn attempts(
    retry: RetrySettings,
    breaker: BreakerSettings,
    health: TargetHealth,
) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let search = Search::new(inside, call, (retry, breaker), &health);
        async move { search?.run().await }
    })
}

/// The search for an answer to one call.
struct Search {
    inside: CallService,
    call: Call,
    retry: RetrySettings,
    breaker: BreakerSettings,
    /// The targets, in the order in which they are tried.
    places: Vec<Place>,
    /// The attempts that are under way, oldest first.
    running: Vec<Running>,
    made: u32,
    /// When a second target is called beside the one that is silent; `None` where none is any more.
    hedge: Option<Instant>,
    /// An attempt has failed that may have been paid.
    paid: bool,
    /// The failure to tell, if it ends here.
    told: Option<Error>,
}

/// One target as far as it has been tried.
struct Place {
    at: usize,
    vitals: Arc<Vitals>,
    /// Attempts at it.
    made: u32,
    state: PlaceState,
}

#[derive(Debug)]
enum PlaceState {
    Untried,
    /// An attempt is under way.
    Busy,
    /// It may be tried again after this wait, at this cost of its budget.
    Repeatable(Duration, u32),
    /// It would end the same way.
    Useless,
}

/// An attempt that is under way.
struct Running {
    /// Counts attempts from 1.
    number: u32,
    place: usize,
    pass: Pass,
    spent: u32,
    hedge: bool,
}

/// An attempt by its number, and how it ended.
type Ended = (u32, Result<Reply, Error>);

type Attempt = BoxFuture<'static, Ended>;

impl Search {
    fn new(
        inside: CallService,
        call: Call,
        (retry, breaker): (RetrySettings, BreakerSettings),
        health: &TargetHealth,
    ) -> Result<Self, Error> {
        call.target()?;
        let place = |at| {
            let vitals = health.of(call.targets.get(at)?);
            Some(Place { at, vitals, made: 0, state: PlaceState::Untried })
        };
        let places = order::order(&call).into_iter().filter_map(place).collect();
        let (running, hedge) = (Vec::new(), None);
        Ok(Self { inside, call, retry, breaker, places, running, made: 0, hedge, paid: false, told: None })
    }

    async fn run(mut self) -> Result<Reply, Error> {
        let mut attempts = FuturesUnordered::new();
        attempts.push(self.untried(0, false).map_err(|shut| self.shut(shut))?);
        loop {
            let ended = tokio::select! {
                ended = attempts.next() => ended,
                () = sleep_until(self.hedge.unwrap_or_else(Instant::now)), if self.hedge.is_some() => {
                    attempts.extend(self.second());
                    continue;
                }
            };
            let Some((number, result)) = ended else { return Err(self.end()) };
            let Some(running) = self.ended(number) else { continue };
            match result {
                Ok(reply) => {
                    self.answered(running);
                    return Ok(reply);
                }
                Err(error) => {
                    let cost = self.failed(running, error);
                    // What is still under way is the next attempt.
                    if attempts.is_empty() {
                        let Some(cost) = cost else { return Err(self.end()) };
                        let next = self.another(cost).await?;
                        attempts.push(next);
                    }
                }
            }
        }
    }

    /// Takes an attempt that has ended out of those under way.
    fn ended(&mut self, number: u32) -> Option<Running> {
        let at = self.running.iter().position(|running| running.number == number)?;
        Some(self.running.remove(at))
    }

    /// An answer pays for later attempts: at every target that this call could have tried, or a second choice
    /// would never earn what it spends. A hedge is paid for, since it was made for nobody's failure.
    fn answered(&mut self, winner: Running) {
        if winner.hedge {
            let overtaken = self.running.drain(..).filter(|running| running.number < winner.number);
            overtaken.for_each(|running| running.pass.overtaken());
        }
        let spent = if winner.hedge { 0 } else { winner.spent };
        winner.pass.answered();
        for (at, place) in self.places.iter().enumerate() {
            place.vitals.budget.refund(if at == winner.place { spent } else { 0 });
        }
    }

    /// Notes a failure; gives what another attempt costs, or nothing where there shall be none.
    fn failed(&mut self, running: Running, error: Error) -> Option<u32> {
        let (repeat, reason) = (error.repeat, error.reason);
        let Running { place, pass, .. } = running;
        pass.failed(&error);
        let repeated = self.places.get(place).is_some_and(|place| place.made > 1);
        let (elsewhere, here) = match reason.retry() {
            Retry::Never => (false, false),
            Retry::Elsewhere => (true, false),
            Retry::Freely => (repeat != Repeat::Futile, true),
            // Once at each target, since nothing is paid for it.
            Retry::Once if error.billed == Billed::Nothing => (repeat != Repeat::Futile, !repeated),
            Retry::Once => (repeat != Repeat::Futile && !self.paid, true),
            Retry::IfPaidTwice => (self.retry.pay_twice && !self.paid, true),
        };
        self.paid |= error.billed != Billed::Nothing;
        let cost = backoff::cost(reason);
        if let Some(place) = self.places.get_mut(place) {
            let wait = backoff::after(&error, self.made);
            place.state = if here { PlaceState::Repeatable(wait, cost) } else { PlaceState::Useless };
        }
        self.told = Some(dearer(self.told.take(), error));
        elsewhere.then_some(cost)
    }

    /// Another attempt: at once where no target has failed yet, else after the shortest wait.
    async fn another(&mut self, cost: u32) -> Result<Attempt, Error> {
        if !self.is_wanted() {
            return Err(self.end());
        }
        if let Ok(attempt) = self.untried(cost, false) {
            return Ok(attempt);
        }
        while self.made < self.retry.attempts {
            let repeatable = self.places.iter().enumerate().filter_map(|(at, place)| match place.state {
                PlaceState::Repeatable(wait, cost) => Some((wait, at, cost)),
                _ => None,
            });
            let Some((wait, at, cost)) = repeatable.min().filter(|(wait, ..)| self.in_time(*wait)) else {
                break;
            };
            // Nothing is begun for somebody who has gone, or whose deadline passes as the wait ends.
            if !waited(wait, &self.call.left).await || !self.is_wanted() {
                break;
            }
            if let Ok(attempt) = self.at(at, cost, false) {
                return Ok(attempt);
            }
            if let Some(place) = self.places.get_mut(at) {
                place.state = PlaceState::Useless;
            }
        }
        Err(self.end())
    }

    /// A second attempt beside one that is silent, where that may be paid twice.
    fn second(&mut self) -> Option<Attempt> {
        self.hedge = None;
        if self.paid || !self.is_wanted() {
            return None;
        }
        let second = self.untried(HEDGE, true).ok()?;
        self.call.hedge_after = None;
        Some(second)
    }

    /// An attempt at the first target that has not been tried, may be called, and can afford it.
    ///
    /// # Errors
    /// Which of them comes back first, where none may be called.
    fn untried(&mut self, cost: u32, hedge: bool) -> Result<Attempt, Option<Shut>> {
        let mut shut: Option<Shut> = None;
        for at in 0..self.places.len() {
            if !self.places.get(at).is_some_and(|place| matches!(place.state, PlaceState::Untried)) {
                continue;
            }
            match self.at(at, cost, hedge) {
                Ok(attempt) => return Ok(attempt),
                Err(Some(found)) if shut.is_none_or(|shut| found.wait < shut.wait) => shut = Some(found),
                Err(_) => {}
            }
        }
        Err(shut)
    }

    /// An attempt at this place, if it may be called and can afford it.
    ///
    /// # Errors
    /// Why it may not be called; `None` where it cannot afford it.
    fn at(&mut self, at: usize, cost: u32, hedge: bool) -> Result<Attempt, Option<Shut>> {
        let Some(place) = self.places.get_mut(at) else { return Err(None) };
        let pass = place.vitals.breaker.pass(self.breaker).map_err(Some)?;
        if !place.vitals.budget.spend(cost) {
            return Err(None);
        }
        place.state = PlaceState::Busy;
        place.made += 1;
        self.made += 1;
        let number = self.made;
        self.running.push(Running { number, place: at, pass, spent: cost, hedge });
        self.hedge = self.call.hedge_after.filter(|_| !hedge).map(|wait| Instant::now() + wait);
        let attempt = self.inside.clone().oneshot(Call {
            at: place.at,
            attempt: self.call.report.next_attempt(),
            hedge,
            ..self.call.clone()
        });
        Ok(Box::pin(async move { (number, attempt.await) }))
    }

    /// Whether there is somebody who would hear of another attempt.
    fn is_wanted(&self) -> bool {
        !self.call.left.is_cancelled() && self.in_time(Duration::ZERO)
    }

    fn in_time(&self, wait: Duration) -> bool {
        self.call.deadline.is_none_or(|deadline| Instant::now() + wait < deadline)
    }

    /// The failure to tell.
    fn end(&mut self) -> Error {
        self.told
            .take()
            .unwrap_or_else(|| Error::new(Reason::Panic, "no attempt was made, and nothing says why"))
    }

    /// Nothing may be called: every breaker is open.
    fn shut(&self, shut: Option<Shut>) -> Error {
        let Some(Shut { reason, wait }) = shut else {
            return Error::new(Reason::Panic, "a call has a target that may be called, and none was");
        };
        let reached: Vec<_> = self.call.targets.iter().map(|target| target.region.as_str()).collect();
        let context = format!(
            "calls of {} to {} failed ({}), and no more are made for a while",
            self.call.model_asked,
            reached.join(", "),
            reason.name(false)
        );
        // Quota comes back sooner than a region, and is what the caller has to know.
        let mut error = match reason {
            Reason::UpstreamThrottled => Error::new(Reason::UpstreamThrottled, context),
            _ => Error::new(Reason::NoRegionAvailable, context),
        };
        if let Repeat::After(least, most) = error.repeat {
            error.repeat = Repeat::After(least.max(wait), most.max(wait * 2));
        }
        error
    }
}

/// Waits; `false` where the caller has gone, also in the very moment in which the wait is over.
async fn waited(wait: Duration, left: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = left.cancelled() => false,
        () = sleep(wait) => true,
    }
}

/// The failure that may have cost more; of two that cost nothing, the one after which a new call makes sense; else the
/// later one.
fn dearer(earlier: Option<Error>, later: Error) -> Error {
    let rank = |error: &Error| (error.billed != Billed::Nothing, error.repeat != Repeat::Futile);
    earlier.filter(|earlier| rank(earlier) > rank(&later)).unwrap_or(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_as_the_caller_leaves_is_not_over() {
        let left = CancellationToken::new();
        assert!(waited(Duration::from_secs(1), &left).await);
        left.cancel();
        for _ in 0..100 {
            assert!(!waited(Duration::ZERO, &left).await);
        }
    }
}
