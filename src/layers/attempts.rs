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
    made: u32,
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

/// An attempt that has ended.
struct Tried {
    place: usize,
    pass: Pass,
    spent: u32,
    result: Result<Reply, Error>,
}

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
        Ok(Self { inside, call, retry, breaker, places, made: 0, paid: false, told: None })
    }

    async fn run(mut self) -> Result<Reply, Error> {
        let mut under_way = FuturesUnordered::new();
        under_way.push(self.untried(0, false).map_err(|shut| self.shut(&shut))?);
        let mut hedge = self.call.hedge_after.map(|wait| Instant::now() + wait);
        loop {
            let tried = tokio::select! {
                tried = under_way.next() => tried,
                () = sleep_until(hedge.unwrap_or_else(Instant::now)), if hedge.is_some() => {
                    hedge = None;
                    if let Ok(second) = self.untried(HEDGE, true) {
                        under_way.push(second);
                    }
                    continue;
                }
            };
            match tried {
                Some(Tried { place, pass, spent, result: Ok(reply) }) => {
                    pass.answered();
                    if let Some(place) = self.places.get(place) {
                        place.vitals.budget.refund(spent);
                    }
                    return Ok(reply);
                }
                Some(Tried { place, pass, result: Err(error), .. }) => {
                    pass.failed(&error);
                    let cost = self.note(place, error)?;
                    // A hedge is still under way: it is the next attempt.
                    if under_way.is_empty() {
                        let next = self.another(cost).await?;
                        under_way.push(next);
                    }
                }
                None => return Err(self.end()),
            }
        }
    }

    /// Notes a failure; gives what another attempt costs, or the failure to tell where there shall be none.
    fn note(&mut self, place: usize, error: Error) -> Result<u32, Error> {
        let (repeat, reason) = (error.repeat, error.reason);
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
        if elsewhere { Ok(cost) } else { Err(self.end()) }
    }

    /// Another attempt: at once where no target has failed yet, else after a wait.
    async fn another(&mut self, cost: u32) -> Result<BoxFuture<'static, Tried>, Error> {
        // Nothing is begun for somebody who has gone.
        if self.call.left.is_cancelled() || !self.in_time(Duration::ZERO) {
            return Err(self.end());
        }
        if let Ok(attempt) = self.untried(cost, false) {
            return Ok(attempt);
        }
        let repeatable = self.places.iter().enumerate().find_map(|(at, place)| match place.state {
            PlaceState::Repeatable(wait, cost) => Some((at, wait, cost)),
            _ => None,
        });
        let Some((at, wait, cost)) = repeatable.filter(|_| self.made < self.retry.attempts) else {
            return Err(self.end());
        };
        if !self.in_time(wait) || !self.spend(at, cost) {
            return Err(self.end());
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = self.call.left.cancelled() => return Err(self.end()),
        }
        let pass = self.places.get(at).map(|place| place.vitals.breaker.pass(self.breaker));
        match pass {
            Some(Ok(pass)) => Ok(self.begin(at, pass, cost, false)),
            _ => Err(self.end()),
        }
    }

    /// An attempt at the first target that has not been tried, may be called, and can afford it.
    ///
    /// # Errors
    /// Why the last of them may not be called.
    fn untried(&mut self, cost: u32, hedge: bool) -> Result<BoxFuture<'static, Tried>, Option<Shut>> {
        let mut shut = None;
        for at in 0..self.places.len() {
            let Some(place) = self.places.get_mut(at) else { break };
            if !matches!(place.state, PlaceState::Untried) {
                continue;
            }
            match place.vitals.breaker.pass(self.breaker) {
                Ok(pass) if place.vitals.budget.spend(cost) => return Ok(self.begin(at, pass, cost, hedge)),
                Ok(_) => {}
                Err(found) => shut = Some(found),
            }
        }
        Err(shut)
    }

    fn begin(&mut self, place: usize, pass: Pass, spent: u32, hedge: bool) -> BoxFuture<'static, Tried> {
        self.made += 1;
        let at = self.places.get_mut(place).map_or(0, |place| {
            place.state = PlaceState::Busy;
            place.made += 1;
            place.at
        });
        let attempt = self.inside.clone().oneshot(Call { at, hedge, ..self.call.clone() });
        Box::pin(async move { Tried { place, pass, spent, result: attempt.await } })
    }

    fn spend(&self, place: usize, cost: u32) -> bool {
        self.places.get(place).is_some_and(|place| place.vitals.budget.spend(cost))
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
    fn shut(&self, shut: &Option<Shut>) -> Error {
        let Some(Shut { reason, wait }) = *shut else {
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

/// The failure that may have cost more; the later one of two alike.
fn dearer(earlier: Option<Error>, later: Error) -> Error {
    match earlier {
        Some(earlier) if earlier.billed != Billed::Nothing && later.billed == Billed::Nothing => earlier,
        _ => later,
    }
}
