//! A caller: calls of all kinds one after the other, some with a deadline, some read slowly, some left.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bedrock_inference_emulator::Emulator;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{OnDisconnect, Route};
use fastrand::Rng;
use hyper_util::client::legacy::{Builder, Client as HttpClient};
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout};

use super::book::Book;
use super::call::{Call, Shape};
use super::tally::{Ended, Tally};
use super::{LATE, SLOW_READER, TOTAL, WAITS};
use crate::stage::{CLAUDE, Clockless, NOVA};

pub type Client = InferenceClient<Clockless>;

/// Of the calls, those that are left at a random moment.
const LEFT: f64 = 0.05;

/// Those with a deadline.
const TIMED: f64 = 0.2;

/// Those with a long answer, and those with a long system prompt.
const LONG: f64 = 0.02;

/// Bytes of a long answer, whose words are long too.
const LONG_TEXT: Range<usize> = 50_000..150_000;
const LONG_WORD: usize = 2_000;

/// Bytes of a long system prompt.
const LONG_SYSTEM: Range<usize> = 100_000..400_000;

/// Words of a short answer.
const WORDS: Range<usize> = 3..100;

/// The longest pause between two calls.
const THINKING: Duration = Duration::from_secs(1);

/// Of the calls that are read slowly, those that are not read at all for a while.
const STUCK: f64 = 0.2;

/// What slow readers let come of a stream.
const NARROW: u32 = 4096;

/// After so many calls the emulator's book is read.
const CHAPTER: u64 = 150;

/// What all callers share.
pub struct Soak {
    pub emulator: Emulator,
    /// Of the service.
    pub addr: SocketAddr,
    pub book: Mutex<Book>,
    pub tally: Mutex<Tally>,
    calls: AtomicU64,
}

impl Soak {
    pub fn new(emulator: Emulator, addr: SocketAddr) -> Self {
        Self { emulator, addr, book: Mutex::default(), tally: Mutex::default(), calls: AtomicU64::new(0) }
    }
}

/// A connection without clocks of its own.
pub fn connect(addr: SocketAddr) -> Client {
    over(HttpClient::builder(TokioExecutor::new()).http2_only(true), addr)
}

/// The same for a slow reader: little comes that is not read.
pub fn connect_narrowly(addr: SocketAddr) -> Client {
    let mut builder = HttpClient::builder(TokioExecutor::new());
    builder.http2_initial_stream_window_size(NARROW);
    over(builder.http2_only(true), addr)
}

fn over(builder: &Builder, addr: SocketAddr) -> Client {
    InferenceClient::with_origin(builder.build_http(), format!("http://{addr}").parse().unwrap())
}

pub struct Caller {
    rng: Rng,
    client: Client,
    reads_slowly: bool,
    soak: Arc<Soak>,
}

impl Caller {
    pub fn new(seed: u64, client: Client, reads_slowly: bool, soak: Arc<Soak>) -> Self {
        Self { rng: Rng::with_seed(seed), client, reads_slowly, soak }
    }

    /// One call after the other until then; the last one is read to its end.
    pub async fn call_until(mut self, end: Instant) {
        while Instant::now() < end {
            let number = self.soak.calls.fetch_add(1, Ordering::Relaxed);
            if number.is_multiple_of(CHAPTER) {
                self.soak.book.lock().unwrap().read(&self.soak.emulator);
            }
            let call = self.next(number);
            let leaves = self.chance(LEFT).then(|| self.moment());
            let ended = self.made(&call, leaves).await;
            self.soak.tally.lock().unwrap().note(ended);
            let thinking = self.up_to(THINKING);
            sleep(thinking).await;
        }
    }

    /// One call to its end, or until it is left.
    async fn made(&mut self, call: &Call, leaves: Option<Duration>) -> Ended {
        let began = Instant::now();
        let made = call.make(&mut self.client);
        let heard = match leaves {
            None => made.await,
            Some(moment) => match timeout(moment, made).await {
                Ok(heard) => heard,
                Err(_) => {
                    return Ended { call: call.number, report: None, reason: None, late: Duration::ZERO };
                }
            },
        };
        let took = began.elapsed().saturating_sub(heard.paused);
        let (report, reason) = heard.judge(call);
        // A slow reader's last event may wait beyond the clock of the whole answer.
        let own = TOTAL + if self.reads_slowly { SLOW_READER } else { Duration::ZERO };
        for attempt in &report.attempts {
            let took = Duration::try_from(attempt.duration.unwrap_or_default()).unwrap();
            assert!(took < own + LATE, "an attempt of call {} took {took:?}", call.number);
        }
        let limit = call.deadline.unwrap_or(own + WAITS);
        assert!(took < limit + LATE, "call {} took {took:?}, not {limit:?}: {reason:?}", call.number);
        let late = call.deadline.map_or(Duration::ZERO, |deadline| took.saturating_sub(deadline));
        Ended { call: call.number, report: Some(report), reason, late }
    }

    fn next(&mut self, number: u64) -> Call {
        let streams = self.reads_slowly || self.rng.bool();
        let shape = match (streams, self.rng.bool()) {
            (true, true) => Shape::ConverseStream,
            (true, false) => Shape::InvokeModelStream,
            (false, true) => Shape::Converse,
            (false, false) => Shape::InvokeModel,
        };
        let long = self.reads_slowly || self.chance(LONG);
        let model = if long || self.rng.bool() { CLAUDE } else { NOVA };
        let route = if self.rng.bool() { Route::Native } else { Route::Converse };
        let policy = if self.rng.bool() { OnDisconnect::Drain } else { OnDisconnect::Cancel };
        let deadline = self.chance(TIMED).then(|| self.up_to(Duration::from_secs(3)));
        let deadline = deadline.map(|deadline| deadline.max(Duration::from_millis(20)));
        let text = self.text(number, long);
        let system = self.chance(LONG).then(|| "Be brief. ".repeat(self.rng.usize(LONG_SYSTEM) / 10));
        let pauses = if self.reads_slowly { self.pauses() } else { Vec::new() };
        Call { number, shape, model, route, policy, text, system, deadline, pauses }
    }

    /// A text that no other call has.
    fn text(&mut self, number: u64, long: bool) -> String {
        let mut text = format!("call-{number}");
        let bytes = if long { self.rng.usize(LONG_TEXT) } else { 0 };
        for word in 1..self.rng.usize(WORDS) {
            text.push_str(&format!(" {word}-{}", self.rng.u32(..)));
        }
        while text.len() < bytes {
            text.push(' ');
            text.extend((0..LONG_WORD / 4).map(|_| ["abcd", "efgh", "\u{e9}t", "wxyz"][self.rng.usize(..4)]));
        }
        text
    }

    /// A little before each message; sometimes longer than the service bears.
    fn pauses(&mut self) -> Vec<Duration> {
        let mut pauses: Vec<_> = (0..100).map(|_| self.up_to(Duration::from_millis(20))).collect();
        if self.chance(STUCK) {
            let at = self.rng.usize(..20);
            pauses[at] = SLOW_READER * 3;
        }
        pauses
    }

    /// When a caller leaves: mostly while an answer comes, sometimes where nothing does.
    fn moment(&mut self) -> Duration {
        let longest = if self.chance(0.75) { Duration::from_millis(400) } else { Duration::from_secs(3) };
        self.up_to(longest)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.f64())
    }
}
