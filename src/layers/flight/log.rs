//! Log: the events of one flight, as those read them who wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedrock_inference_adapters::contract::Event;
use prost::Message;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::error::Error;

/// Events that may wait for the slowest reader; then the upstream is read no further.
const EVENTS: usize = 32;

/// Bytes of content that may wait for the slowest reader; an event that is larger waits alone.
const BYTES: usize = 256 * 1024;

/// Both sides of a log that nobody else reads.
pub(super) fn alone(wish: Wish) -> (Writer, Reader) {
    let (_, writer, reader) = shared(0, wish);
    (writer, reader)
}

/// A log of which so many bytes are kept for those who will join, and both sides of it.
pub(super) fn shared(keep: usize, wish: Wish) -> (Arc<Log>, Writer, Reader) {
    let log = Log::new(keep);
    let reader = log.seat(&mut log.state(), wish);
    (Arc::clone(&log), Writer(log), reader)
}

/// A log that one writes and any number of readers read, each from its beginning.
///
/// While all of it is kept, nobody waits for anybody: readers may be as slow as they like, and more of them may come. A log
/// that has grown beyond what may be kept is only a window behind its slowest reader.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<State>,
    /// There is more to read, or there never will be.
    grown: Notify,
    /// Somebody has read, come or gone.
    moved: Notify,
}

struct State {
    /// Each with the bytes that stand before it.
    events: VecDeque<(Event, usize)>,
    /// How many events are no longer there.
    dropped: usize,
    /// Bytes of all events, those included that are no longer there.
    bytes: usize,
    /// The most bytes that may be kept; `None` once it is more.
    keep: Option<usize>,
    is_open: bool,
    end: Option<End>,
    readers: BTreeMap<u64, Place>,
    /// What is left for those who are no longer waited for.
    slow: BTreeMap<u64, VecDeque<Event>>,
    /// Readers that there have been.
    count: u64,
    /// One of them wants the answer to be read to its end.
    drain: bool,
}

/// Where one reader is.
#[derive(Debug)]
struct Place {
    at: usize,
    deadline: Option<Instant>,
}

/// How it ended.
#[derive(Debug, Clone)]
enum End {
    /// Behind its last event, or by an error.
    Told(Result<(), Error>),
    /// Whoever wrote has gone without a word.
    Gone,
}

/// What a reader finds.
pub(super) enum Next {
    Event(Event),
    /// It is at the end, or there never was anything.
    End(Result<(), Error>),
    /// Whoever wrote has gone without a word.
    Gone,
    /// The reader is no longer waited for.
    TooSlow,
    /// The reader's deadline has passed.
    Late,
}

/// Who wants to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) deadline: Option<Instant>,
    /// Whether the answer is to be read to its end although nobody waits for it.
    pub(super) drain: bool,
}

/// Why nobody can read any more from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// It is too long to be kept.
    TooLong,
    /// It has been given up.
    Closed,
}

impl Log {
    fn new(keep: usize) -> Arc<Self> {
        let state = State {
            events: VecDeque::new(),
            dropped: 0,
            bytes: 0,
            keep: (keep > 0).then_some(keep),
            is_open: false,
            end: None,
            readers: BTreeMap::new(),
            slow: BTreeMap::new(),
            count: 0,
            drain: false,
        };
        Arc::new(Self { state: Mutex::new(state), grown: Notify::new(), moved: Notify::new() })
    }

    /// A reader of all of it.
    ///
    /// # Errors
    /// [`Missed`].
    pub(super) fn join(self: &Arc<Self>, wish: Wish) -> Result<Reader, Missed> {
        let mut state = self.state();
        if matches!(state.end, Some(End::Gone)) {
            return Err(Missed::Closed);
        }
        if state.keep.is_none() && (state.count > 0 || state.dropped > 0) {
            return Err(Missed::TooLong);
        }
        Ok(self.seat(&mut state, wish))
    }

    fn seat(self: &Arc<Self>, state: &mut State, wish: Wish) -> Reader {
        state.count += 1;
        state.drain |= wish.drain;
        let number = state.count;
        state.readers.insert(number, Place { at: 0, deadline: wish.deadline });
        self.moved.notify_waiters();
        Reader { log: Arc::clone(self), number, deadline: wish.deadline }
    }

    /// Whether this is the same one.
    pub(super) fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other)
    }

    /// Waits until something is so that readers can bring about by what they do.
    async fn until(&self, is_so: impl Fn(&mut State) -> bool) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if is_so(&mut self.state()) {
                return;
            }
            moved.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where events come in. Dropped without an end, its readers hear that it has gone.
#[derive(Debug)]
pub(super) struct Writer(Arc<Log>);

impl Writer {
    /// The answer begins: it is no longer an error that comes first.
    pub(super) fn open(&self) {
        self.0.state().is_open = true;
        self.0.grown.notify_waiters();
    }

    /// Adds an event. Whoever keeps it waiting for longer than `patience` is no longer waited for.
    pub(super) async fn push(&self, event: Event, patience: Duration) {
        let weight = weight(&event);
        if !self.0.state().has_room(weight) {
            let room = self.0.until(|state| state.has_room(weight));
            if timeout(patience, room).await.is_err() {
                self.0.state().leave_behind(weight);
                self.0.moved.notify_waiters();
            }
        }
        self.0.state().add(event, weight);
        self.0.grown.notify_waiters();
    }

    /// All events, where they have been kept.
    pub(super) fn kept(&self) -> Option<Vec<Event>> {
        let state = self.0.state();
        state.keep.map(|_| state.events.iter().map(|(event, _)| event.clone()).collect())
    }

    /// Nothing comes behind this.
    pub(super) fn end(&self, end: Result<(), Error>) {
        self.0.state().end.get_or_insert(End::Told(end));
        self.0.grown.notify_waiters();
    }

    /// Resolves when nobody reads any more, or the deadline of everybody who does has passed.
    pub(super) async fn deserted(&self) {
        loop {
            let moved = self.0.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let latest = self.0.state().latest(Instant::now());
            let Some(latest) = latest else {
                // Nor does the writer wait for them any more.
                self.0.moved.notify_waiters();
                return;
            };
            let passed = async {
                match latest {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = moved => {}
                () = passed => {}
            }
        }
    }

    /// Resolves when somebody reads again.
    pub(super) async fn visited(&self) {
        self.0.until(|state| !state.readers.is_empty()).await;
    }

    /// Whether anybody has asked for the answer to be read to its end.
    pub(super) fn drains(&self) -> bool {
        self.0.state().drain
    }

    /// Gives it up; `false` where somebody has come meanwhile.
    pub(super) fn close(&self) -> bool {
        let mut state = self.0.state();
        if !state.readers.is_empty() {
            return false;
        }
        state.end.get_or_insert(End::Gone);
        true
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().end.get_or_insert(End::Gone);
        self.0.grown.notify_waiters();
    }
}

/// Where events are read. Dropped, it has left.
#[derive(Debug)]
pub(super) struct Reader {
    log: Arc<Log>,
    number: u64,
    deadline: Option<Instant>,
}

impl Reader {
    /// Waits for the answer's beginning; gives what is there in its place.
    pub(super) async fn opened(&self) -> Result<(), Next> {
        self.wait(|state| match &state.end {
            _ if state.is_open => Some(Ok(())),
            Some(End::Told(Ok(()))) => Some(Ok(())),
            Some(End::Told(Err(error))) => Some(Err(Next::End(Err(error.clone())))),
            Some(End::Gone) => Some(Err(Next::Gone)),
            None => None,
        })
        .await
        .unwrap_or(Err(Next::Late))
    }

    /// What comes next.
    pub(super) async fn next(&self) -> Next {
        let number = self.number;
        let next = self.wait(|state| state.next(number)).await.unwrap_or(Next::Late);
        if matches!(next, Next::Event(_)) {
            self.log.moved.notify_waiters();
        }
        next
    }

    /// Waits for something in the log; `None` where the deadline passes first.
    async fn wait<T>(&self, found: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = found(&mut self.log.state()) {
                return Some(found);
            }
            let grown = self.log.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if let Some(found) = found(&mut self.log.state()) {
                return Some(found);
            }
            match self.deadline {
                None => grown.await,
                Some(deadline) => timeout_at(deadline, grown).await.ok()?,
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.log.state();
        state.readers.remove(&self.number);
        state.slow.remove(&self.number);
        state.trim();
        drop(state);
        self.log.moved.notify_waiters();
    }
}

impl State {
    /// Whether so many bytes more may wait.
    fn has_room(&self, weight: usize) -> bool {
        let Some(slowest) = self.slowest() else { return true };
        let waiting = slowest.saturating_sub(self.dropped);
        let Some((_, before)) = self.events.get(waiting) else { return true };
        let (events, bytes) = (self.events.len() - waiting, self.bytes - before);
        self.stays(weight) || (events < EVENTS && bytes.saturating_add(weight) <= BYTES)
    }

    /// Whether all of it can be kept, with so many bytes more.
    fn stays(&self, weight: usize) -> bool {
        self.keep.is_some_and(|keep| self.bytes.saturating_add(weight) <= keep)
    }

    fn add(&mut self, event: Event, weight: usize) {
        if !self.stays(weight) {
            self.keep = None;
        }
        self.events.push_back((event, self.bytes));
        self.bytes = self.bytes.saturating_add(weight);
        self.trim();
    }

    /// Leaves those behind who have to read before there is room.
    fn leave_behind(&mut self, weight: usize) {
        while !self.has_room(weight) {
            let Some(slowest) = self.slowest() else { return };
            let rest: VecDeque<_> = {
                let from = slowest.saturating_sub(self.dropped);
                self.events.iter().skip(from).map(|(event, _)| event.clone()).collect()
            };
            let slow: Vec<_> = self.readers.extract_if(.., |_, place| place.at <= slowest).collect();
            self.slow.extend(slow.into_iter().map(|(number, _)| (number, rest.clone())));
            self.trim();
        }
    }

    fn slowest(&self) -> Option<usize> {
        self.readers.values().map(|place| place.at).min()
    }

    /// Drops what nobody will read.
    fn trim(&mut self) {
        if self.keep.is_some() {
            return;
        }
        let next = self.dropped + self.events.len();
        let slowest = self.slowest().unwrap_or(next);
        while self.dropped < slowest && self.events.pop_front().is_some() {
            self.dropped += 1;
        }
    }

    fn next(&mut self, number: u64) -> Option<Next> {
        let alone = self.keep.is_none() && self.readers.len() == 1;
        let Some(place) = self.readers.get_mut(&number) else {
            let rest = self.slow.get_mut(&number).map(VecDeque::pop_front);
            return Some(rest.map_or(Next::Late, |next| next.map_or(Next::TooSlow, Next::Event)));
        };
        let at = place.at.saturating_sub(self.dropped);
        if at >= self.events.len() {
            return match &self.end {
                None => None,
                Some(End::Told(end)) => Some(Next::End(end.clone())),
                Some(End::Gone) => Some(Next::Gone),
            };
        }
        place.at += 1;
        if alone {
            self.dropped += 1;
            return self.events.pop_front().map(|(event, _)| Next::Event(event));
        }
        let event = self.events.get(at).map(|(event, _)| Next::Event(event.clone()));
        self.trim();
        event
    }

    /// The latest deadline of those who read, the outer `None` where nobody does. Those are let go whose own has passed.
    fn latest(&mut self, now: Instant) -> Option<Option<Instant>> {
        let deadlines = self.readers.values().map(|place| place.deadline);
        // Nobody's deadline is later than that of whoever has none.
        let latest = deadlines.max_by_key(|deadline| (deadline.is_none(), *deadline))?;
        if latest.is_some_and(|latest| latest <= now) {
            self.readers.clear();
            self.trim();
            return None;
        }
        Some(latest)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { events, dropped, bytes, readers, end, .. } = self;
        f.debug_struct("State")
            .field("events", &(dropped + events.len()))
            .field("bytes", bytes)
            .field("readers", &readers.len())
            .field("end", end)
            .finish_non_exhaustive()
    }
}

/// Roughly how many bytes an event takes.
fn weight(event: &Event) -> usize {
    let content = match event {
        Event::MessageStart(event) => event.encoded_len(),
        Event::ContentBlockStart(event) => event.encoded_len(),
        Event::ContentBlockDelta(event) => event.encoded_len(),
        Event::ContentBlockStop(event) => event.encoded_len(),
        Event::Block { block, .. } => block.encoded_len(),
        Event::MessageStop(event) => event.encoded_len(),
        Event::Metadata(event) => event.encoded_len(),
        Event::Raw(bytes) => bytes.len(),
        Event::Head(_) => 0,
        Event::Warning(warning) => warning.encoded_len(),
    };
    content.saturating_add(size_of::<Event>())
}

#[cfg(test)]
mod tests;
