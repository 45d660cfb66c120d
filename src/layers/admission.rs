//! Admission: a call runs once it has a permit, and is turned away at once where it would wait for too long.

mod scheduler;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedrock_inference_proto::v1::Priority;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, Permit};
use crate::config::AdmissionSettings;
use crate::error::{Error, Reason};
use crate::memory::{Level, Pressure};

use scheduler::{Arrival, Scheduler, Ticket};

/// Gives each call its permit, which its flight holds until its work has ended, or refuses it as
/// `SERVER_OVERLOADED`.
///
/// A caller who leaves while waiting, and one whose deadline passes, gives its place up.
pub fn admission(admission: Admission) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, mut call| {
        let admission = admission.clone();
        async move {
            let lent = admission.admit(call.priority, call.deadline).await?;
            call.permit = Some(Permit::of(lent));
            inside.oneshot(call).await
        }
    })
}

/// Who runs and who waits. Clones share the same permits, so that a corridor that is built anew has no more.
#[derive(Debug, Clone)]
pub struct Admission {
    settings: AdmissionSettings,
    pressure: Pressure,
    scheduler: Shared,
}

/// One scheduler for everybody; whoever waits is answered through a channel.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Scheduler<oneshot::Sender<Answer>>>>);

/// What becomes of a call that waits.
type Answer = Result<Lent, Error>;

impl Admission {
    /// As many permits as the settings say. Under pressure fewer calls are admitted.
    #[must_use]
    pub fn new(settings: AdmissionSettings, pressure: Pressure) -> Self {
        let scheduler = Shared(Arc::new(Mutex::new(Scheduler::new(settings))));
        Self { settings, pressure, scheduler }
    }

    /// Waits for a permit, as long as that makes sense.
    async fn admit(&self, priority: Priority, deadline: Option<Instant>) -> Result<Lent, Error> {
        let refused_from = if priority == Priority::Batch { Level::High } else { Level::Critical };
        if self.pressure.level() >= refused_from {
            return Err(overloaded("the service is short of memory"));
        }
        let now = Instant::now();
        let longest = now + self.settings.wait;
        let until = deadline.map_or(longest, |deadline| deadline.min(longest));
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Error::late());
        }
        let mut place = {
            let mut scheduler = self.scheduler.lock();
            match scheduler.arrive(priority, until - now) {
                Arrival::Runs => {
                    drop(scheduler);
                    return Ok(Lent::of(&self.scheduler, priority));
                }
                Arrival::Refused(why) => return Err(overloaded(why)),
                Arrival::Waits => self.scheduler.wait(&mut scheduler, priority),
            }
        };
        match timeout_at(until, &mut place.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::new(Reason::Panic, "nobody answers those who wait")),
            Err(_) if until < longest => Err(Error::late()),
            Err(_) => Err(overloaded("no call has ended for too long")),
        }
    }
}

fn overloaded(why: &str) -> Error {
    Error::new(Reason::ServerOverloaded, why)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Scheduler<oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new place in the queue. Where it is full, somebody makes room.
    fn wait(&self, scheduler: &mut Scheduler<oneshot::Sender<Answer>>, priority: Priority) -> Place {
        let (sender, answer) = oneshot::channel();
        let (ticket, displaced) = scheduler.wait(priority, sender);
        if let Some(displaced) = displaced {
            // Gone already, it need not hear it.
            let _ =
                displaced.send(Err(overloaded("an interactive call has taken the place of this batch call")));
        }
        Place { ticket, answer, scheduler: self.clone() }
    }

    /// Gives every free permit to whoever is next.
    fn hand_out(&self) {
        loop {
            let next = self.lock().next();
            let Some((priority, waiter)) = next else { return };
            // Whoever has gone in this very moment leaves the permit to be dropped here, unlocked: it comes back
            // and goes to the next one.
            drop(waiter.send(Ok(Lent::of(self, priority))));
        }
    }
}

/// A place in the queue, given up when dropped. A permit that was on its way comes back with the channel.
struct Place {
    ticket: Ticket,
    answer: oneshot::Receiver<Answer>,
    scheduler: Shared,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.scheduler.lock().leave(self.ticket));
    }
}

/// A permit that is out.
#[derive(Debug)]
struct Lent {
    scheduler: Shared,
    priority: Priority,
    since: Instant,
}

impl Lent {
    /// The scheduler has counted it already.
    fn of(scheduler: &Shared, priority: Priority) -> Self {
        Self { scheduler: scheduler.clone(), priority, since: Instant::now() }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.scheduler.lock().end(self.priority, self.since.elapsed());
        self.scheduler.hand_out();
    }
}

#[cfg(test)]
mod tests;
