//! Floods of frames end with the connection that they come on; other connections hardly notice.

mod busy;
mod headers;

use std::time::{Duration, Instant};

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use tokio::join;
use tokio::time::timeout;

use self::busy::silent;
use crate::apart::{Apart, Caller, MIB};
use crate::raw_http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, Raw, call, frame, literal,
    request, reset, settings, window_update,
};
use crate::stage::{NOVA, ask};
use crate::the_edge_speaks_grpc::raw::{CONVERSE, CONVERSE_STREAM, framed};

/// What a flood holds, unless it is cut.
const UNITS: u32 = 100_000;

/// From its first frame to its end.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// What all floods of a test may add to the service's memory.
const GROWTH: u64 = 16 * MIB;

/// Pairs of calls from which a percentile is taken.
const PAIRS: usize = 30;

/// Waits of others, next to those in quiet: a bound for a machine that does other things too.
const PATIENCE: f64 = 20.0;

/// How one flood ended.
struct Cut {
    after: Duration,
    /// The code of GOAWAY, if there was one.
    code: Option<u32>,
}

/// Floods one connection until it is closed.
async fn flood(apart: &Apart, begins: &[u8], unit: impl Fn(u32) -> Vec<u8>) -> Cut {
    const AT_ONCE: u32 = 100;
    let Raw { mut to, mut from } = Raw::open(apart.addr(), &[]).await;
    to.say(begins).await;
    let began = Instant::now();
    let flooding = async {
        for wave in 0..UNITS / AT_ONCE {
            let units: Vec<u8> = (0..AT_ONCE).flat_map(|n| unit(wave * AT_ONCE + n)).collect();
            if !to.say(&units).await {
                return;
            }
        }
    };
    let hearing = async {
        let mut code = None;
        while let Some(frame) = from.next().await {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        Cut { after: began.elapsed(), code }
    };
    join!(flooding, hearing).1
}

/// Floods the service again and again, as this unit does, while somebody else calls.
async fn is_cut(what: &str, begins: &[u8], unit: impl Fn(u32) -> Vec<u8>) {
    let apart = Apart::open(&[]).await;
    let caller = Caller::start(apart.channel().await);
    // The first calls fill the service's pools.
    let mut calls = caller.luck_of(PAIRS).await.took.len();
    let mut quiet = caller.luck_of(PAIRS).await;
    calls += quiet.took.len();
    let (before, mut most) = (apart.resident(), 0);
    let mut cuts = Vec::new();
    while cuts.len() < 3 || caller.count() < PAIRS {
        cuts.push(flood(&apart, begins, &unit).await);
        most = most.max(apart.resident());
    }
    let mut loud = caller.stop().await;
    calls += loud.took.len();

    let slowest = cuts.iter().map(|cut| cut.after).max().unwrap();
    let ratio = loud.p99().as_secs_f64() / quiet.p99().as_secs_f64();
    let grown = most.saturating_sub(before);
    println!(
        "{what}: {} connections, each cut within {slowest:?} (GOAWAY {:?}); memory +{:.1} MiB; others' p99 {:?}, \
         {ratio:.1} times the quiet one",
        cuts.len(),
        cuts[0].code,
        grown as f64 / MIB as f64,
        loud.p99(),
    );
    assert!(slowest < CUT_WITHIN, "{what}: it went on for {slowest:?}");
    assert!(loud.failures.is_empty(), "{what}: others' calls failed: {:?}", loud.failures);
    assert!(grown <= GROWTH, "{what}: memory grew by {grown} bytes");
    assert!(ratio < PATIENCE, "{what}: others waited {ratio} times as long");
    let started = apart.emulator.counts().started;
    assert_eq!(started, 2 * u64::try_from(calls).unwrap(), "{what}: the flood reached the upstream");
    InferenceClient::new(apart.channel().await).converse(ask(NOVA, "hello")).await.unwrap();
}

/// The nth stream of a client.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

/// The headers of a call, whose message is still to come.
fn begun(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request(CONVERSE, &[]))
}

/// A call without a message.
fn empty(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request(CONVERSE, &[]))
}

fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[16]].concat())
}

/// C11: rapid reset, CVE-2023-44487.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_begun_calls() {
    is_cut("HEADERS, RST_STREAM", &[], |n| [begun(stream(n)), reset(stream(n))].concat()).await;
}

/// C11: the same without a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_empty_calls() {
    is_cut("HEADERS with END_STREAM, RST_STREAM", &[], |n| [empty(stream(n)), reset(stream(n))].concat())
        .await;
}

/// C11: made to reset, CVE-2025-8671: a window update of zero.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_must_be_reset_for_empty_window_updates() {
    is_cut("HEADERS, WINDOW_UPDATE of 0", &[], |n| [begun(stream(n)), window_update(stream(n), 0)].concat())
        .await;
}

/// C11: made to reset, CVE-2025-8671: a window that overflows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_must_be_reset_for_windows_too_large() {
    let unit = |n| [begun(stream(n)), window_update(stream(n), 0x7fff_ffff)].concat();
    is_cut("HEADERS, WINDOW_UPDATE of 2^31-1", &[], unit).await;
}

/// C11: made to reset, CVE-2025-8671: a stream that depends on itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_must_be_reset_for_depending_on_themselves() {
    let unit = |n| [begun(stream(n)), priority(stream(n), stream(n))].concat();
    is_cut("HEADERS, PRIORITY on itself", &[], unit).await;
}

/// C11: made to reset, CVE-2025-8671: DATA behind the end of a stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_must_be_reset_for_data_behind_their_end() {
    let unit = |n| [empty(stream(n)), frame(DATA, 0, stream(n), b"more")].concat();
    is_cut("HEADERS with END_STREAM, DATA", &[], unit).await;
}

/// C11: resets of a stream that is closed already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_a_closed_stream() {
    is_cut("RST_STREAM", &begun(1), |_| reset(1)).await;
}

/// C12: CONTINUATION without an end, RUSTSEC-2024-0332.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_headers() {
    let begins = frame(HEADERS, 0, 1, &request(CONVERSE, &[]));
    is_cut("CONTINUATION", &begins, |n| frame(CONTINUATION, 0, 1, &literal("x", &n.to_string()))).await;
}

/// C12: the same with nothing in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_empty_headers() {
    let begins = frame(HEADERS, 0, 1, &request(CONVERSE, &[]));
    is_cut("empty CONTINUATION", &begins, |_| frame(CONTINUATION, 0, 1, &[])).await;
}

/// C13: DATA of nothing, RUSTSEC-2026-0258.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_data() {
    is_cut("empty DATA", &begun(1), |_| frame(DATA, 0, 1, &[])).await;
}

/// C13: DATA of a byte, of a message that is told to be large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiny_data() {
    let begins = [begun(1), frame(DATA, 0, 1, &[0, 0, 16, 0, 0])].concat();
    is_cut("DATA of 1 byte", &begins, |_| frame(DATA, 0, 1, b"x")).await;
}

/// C13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings() {
    is_cut("PING", &[], |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())).await;
}

/// C13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_without_and_with_a_change() {
    is_cut("SETTINGS", &[], |_| settings(&[])).await;
    // Each changes the window of every stream.
    let begins: Vec<u8> = (0..100).flat_map(|n| begun(stream(n))).collect();
    is_cut("SETTINGS of windows", &begins, |n| settings(&[(4, 65_535 + n % 2)])).await;
}

/// C13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn window_updates() {
    is_cut("WINDOW_UPDATE", &[], |_| window_update(0, 1)).await;
}

/// C13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn priorities() {
    is_cut("PRIORITY", &[], |n| priority(stream(n), 0)).await;
}

/// C13: types that nobody knows must be ignored, but not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_unknown_types() {
    is_cut("type 250", &[], |_| frame(250, 0, 0, b"something new")).await;
}

/// C15: streams without end, of which each must be refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_the_limit() {
    is_cut("HEADERS", &[], |n| begun(stream(n))).await;
}

/// C11: rapid reset so slow that each call is accepted, and may be begun, before it is reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_accepted_calls() {
    const TOGETHER: u32 = 50;
    let apart = Apart::open(&[]).await;
    let caller = Caller::start(apart.channel().await);
    let message = framed(&silent());
    let mut raw = Raw::open(apart.addr(), &[]).await;
    let (began, mut resets) = (Instant::now(), 0);
    for wave in 0..UNITS / TOGETHER {
        let streams = (wave * TOGETHER..(wave + 1) * TOGETHER).map(stream);
        let calls = streams.clone().flat_map(|stream| call(stream, CONVERSE_STREAM, &[], &message));
        // The acknowledgement says that they have been read.
        let asked: Vec<u8> = calls.chain(frame(PING, 0, 0, &[0; 8])).collect();
        let accepted = async {
            loop {
                match raw.from.next().await {
                    None => return false,
                    Some(frame) if frame.kind == PING => return true,
                    Some(_) => {}
                }
            }
        };
        let all: Vec<u8> = streams.flat_map(reset).collect();
        if !raw.to.say(&asked).await || !accepted.await || !raw.to.say(&all).await {
            break;
        }
        resets += TOGETHER;
    }
    let after = began.elapsed();
    let luck = caller.stop().await;
    assert!(luck.failures.is_empty(), "{:?}", luck.failures);
    // Behind a whole call of somebody else, what had been begun before has arrived too.
    let mut good = InferenceClient::new(apart.channel().await);
    good.converse(ask(NOVA, "hello")).await.unwrap();
    let landed = apart.emulator.wait_for(|counts| counts.open() == 0);
    timeout(Duration::from_secs(10), landed).await.expect("calls hang");
    let others = 2 * u64::try_from(luck.took.len()).unwrap() + 1;
    let whole = apart.emulator.counts().started - others;
    println!(
        "resets of accepted calls: cut after {after:?} and {resets} of them; {whole} had reached the upstream"
    );
    // Each counts as 25 frames and more, of 8,000 at once and 2,000 a second.
    let borne = (8_000.0 + 2_000.0 * after.as_secs_f64()) / 25.0 + f64::from(TOGETHER);
    assert!(f64::from(resets) <= borne, "{resets} resets in {after:?}");
    // Nothing that was read before the cut is begun behind it.
    good.converse(ask(NOVA, "hello")).await.unwrap();
    assert_eq!(apart.emulator.counts().started, others + whole + 1);
}

/// C8, C11: messages that are promised and never come: a promise of 32 MiB is five bytes, and costs little here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_only_promised() {
    const PROMISES: u32 = 100;
    let apart = Apart::open(&[]).await;
    let caller = Caller::start(apart.channel().await);
    drop(caller.luck_of(PAIRS).await);
    let before = apart.resident();
    let mut raw = Raw::open(apart.addr(), &[]).await;
    for stream in (0..PROMISES).map(stream) {
        let promise = frame(DATA, 0, stream, &[0, 1, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5]);
        raw.to.say(&[begun(stream), promise].concat()).await;
    }
    // The acknowledgement says that they have been read.
    raw.to.say(&frame(PING, 0, 0, &[0; 8])).await;
    while raw.from.next().await.expect("it was cut").kind != PING {}
    assert!(caller.luck_of(PAIRS).await.failures.is_empty());
    let grown = apart.resident().saturating_sub(before);
    println!("{PROMISES} promises of 32 MiB: memory +{:.1} MiB", grown as f64 / MIB as f64);
    assert!(grown <= GROWTH, "memory grew by {grown} bytes");
}
