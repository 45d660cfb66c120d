//! Flight: paid work runs in a task of its own, and the caller subscribes to it.

use std::time::Duration;

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::v1::OnDisconnect;
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

use super::layer;
use crate::call::{Call, CallService, Events, Reply, Report};
use crate::error::{Error, Reason};

/// Events that may wait for a caller who is slow to read; then the upstream is read no further.
const WAITING_EVENTS: usize = 32;

/// The tasks that run upstream calls. Shutdown waits for them.
#[derive(Debug, Clone, Default)]
pub struct Flights {
    tasks: TaskTracker,
    given_up: CancellationToken,
}

impl Flights {
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
/// The caller's deadline and disconnect end the subscription. The upstream call itself then goes on for at
/// most `drain` under DRAIN, so that its usage is known exactly, and ends at once under CANCEL.
pub fn flight(flights: Flights, drain: Duration) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let flights = flights.clone();
        async move {
            let call_deadline = call.deadline;
            if call_deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::late());
            }
            let (head, opened) = oneshot::channel();
            let (sender, events) = mpsc::channel(WAITING_EVENTS);
            let pilot = Pilot {
                report: call.report.clone(),
                deadline: call.deadline,
                policy: call.on_disconnect,
                drain,
            };
            let (given_up, report) = (flights.given_up, call.report.clone());
            let flown = given_up.clone().run_until_cancelled_owned(pilot.fly(inside, call, head, sender));
            flights.tasks.spawn(flown.in_current_span());
            let missing_end = move |seen| missing_end(call_deadline, &given_up, &report, seen);
            opened.await.unwrap_or_else(|_| Err(missing_end(0)))?;
            Ok(subscribed(events, missing_end))
        }
    })
}

type Sender = mpsc::Sender<Option<Result<Event, Error>>>;

/// The subscriber's side: the events up to the end mark.
fn subscribed(
    events: mpsc::Receiver<Option<Result<Event, Error>>>,
    missing_end: impl Fn(u64) -> Error + Send + 'static,
) -> Reply {
    Reply::new(stream::unfold(Some((events, 0, missing_end)), |state| async move {
        let (mut events, seen, missing_end) = state?;
        match events.recv().await {
            Some(Some(event)) => Some((event, Some((events, seen + 1, missing_end)))),
            Some(None) => None,
            None => Some((Err(missing_end(seen)), None)),
        }
    }))
}

/// Why the task went away without an end mark: it saw the deadline pass, was given up, or panicked.
fn missing_end(deadline: Option<Instant>, given_up: &CancellationToken, report: &Report, seen: u64) -> Error {
    let error = match deadline {
        Some(deadline) if Instant::now() >= deadline => Error::late(),
        _ if given_up.is_cancelled() => {
            let context = "the service is going down, and the call did not end within its grace";
            let error = Error::new(Reason::ServerShuttingDown, context);
            // From the dispatch on a repeat may pay again, and must not look free.
            if report.was_dispatched() { error.after(seen) } else { error }
        }
        _ => Error::new(Reason::Panic, "the call's task ended without an answer"),
    };
    if seen == 0 { error } else { error.after(seen) }
}

struct Pilot {
    report: Report,
    deadline: Option<Instant>,
    policy: OnDisconnect,
    drain: Duration,
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
                if self.report.was_dispatched() {
                    let rest = async move {
                        if let Ok(reply) = opening.await {
                            drained(reply.events).await;
                        }
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
                self.forward(reply.events, sender).await;
            }
        }
    }

    async fn forward(self, mut events: Events, sender: Sender) {
        let delivered = tokio::select! {
            delivered = deliver(&mut events, &sender) => delivered,
            () = self.gone(sender.closed()) => false,
        };
        drop(sender);
        if !delivered {
            self.abandon(drained(events)).await;
        }
    }

    /// Nobody listens any more: finishes the work or drops it, as the policy says.
    async fn abandon(&self, rest: impl Future<Output = ()>) {
        if self.policy != OnDisconnect::Drain {
            return;
        }
        if timeout(self.drain, rest).await.is_err() {
            tracing::warn!("an abandoned call was given up while draining");
            return;
        }
        let report = self.report.finish();
        tracing::info!(
            request_id = report.request_id,
            input_tokens = report.tokens.as_ref().map(|tokens| tokens.input),
            output_tokens = report.tokens.as_ref().map(|tokens| tokens.output),
            "an abandoned call was read to its end",
        );
    }

    /// Resolves when the subscriber has left or its deadline has passed.
    async fn gone(&self, closed: impl Future<Output = ()>) {
        let deadline = async {
            match self.deadline {
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

/// Hands the events to the subscriber, and the end mark behind the last one; `false` when it has left.
async fn deliver(events: &mut Events, sender: &Sender) -> bool {
    let mut sent = 0;
    loop {
        let event = events.next().await.map(|event| event.map_err(|error| error.after(sent)));
        let told = matches!(&event, Some(Ok(event)) if event.is_told());
        // Behind an error no end mark is needed: the subscriber stops there.
        let last = !matches!(event, Some(Ok(_)));
        if sender.send(event).await.is_err() {
            return false;
        }
        if last {
            return true;
        }
        sent += u64::from(told);
    }
}

/// Reads the rest for its usage; the content is not kept.
async fn drained(mut events: Events) {
    while let Some(Ok(_)) = events.next().await {}
}
