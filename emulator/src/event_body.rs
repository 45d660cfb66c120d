//! A stream of event frames, made one by one as the client takes them, at the pace and with the fault asked for.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::calls::OpenCall;
use crate::faults::Fault;
use crate::frames;
use crate::pace::{self, Pace};

/// How long a reset waits so that the events before it reach the client: hyper and h2 throw away what they
/// have not sent yet.
const FLUSH: Duration = Duration::from_millis(5);

/// One event before it is framed.
#[derive(Debug)]
pub(crate) struct Event {
    /// The `:event-type`.
    pub(crate) name: Cow<'static, str>,
    /// The JSON payload.
    pub(crate) payload: Bytes,
    /// The output tokens said by this event; fractions add up over the answer.
    pub(crate) tokens: f64,
}

/// The events of a stream, made lazily.
pub(crate) type Events = Box<dyn Iterator<Item = Event> + Send>;

/// The body of a streamed response.
pub(crate) struct EventBody {
    events: Events,
    /// Taken from the iterator, waiting for its moment.
    next: Option<Event>,
    fault: Option<Fault>,
    /// Good events sent so far.
    sent: u32,
    /// Tokens said so far.
    said: f64,
    clock: Clock,
    ended: bool,
    /// How many more bytes there are before the stream is cut.
    bytes_left: Option<usize>,
    silence: Option<Silence>,
    stopping: CancellationToken,
    call: OpenCall,
}

/// A time in which nothing is sent, and what comes after it.
struct Silence {
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether the connection is broken off then; otherwise the stream goes on.
    breaks_off: bool,
}

/// When events are due.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// A clock for a call that arrived at the given moment.
    pub(crate) fn new(start: Instant, pace: Pace) -> Self {
        Self { start, pace, timer: None }
    }

    /// Ready once the given number of tokens may have been said. An immediate pace never makes a timer.
    fn poll_due(&mut self, tokens: f64, cx: &mut Context<'_>) -> Poll<()> {
        if self.pace.is_immediate() {
            return Poll::Ready(());
        }
        let due = self.start + self.pace.time_of(tokens);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for EventBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody")
            .field("sent", &self.sent)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl EventBody {
    /// A stream of the events; the fault strikes at its position, if the stream gets that far.
    pub(crate) fn new(
        events: Events,
        fault: Option<Fault>,
        clock: Clock,
        stopping: CancellationToken,
        call: OpenCall,
    ) -> Self {
        let bytes_left = match fault {
            Some(Fault::CutByte(after)) => usize::try_from(after).ok(),
            _ => None,
        };
        Self {
            events,
            next: None,
            fault,
            bytes_left,
            sent: 0,
            said: 0.0,
            clock,
            ended: false,
            silence: None,
            stopping,
            call,
        }
    }

    /// The next frame, or the rest before a cut; `None` is the well-formed end of the response.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut frame = ready!(self.poll_whole_frame(cx));
        if let (Some(left), Some(Ok(bytes))) = (&mut self.bytes_left, &mut frame) {
            let cut = bytes.len() > *left;
            bytes.truncate(*left);
            *left -= bytes.len();
            if *left == 0 && !self.ended {
                self.ended = true;
                if cut || self.events.next().is_some() {
                    self.call.spoil(None);
                }
            }
            if bytes.is_empty() {
                self.call.finish();
                frame = None;
            }
        }
        Poll::Ready(frame)
    }

    fn poll_whole_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.ended {
            self.call.finish();
            return Poll::Ready(None);
        }
        if let Some(silence) = &mut self.silence {
            ready!(silence.over.as_mut().poll(cx));
            if silence.breaks_off {
                return Poll::Ready(Some(Err(broken_off())));
            }
            self.silence = None;
        }
        if self.next.is_none() {
            self.next = self.events.next();
        }
        let Some(event) = &self.next else {
            self.call.finish();
            return Poll::Ready(None);
        };
        let due = self.said + event.tokens;
        ready!(self.clock.poll_due(due, cx));
        if let Some(fault) = self.fault.take_if(|fault| position(fault) == Some(self.sent)) {
            return self.strike(&fault, cx);
        }
        self.said = due;
        Poll::Ready(self.good_frame())
    }

    fn good_frame(&mut self) -> Option<io::Result<Bytes>> {
        self.sent += 1;
        self.frame().map(|frame| Ok(frame.into()))
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        let Event { name, payload, .. } = self.next.take()?;
        if name.ends_with("Exception") {
            return Some(frames::exception_frame(&name, payload));
        }
        Some(match name {
            Cow::Borrowed(name) => frames::event(name, payload),
            Cow::Owned(name) => frames::event(name, payload),
        })
    }

    /// What the wire sees instead of the next event.
    fn strike(&mut self, fault: &Fault, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if !matches!(fault, Fault::Slow { .. } | Fault::UnknownEvent(_)) {
            self.call.spoil(fault.failure().map(|failure| failure.exception));
        }
        let frame = match fault {
            Fault::Stall(_) => {
                let over = Box::pin(self.stopping.clone().cancelled_owned());
                self.silence = Some(Silence { over, breaks_off: true });
                return self.poll_whole_frame(cx);
            }
            Fault::Slow { by, .. } => {
                let over = Box::pin(pace::pause(*by, self.stopping.clone()));
                self.silence = Some(Silence { over, breaks_off: false });
                return self.poll_whole_frame(cx);
            }
            Fault::Reset(_) => {
                self.call.finish();
                self.silence = Some(Silence { over: Box::pin(sleep(FLUSH)), breaks_off: true });
                return self.poll_whole_frame(cx);
            }
            Fault::UnknownEvent(_) => {
                Some(frames::event("somethingNew", Bytes::from_static(br#"{"new":true}"#)))
            }
            Fault::BadCrc(_) => self.frame().map(frames::with_bad_crc),
            Fault::BadPrelude(_) => self.frame().map(frames::with_bad_prelude),
            Fault::CutMidFrame(_) => {
                self.ended = true;
                self.frame().map(frames::half)
            }
            other => {
                self.ended = true;
                other.failure().map(|failure| frames::exception(&failure))
            }
        };
        if frame.is_none() {
            self.call.finish();
        }
        Poll::Ready(frame.map(|frame| Ok(frame.into())))
    }
}

/// After how many good events the fault strikes; `None` for faults that replace the whole response.
fn position(fault: &Fault) -> Option<u32> {
    match fault {
        Fault::Exception { after, .. } | Fault::Slow { after, .. } | Fault::Stall(after) => *after,
        Fault::Cut(after)
        | Fault::CutMidFrame(after)
        | Fault::Reset(after)
        | Fault::BadCrc(after)
        | Fault::BadPrelude(after)
        | Fault::UnknownEvent(after) => Some(*after),
        // It counts bytes.
        Fault::CutByte(_) => None,
        Fault::Garbage | Fault::Http(_) | Fault::Reply(_) | Fault::Events(_) => None,
    }
}

/// An error that makes hyper break the connection, or reset the h2 stream.
pub(crate) fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the emulator breaks the connection off, as scripted")
}
