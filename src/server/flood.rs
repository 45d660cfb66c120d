//! Flood: HTTP/2 frames are counted as they arrive, and a client that only sends frames is cut.
//!
//! h2 bounds what a frame costs in memory, and answers some floods with GOAWAY; PING, SETTINGS, PRIORITY and
//! WINDOW_UPDATE may come without end, and each takes its time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::watch::Watch;

/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames that a client may send at once while nothing is answered.
const AT_ONCE: u64 = 8_000;

/// Frames that it may send each second beside.
const A_SECOND: u64 = 2_000;

/// Frames that each frame of an answer pays for. A call needs three or four; Go's HTTP client sends eight for the
/// largest frame, since it renews two windows behind every 4 KiB.
const FOR_AN_ANSWER: u64 = 8;

/// What a reset counts: the call that it ends may have been begun, and the beginning of its answer has paid. A
/// client may cancel 300 calls at once, more than twice those it may have, and 75 each second beside.
const RESET: u64 = 24;

/// What settings count, which touch every stream.
const SETTING: u64 = 8;

/// DATA from this size on is work, not noise.
const WORTHWHILE: usize = 256;

/// Types of frames.
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

/// A connection whose frames are counted.
pub(super) struct Metered<Io> {
    io: Io,
    meter: Meter,
    watch: Arc<Watch>,
}

impl<Io> Metered<Io> {
    pub(super) fn new(io: Io, watch: Arc<Watch>) -> Self {
        Self { io, meter: Meter::new(Instant::now()), watch }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Metered<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let Self { meter, watch, .. } = &mut *self;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !meter.read(read, || watch.answers()) {
            watch.flooded();
            return Poll::Ready(Err(io::Error::other("a flood of frames")));
        }
        if meter.has_opened() {
            watch.opened();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Metered<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Counts the frames in the bytes that pass.
struct Meter {
    place: Place,
    opened: bool,
    allowance: u64,
    refilled: Instant,
}

/// Where in the bytes we are.
enum Place {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// So many bytes of a frame's header have come.
    Header([u8; 9], usize),
    /// So many bytes of a frame are still to come.
    Payload(usize),
    /// This is not HTTP/2.
    Elsewhere,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self { place: Place::Preface(0), opened: false, allowance: AT_ONCE, refilled: now }
    }

    /// Whether the client has said more than the preface.
    fn has_opened(&self) -> bool {
        self.opened
    }

    /// Reads the next bytes; `answers` takes the number of frames that were answered since it was last asked.
    /// `false` where there are too many frames.
    fn read(&mut self, mut bytes: &[u8], answers: impl Fn() -> u64) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Preface(seen) if PREFACE.get(*seen) == Some(first) => {
                    *seen += 1;
                    if *seen == PREFACE.len() {
                        self.place = Place::Header([0; 9], 0);
                    }
                    bytes = rest;
                }
                Place::Preface(_) => {
                    self.opened = true;
                    self.place = Place::Elsewhere;
                }
                Place::Header(header, seen) => {
                    if let Some(byte) = header.get_mut(*seen) {
                        *byte = *first;
                    }
                    *seen += 1;
                    bytes = rest;
                    if *seen == header.len() {
                        let header = *header;
                        if !self.frame(header, &answers) {
                            return false;
                        }
                    }
                }
                Place::Payload(left) => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.place = Place::Header([0; 9], 0);
                    }
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
                Place::Elsewhere => return true,
            }
        }
        true
    }

    fn frame(&mut self, [high, middle, low, kind, ..]: [u8; 9], answers: impl Fn() -> u64) -> bool {
        self.opened = true;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.place = if length == 0 { Place::Header([0; 9], 0) } else { Place::Payload(length) };
        let cost = match kind {
            DATA if length >= WORTHWHILE => 0,
            RST_STREAM => RESET,
            SETTINGS => SETTING,
            _ => 1,
        };
        if self.allowance < cost {
            self.refill(Instant::now(), answers());
        }
        self.allowance.checked_sub(cost).map(|left| self.allowance = left).is_some()
    }

    fn refill(&mut self, now: Instant, answers: u64) {
        let passed = u64::try_from((now - self.refilled).as_millis()).unwrap_or(u64::MAX);
        let earned = (passed.saturating_mul(A_SECOND) / 1_000).saturating_add(answers * FOR_AN_ANSWER);
        self.allowance = self.allowance.saturating_add(earned).min(AT_ONCE);
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut frame = vec![0, high, low, kind, 0, 0, 0, 0, 1];
        frame.resize(9 + usize::from(length), b'x');
        frame
    }

    /// How many of these frames are read before the meter stops.
    fn read(frames: &[Vec<u8>], answers_each: u64) -> usize {
        let mut meter = Meter::new(Instant::now());
        meter.read(PREFACE, || 0);
        let good = frames.iter().enumerate().take_while(|(index, frame)| {
            let answers = || if *index == 0 { 0 } else { answers_each * AT_ONCE };
            meter.read(frame, answers)
        });
        good.count()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_ask_for_nothing_are_few() {
        for (kind, length) in [(6, 8), (8, 4), (2, 5), (0, 0), (0, 255), (9, 100), (250, 0)] {
            assert_eq!(read(&vec![frame(kind, length); 9_000], 0), 8_000, "type {kind}");
        }
        for (kind, length, few) in [(3, 4, 333), (4, 0, 1_000)] {
            assert_eq!(read(&vec![frame(kind, length); 9_000], 0), few, "type {kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_begun_pay_for_no_resets() {
        let mut meter = Meter::new(Instant::now());
        meter.read(PREFACE, || 0);
        let (cancelled, answers) = ([frame(1, 40), frame(3, 4)].concat(), Cell::new(0));
        let calls = (0..100_000).take_while(|_| {
            answers.set(answers.get() + 1);
            meter.read(&cancelled, || answers.take())
        });
        let calls = calls.count();
        assert!(calls <= 500, "{calls}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_free_and_answers_pay() {
        assert_eq!(read(&vec![frame(0, 16_384); 5_000], 0), 5_000);
        assert_eq!(read(&vec![frame(1, 40); 50_000], 1), 50_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_client_may_go_on_for_ever() {
        let mut meter = Meter::new(Instant::now());
        meter.read(PREFACE, || 0);
        for _ in 0..20_000 {
            assert!(meter.read(&frame(6, 8), || 0));
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn what_is_not_http_2_is_not_counted() {
        let mut meter = Meter::new(Instant::now());
        assert!(!meter.has_opened());
        assert!(meter.read(b"PR", || 0) && !meter.has_opened());
        assert!(meter.read(b"OPFIND / HTTP/1.1\r\n", || 0) && meter.has_opened());
        assert!(meter.read(&[0; 100_000], || 0));
    }

    proptest! {
        /// However the bytes are cut, the same frames are counted.
        #[test]
        fn pieces_do_not_matter(
            frames in prop::collection::vec((0u8..10, 0u16..600), 0..80),
            cuts in prop::collection::vec(1usize..50, 1..40),
        ) {
            let bytes: Vec<u8> =
                PREFACE.iter().copied().chain(frames.iter().flat_map(|(kind, length)| frame(*kind, *length))).collect();
            let mut meter = Meter::new(Instant::now());
            let (mut rest, mut cuts) = (bytes.as_slice(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                prop_assert!(meter.read(piece, || 0));
                rest = left;
            }
            let counted = frames.iter().filter(|(kind, length)| *kind != DATA || usize::from(*length) < WORTHWHILE);
            let costs = counted.map(|(kind, _)| match *kind {
                RST_STREAM => RESET,
                SETTINGS => SETTING,
                _ => 1,
            });
            prop_assert_eq!(AT_ONCE - meter.allowance, costs.sum::<u64>());
        }
    }
}
