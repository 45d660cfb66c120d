//! Watch: what one connection is doing, and whether its client still reads.
//!
//! hyper does not poll a body while the client's window is shut, so no clock inside a body can notice a
//! reader who is stuck. The connection looks from outside, at when each body was last asked for more.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Bytes that are handed over at a time, whatever a message has: what is handed over is out of our hands.
const PIECE: usize = 64 * 1024;

/// Bytes of the largest DATA frame that h2 makes of a piece.
const FRAME: usize = 16 * 1024;

/// Streams of one connection that may be stuck.
const STUCK_STREAMS: usize = 16;

/// So many times longer than a stuck stream is noticed it is borne.
const PATIENCE: u32 = 10;

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    opened: AtomicBool,
    flooded: AtomicBool,
    answers: AtomicU64,
    streams: Mutex<Streams>,
}

#[derive(Debug)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, Arc<Reader>>,
    idle_since: Instant,
}

/// What the reader of one stream is doing.
#[derive(Debug, Default)]
struct Reader {
    /// When it was last handed something, in milliseconds of the connection and 1 more; 0 while it asks for
    /// more.
    handed: AtomicU64,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// It is not needed: it may be closed.
    Idle,
    /// Its client does not read.
    Stuck,
}

impl Watch {
    pub(super) fn new() -> Arc<Self> {
        let began = Instant::now();
        let streams = Streams { next: 0, open: BTreeMap::new(), idle_since: began };
        Arc::new(Self {
            began,
            opened: AtomicBool::new(false),
            flooded: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            streams: Mutex::new(streams),
        })
    }

    /// The client has begun to speak.
    pub(super) fn opened(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_opened(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    /// The client has sent too many frames.
    pub(super) fn flooded(&self) {
        self.flooded.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    /// So many frames of answers go out.
    fn answered(&self, frames: usize) {
        self.answers.fetch_add(u64::try_from(frames).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Frames of answers since this was last asked.
    pub(super) fn answers(&self) -> u64 {
        self.answers.swap(0, Ordering::Relaxed)
    }

    /// A request has come.
    pub(super) fn stream(self: &Arc<Self>) -> Stream {
        let reader = Arc::new(Reader::default());
        let mut streams = self.streams();
        let id = streams.next;
        streams.next += 1;
        streams.open.insert(id, Arc::clone(&reader));
        drop(streams);
        Stream { id, reader, watch: Arc::clone(self) }
    }

    /// How the connection stands: idle after `idle` without a stream, stuck where too many readers have not
    /// read for `slow`, or one for far longer.
    pub(super) fn verdict(&self, idle: Duration, slow: Duration) -> Verdict {
        let streams = self.streams();
        if streams.open.is_empty() {
            return if streams.idle_since.elapsed() >= idle { Verdict::Idle } else { Verdict::Fine };
        }
        let now = self.now();
        let stuck = streams.open.values().filter_map(|reader| match reader.handed.load(Ordering::Relaxed) {
            0 => None,
            handed => Some(Duration::from_millis(now.saturating_sub(handed))),
        });
        let stuck: Vec<_> = stuck.filter(|stuck| *stuck >= slow).collect();
        let hopeless = stuck.iter().any(|stuck| *stuck >= slow * PATIENCE);
        if stuck.len() > STUCK_STREAMS || hopeless { Verdict::Stuck } else { Verdict::Fine }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its answer; open until dropped.
#[derive(Debug)]
pub(super) struct Stream {
    id: u64,
    reader: Arc<Reader>,
    watch: Arc<Watch>,
}

impl Stream {
    /// The answer's body, watched; its headers are there.
    pub(super) fn body<B>(self, body: B) -> Watched<B> {
        self.watch.answered(1);
        Watched { body, rest: Bytes::new(), stream: self }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut streams = self.watch.streams();
        streams.open.remove(&self.id);
        if streams.open.is_empty() {
            streams.idle_since = Instant::now();
        }
    }
}

/// A body that notes when it is asked for more, and hands over pieces.
pub(super) struct Watched<B> {
    body: B,
    rest: Bytes,
    stream: Stream,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.stream.reader.handed.store(0, Ordering::Relaxed);
        let frame = if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Err(trailers))) => trailers,
                Some(Ok(Ok(data))) => {
                    self.rest = data;
                    self.piece()
                }
            }
        } else {
            self.piece()
        };
        self.stream.reader.handed.store(self.stream.watch.now(), Ordering::Relaxed);
        self.stream.watch.answered(1 + frame.data_ref().map_or(0, Bytes::len) / FRAME);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl<B> Watched<B> {
    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        Frame::data(self.rest.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, stream};
    use http_body_util::{BodyExt, Full, StreamBody};
    use tokio::time::advance;

    use super::*;

    const IDLE: Duration = Duration::from_secs(600);
    const SLOW: Duration = Duration::from_secs(30);

    fn verdict(watch: &Watch) -> Verdict {
        watch.verdict(IDLE, SLOW)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_streams_is_idle_after_a_while() {
        let watch = Watch::new();
        let stream = watch.stream();
        advance(IDLE * 2).await;
        assert_eq!(verdict(&watch), Verdict::Fine, "a call that is being answered");
        drop(stream);
        assert_eq!(verdict(&watch), Verdict::Fine);
        advance(IDLE).await;
        assert_eq!(verdict(&watch), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_waits_for_us_is_not_stuck_and_one_that_waits_for_its_reader_is() {
        let watch = Watch::new();
        let silent = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let mut waiting = watch.stream().body(StreamBody::new(silent));
        assert!(waiting.frame().now_or_never().is_none());
        advance(SLOW * 100).await;
        assert_eq!(verdict(&watch), Verdict::Fine);

        let mut unread = watch.stream().body(Full::new(Bytes::from_static(b"hello")));
        assert!(unread.frame().now_or_never().is_some());
        advance(SLOW * 9).await;
        assert_eq!(verdict(&watch), Verdict::Fine, "one stuck stream is borne for a while");
        advance(SLOW).await;
        assert_eq!(verdict(&watch), Verdict::Stuck);
        assert!(unread.frame().now_or_never().is_some_and(|end| end.is_none()));
        assert_eq!(verdict(&watch), Verdict::Fine, "it was asked for more");
    }

    #[tokio::test(start_paused = true)]
    async fn many_stuck_streams_are_not_borne() {
        let watch = Watch::new();
        let mut unread: Vec<_> =
            (0..17).map(|_| watch.stream().body(Full::new(Bytes::from_static(b"hello")))).collect();
        for body in &mut unread {
            assert!(body.frame().now_or_never().is_some());
        }
        advance(SLOW - Duration::from_millis(1)).await;
        assert_eq!(verdict(&watch), Verdict::Fine);
        advance(Duration::from_millis(1)).await;
        assert_eq!(verdict(&watch), Verdict::Stuck);
        unread.truncate(16);
        assert_eq!(verdict(&watch), Verdict::Fine);
    }

    #[tokio::test]
    async fn a_large_message_is_handed_over_in_pieces() {
        let watch = Watch::new();
        let message: Bytes = (0..200_000).map(|n: u32| n.to_le_bytes()[0]).collect();
        let mut body = watch.stream().body(Full::new(message.clone()));
        let mut pieces = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            pieces.push(frame.into_data().unwrap_or_default());
            assert_eq!(body.size_hint().exact(), Some(200_000 - sum(&pieces)));
        }
        assert!(pieces.len() == 4 && pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces.concat(), message);
        // Headers, three pieces of more than four frames, and one of less than one.
        assert_eq!(watch.answers(), 17);
    }

    fn sum(pieces: &[Bytes]) -> u64 {
        pieces.iter().map(|piece| u64::try_from(piece.len()).unwrap_or_default()).sum()
    }
}
