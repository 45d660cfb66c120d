//! Flight: paid work runs in a task of its own, and the caller subscribes to it.

mod log;
mod once;
mod past;
mod table;

use std::sync::Arc;

use bedrock_inference_proto::v1::OnDisconnect;
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

use super::layer;
use crate::call::{Call, CallService, Clocks, Permit, Reply, Report};
use crate::config::{IdempotencySettings, Timeouts};
use crate::error::{Error, Reason};
use crate::ledger::Ledger;

use log::{Next, Reader, Wish, Writer};
use once::{Begun, Held, Once};
use table::{Listing, Seat, Table};

/// The tasks that run upstream calls. Shutdown waits for them.
#[derive(Debug, Clone)]
pub struct Flights {
    tasks: TaskTracker,
    given_up: CancellationToken,
    drains: Arc<Semaphore>,
    /// Those that may be joined.
    table: Table,
}

impl Flights {
    /// None yet. So many may be read to their end at a time whose callers have gone.
    #[must_use]
    pub fn new(drains: usize) -> Self {
        let drains = Arc::new(Semaphore::new(drains.min(Semaphore::MAX_PERMITS)));
        Self {
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
            drains,
            table: Table::default(),
        }
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
///
/// Calls of one tenant under one `options.request_id` are made once: those that come while the first is under way read its
/// events from the beginning, and later ones read the answer that the ledger keeps. The flight goes on while anybody is left,
/// and drains where any of them asked for that.
pub fn flight(
    flights: Flights,
    clocks: Clocks,
    ledger: Ledger,
    idempotency: IdempotencySettings,
) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let (flights, clocks, ledger) = (flights.clone(), clocks.of(&call), ledger.clone());
        async move {
            if call.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::late());
            }
            let (reader, ticket) = flights.board(inside, call, clocks, (ledger, idempotency))?;
            match reader.opened().await {
                Ok(()) => Ok(subscribed(reader, ticket)),
                Err(Next::End(Err(error))) => Err(error),
                Err(missing) => Err(ticket.missing_end(&missing, 0)),
            }
        }
    })
}

impl Flights {
    /// Where the call's events are read: in a flight of its own, or in that of the same call which is under way.
    fn board(
        &self,
        inside: CallService,
        mut call: Call,
        clocks: Timeouts,
        (ledger, idempotency): (Ledger, IdempotencySettings),
    ) -> Result<(Reader, Ticket), Error> {
        let wish = Wish { deadline: call.deadline, drain: call.on_disconnect == OnDisconnect::Drain };
        let ticket = |report: &Report| Ticket {
            deadline: wish.deadline,
            given_up: self.given_up.clone(),
            report: report.clone(),
        };
        let Some((key, print)) = once::key(&call, idempotency) else {
            let (writer, reader) = log::alone(wish);
            let ticket = ticket(&call.report);
            self.launch(inside, call, clocks, writer, None);
            return Ok((reader, ticket));
        };
        let report = call.report.of_flight();
        match self.table.enter(key, print, idempotency.kept_bytes(), wish, &report) {
            Seat::First(writer, reader, listing) => {
                call.report.reads(&report);
                call.report = report.clone();
                let once = Once {
                    ledger,
                    tenant: call.principal.tenant().clone(),
                    request_id: call.request_id.clone(),
                    print,
                    window: idempotency.window,
                };
                self.launch(inside, call, clocks, writer, Some((listing, once)));
                Ok((reader, ticket(&report)))
            }
            Seat::Joined(reader, report) => {
                call.report.repeats(&report);
                Ok((reader, ticket(&report)))
            }
            Seat::TooLate => Err(once::in_flight("it is too long to be joined")),
            Seat::Other => Err(once::reused()),
        }
    }

    fn launch(
        &self,
        inside: CallService,
        mut call: Call,
        clocks: Timeouts,
        writer: Writer,
        shared: Option<(Listing, Once)>,
    ) {
        let (listing, once) = shared.unzip();
        let pilot = Pilot {
            writer,
            listing,
            once,
            report: call.report.clone(),
            left: call.left.clone(),
            clocks,
            drains: Arc::clone(&self.drains),
            // No clone of the call may outlive its work with it.
            _permit: call.permit.take(),
        };
        let flown = self.given_up.clone().run_until_cancelled_owned(pilot.fly(inside, call));
        self.tasks.spawn(flown.in_current_span());
    }
}

/// The subscriber's side: the events up to the end.
fn subscribed(reader: Reader, ticket: Ticket) -> Reply {
    Reply::new(stream::unfold(Some((reader, 0, ticket)), |state| async move {
        let (reader, seen, ticket) = state?;
        match reader.next().await {
            Next::Event(event) => {
                let seen = seen + u64::from(event.is_told());
                Some((Ok(event), Some((reader, seen, ticket))))
            }
            Next::End(Ok(())) => None,
            Next::End(Err(error)) => Some((Err(error), None)),
            missing => Some((Err(ticket.missing_end(&missing, seen)), None)),
        }
    }))
}

/// What a subscriber knows of its flight.
#[derive(Debug)]
struct Ticket {
    /// The flight's.
    report: Report,
    deadline: Option<Instant>,
    given_up: CancellationToken,
}

impl Ticket {
    /// Why there is no more, and no end: the reader was too slow, its deadline has passed, or the task was given up, or
    /// panicked.
    fn missing_end(&self, missing: &Next, seen: u64) -> Error {
        let error = match self.deadline {
            _ if matches!(missing, Next::TooSlow) => {
                Error::new(Reason::ClientTooSlow, "the caller did not read what waited for it in time")
            }
            _ if matches!(missing, Next::Late) => Error::late(),
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

/// Whatever flies; the permit is dropped behind the work, and behind the end.
struct Pilot {
    writer: Writer,
    /// Where others find it.
    listing: Option<Listing>,
    /// What is stored of it.
    once: Option<Once>,
    report: Report,
    left: CancellationToken,
    clocks: Timeouts,
    drains: Arc<Semaphore>,
    _permit: Option<Permit>,
}

impl Pilot {
    /// In a panic the work is dropped first: the events note their end before anybody sees it.
    async fn fly(mut self, inside: CallService, call: Call) {
        let end = tokio::select! {
            biased;
            () = self.deserted() => None,
            end = self.work(inside, call) => Some(end),
        };
        let Some((held, end)) = end else { return };
        if self.left.is_cancelled() {
            self.tell_abandoned(&end);
        }
        // Before anybody hears of the end, so that it is true for whoever asks again, also after a crash.
        if let Some(held) = held {
            held.end(&end, self.writer.kept()).await;
        }
        drop(self.listing.take());
        self.writer.end(end);
    }

    /// The whole of the work: what is held of it until its end is stored, and the end.
    async fn work(&self, inside: CallService, call: Call) -> (Option<Held>, Result<(), Error>) {
        let mut held = None;
        if let Some(once) = &self.once {
            match once.begin(&self.report).await {
                Err(error) => return (None, Err(error)),
                Ok(Begun::First(first)) => held = Some(first),
                Ok(Begun::Past(past)) => {
                    self.report.replays(past.report);
                    let reply = Reply::new(stream::iter(past.events.into_iter().map(Ok)));
                    return (None, self.hand_on(Ok(reply)).await);
                }
            }
        }
        let end = self.hand_on(inside.oneshot(call).await).await;
        (held, end)
    }

    /// Hands events on to whoever reads them.
    async fn hand_on(&self, reply: Result<Reply, Error>) -> Result<(), Error> {
        let Reply { mut events } = reply?;
        self.writer.open();
        let mut sent = 0;
        while let Some(event) = events.next().await.transpose().map_err(|error| error.after(sent))? {
            sent += u64::from(event.is_told());
            self.writer.push(event, self.clocks.slow_reader).await;
        }
        Ok(())
    }

    /// Resolves when nobody listens any more, and nobody shall: the work is dropped.
    async fn deserted(&self) {
        loop {
            self.writer.deserted().await;
            self.left.cancel();
            // Nothing is begun for somebody who has gone.
            if self.report.was_dispatched() && self.writer.drains() && self.visited_in_time().await {
                continue;
            }
            // Somebody may come in this very moment.
            if self.writer.close() {
                return;
            }
        }
    }

    /// Lets the work go on although nobody listens; `true` as soon as somebody does.
    async fn visited_in_time(&self) -> bool {
        let Ok(_drain) = self.drains.try_acquire() else {
            tracing::warn!(
                request_id = self.report.request_id(),
                "an abandoned call was dropped: as many are being drained as may be",
            );
            return false;
        };
        let visited = timeout(self.clocks.drain, self.writer.visited()).await.is_ok();
        if !visited {
            tracing::warn!("an abandoned call was given up while draining");
        }
        visited
    }

    fn tell_abandoned(&self, end: &Result<(), Error>) {
        let report = self.report.finish();
        tracing::info!(
            request_id = report.request_id,
            input_tokens = report.tokens.as_ref().map(|tokens| tokens.input),
            output_tokens = report.tokens.as_ref().map(|tokens| tokens.output),
            error.reason = end.as_ref().err().map(|error| error.reason.name(true)),
            "an abandoned call has ended",
        );
    }
}
