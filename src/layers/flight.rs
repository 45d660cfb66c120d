//! Flight: paid work runs in a task of its own, and the caller subscribes to it.

mod queue;

use std::sync::Arc;

use bedrock_inference_proto::v1::OnDisconnect;
use futures_util::{StreamExt, stream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

use super::layer;
use crate::call::{Call, CallService, Clocks, Events, Permit, Reply, Report};
use crate::config::Timeouts;
use crate::error::{Error, Reason};

use queue::{Receiver, Sender, queue};

/// The tasks that run upstream calls. Shutdown waits for them.
#[derive(Debug, Clone)]
pub struct Flights {
    tasks: TaskTracker,
    given_up: CancellationToken,
    drains: Arc<Semaphore>,
}

impl Flights {
    /// None yet. So many may be read to their end at a time whose callers have gone.
    #[must_use]
    pub fn new(drains: usize) -> Self {
        let drains = Arc::new(Semaphore::new(drains.min(Semaphore::MAX_PERMITS)));
        Self { tasks: TaskTracker::new(), given_up: CancellationToken::new(), drains }
    }

    /// Waits until every flight has landed.
    pub async fn land(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops every flight, and those still to come. Their subscribers read `SERVER_SHUTTING_DOWN`.
    pub fn give_up(&self) {
        self.given_up.cancel();
    }

    /// How many are in the air.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tasks.len()
    }
}

/// Runs everything inside it in a tracked task.
///
/// The caller's deadline and disconnect end the subscription, and so does a caller who lets events wait for
/// too long. The upstream call itself then goes on for at most the drain's time under DRAIN, so that its
/// usage is known exactly, and ends at once under CANCEL, or where too many are drained already. Until then the
/// flight holds the call's permit.
pub fn flight(flights: Flights, clocks: Clocks) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, mut call| {
        let (flights, clocks) = (flights.clone(), clocks.of(&call));
        async move {
            if call.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::late());
            }
            let (head, opened) = oneshot::channel();
            let (sender, events) = queue();
            let ticket = Ticket {
                deadline: call.deadline,
                given_up: flights.given_up,
                left: call.left.clone(),
                report: call.report.clone(),
                too_slow: CancellationToken::new(),
            };
            let pilot = Pilot {
                // No clone of the call may outlive its work with it.
                _permit: call.permit.take(),
                ticket: ticket.clone(),
                policy: call.on_disconnect,
                clocks,
                drains: flights.drains,
            };
            let given_up = ticket.given_up.clone();
            let flown = given_up.run_until_cancelled_owned(pilot.fly(inside, call, head, sender));
            flights.tasks.spawn(flown.in_current_span());
            opened.await.unwrap_or_else(|_| Err(ticket.missing_end(0)))?;
            Ok(subscribed(events, ticket))
        }
    })
}

/// The subscriber's side: the events up to the end mark.
fn subscribed(events: Receiver, ticket: Ticket) -> Reply {
    Reply::new(stream::unfold(Some((events, 0, ticket)), |state| async move {
        let (mut events, seen, ticket) = state?;
        match events.recv().await {
            Some(Some(Ok(event))) => {
                let seen = seen + u64::from(event.is_told());
                Some((Ok(event), Some((events, seen, ticket))))
            }
            Some(Some(Err(error))) => Some((Err(error), None)),
            Some(None) => None,
            None => Some((Err(ticket.missing_end(seen)), None)),
        }
    }))
}

/// What both sides know of a flight.
#[derive(Debug, Clone)]
struct Ticket {
    report: Report,
    deadline: Option<Instant>,
    given_up: CancellationToken,
    left: CancellationToken,
    too_slow: CancellationToken,
}

impl Ticket {
    /// Why the task went away without an end mark: its reader was too slow, it saw the deadline pass, was
    /// given up, or panicked.
    fn missing_end(&self, seen: u64) -> Error {
        let error = match self.deadline {
            _ if self.too_slow.is_cancelled() => {
                Error::new(Reason::ClientTooSlow, "the caller did not read what waited for it in time")
            }
            Some(deadline) if Instant::now() >= deadline => Error::late(),
            _ if self.given_up.is_cancelled() => {
                let context = "the service is going down, and the call did not end within its grace";
                let error = Error::new(Reason::ServerShuttingDown, context);
                // From the dispatch on a repeat may pay again, and must not look free.
                if self.report.was_dispatched() { error.after(seen) } else { error }
            }
            _ => Error::new(Reason::Panic, "the call's task ended without an answer"),
        };
        if seen == 0 { error } else { error.after(seen) }
    }
}

/// The first parameter of whatever flies, so that the permit is dropped behind the work.
struct Pilot {
    ticket: Ticket,
    policy: OnDisconnect,
    clocks: Timeouts,
    drains: Arc<Semaphore>,
    _permit: Option<Permit>,
}

impl Pilot {
    async fn fly(
        self,
        inside: CallService,
        call: Call,
        mut head: oneshot::Sender<Result<(), Error>>,
        sender: Sender,
    ) {
        let mut opening = Box::pin(inside.oneshot(call));
        let reply = tokio::select! {
            biased;
            () = self.gone(head.closed()) => {
                drop(head);
                // Nothing is begun for somebody who has gone.
                if self.ticket.report.was_dispatched() {
                    let rest = async move {
                        drained(opening.await?.events).await
                    };
                    self.abandon(rest).await;
                }
                return;
            }
            reply = &mut opening => reply,
        };
        match reply {
            Err(error) => drop(head.send(Err(error))),
            Ok(reply) => {
                // A caller who left at this very moment is noticed at the first event.
                let _ = head.send(Ok(()));
                self.forward(sender, reply.events).await;
            }
        }
    }

    /// In a panic the last parameter is dropped first: the events note their end before the subscriber sees it.
    async fn forward(self, sender: Sender, mut events: Events) {
        let delivered = tokio::select! {
            delivered = self.deliver(&mut events, &sender) => delivered,
            () = self.gone(sender.closed()) => false,
        };
        drop(sender);
        if !delivered {
            self.abandon(drained(events)).await;
        }
    }

    /// Hands the events to the subscriber, and the end mark behind the last one; `false` when it has left or
    /// does not read.
    async fn deliver(&self, events: &mut Events, sender: &Sender) -> bool {
        let mut sent = 0;
        loop {
            let event = events.next().await.map(|event| event.map_err(|error| error.after(sent)));
            let told = matches!(&event, Some(Ok(event)) if event.is_told());
            // Behind an error no end mark is needed: the subscriber stops there.
            let last = !matches!(event, Some(Ok(_)));
            match timeout(self.clocks.slow_reader, sender.send(event)).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) => {
                    self.ticket.too_slow.cancel();
                    return false;
                }
            }
            if last {
                return true;
            }
            sent += u64::from(told);
        }
    }

    /// Nobody listens any more: finishes the work or drops it, as the policy says.
    async fn abandon(&self, rest: impl Future<Output = Result<(), Error>>) {
        self.ticket.left.cancel();
        if self.policy != OnDisconnect::Drain {
            return;
        }
        let Ok(_drain) = self.drains.try_acquire() else {
            tracing::warn!(
                request_id = self.ticket.report.request_id(),
                "an abandoned call was dropped: as many are being drained as may be",
            );
            return;
        };
        let Ok(ended) = timeout(self.clocks.drain, rest).await else {
            tracing::warn!("an abandoned call was given up while draining");
            return;
        };
        let report = self.ticket.report.finish();
        tracing::info!(
            request_id = report.request_id,
            input_tokens = report.tokens.as_ref().map(|tokens| tokens.input),
            output_tokens = report.tokens.as_ref().map(|tokens| tokens.output),
            error.reason = ended.err().map(|error| error.reason.name(true)),
            "an abandoned call has ended",
        );
    }

    /// Resolves when the subscriber has left or its deadline has passed.
    async fn gone(&self, closed: impl Future<Output = ()>) {
        let deadline = async {
            match self.ticket.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = closed => {}
            () = deadline => {}
        }
    }
}

/// Reads the rest for its usage; the content is not kept.
async fn drained(mut events: Events) -> Result<(), Error> {
    while events.next().await.transpose()?.is_some() {}
    Ok(())
}
