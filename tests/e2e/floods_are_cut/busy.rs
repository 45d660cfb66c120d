//! Busy clients are no floods: whatever a good client does, its connection stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::{CallOptions, ConverseStreamRequest, GetModelRequest, OnDisconnect};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use crate::raw_http2::{DATA, INITIAL_WINDOW_SIZE, Raw, call, window_update};
use crate::stage::{NOVA, Stage, answer_of, ask, ask_stream};
use crate::the_edge_speaks_grpc::raw::{CONVERSE, framed};

/// Calls that one connection may have at a time.
const STREAMS: usize = 128;

/// Far longer than anything takes.
const SOON: Duration = Duration::from_secs(20);

const BUSY: Duration = Duration::from_secs(3);

/// A stream that says nothing, and ends when its caller leaves.
pub fn silent() -> ConverseStreamRequest {
    let options = CallOptions { on_disconnect: OnDisconnect::Cancel.into(), ..CallOptions::default() };
    let request_metadata = [("emulator-fault".to_owned(), "stall".to_owned())].into();
    ConverseStreamRequest { options: Some(options), request_metadata, ..ask_stream(NOVA, "hello") }
}

/// Answers read, refusals read, and calls cancelled.
#[derive(Default)]
struct Done {
    read: AtomicUsize,
    refused: AtomicUsize,
    cancelled: AtomicUsize,
}

async fn reads(stage: Arc<Stage>, done: Arc<Done>, end: Instant) {
    while Instant::now() < end {
        let ending = stage.stream(ask_stream(NOVA, "Repeat after me: one two three four five")).await;
        assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
        done.read.fetch_add(1, Ordering::Relaxed);
    }
}

async fn is_refused(stage: Arc<Stage>, done: Arc<Done>, end: Instant) {
    while Instant::now() < end {
        let request = GetModelRequest { model_id: "nobody.knows-it-v1:0".to_owned() };
        let status = stage.models().get_model(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        done.refused.fetch_add(1, Ordering::Relaxed);
    }
}

async fn uploads(stage: Arc<Stage>, done: Arc<Done>, end: Instant) {
    let large = ask("nobody.knows-it-v1:0", &"river ".repeat(200_000));
    while Instant::now() < end {
        let status = stage.inference().converse(large.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        done.refused.fetch_add(1, Ordering::Relaxed);
    }
}

async fn cancels(stage: Arc<Stage>, done: Arc<Done>, end: Instant) {
    while Instant::now() < end {
        let mut client = stage.inference();
        let asked = timeout(Duration::from_millis(100), client.converse_stream(silent())).await;
        assert!(asked.is_err(), "{asked:?}");
        done.cancelled.fetch_add(1, Ordering::Relaxed);
    }
}

/// C11, C13: 128 calls at a time on one connection: answers, refusals, uploads and 100 cancels a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_is_borne() {
    let stage = Arc::new(Stage::by_converse().await);
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(100.0) });
    let (done, end) = (Arc::<Done>::default(), Instant::now() + BUSY);
    let mut tasks = JoinSet::new();
    for worker in 0..STREAMS {
        let (stage, done) = (Arc::clone(&stage), Arc::clone(&done));
        match worker {
            0..2 => tasks.spawn(uploads(stage, done, end)),
            2..12 => tasks.spawn(cancels(stage, done, end)),
            12..28 => tasks.spawn(is_refused(stage, done, end)),
            _ => tasks.spawn(reads(stage, done, end)),
        };
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    println!(
        "in {BUSY:?} on one connection: {:?} streams, {:?} refusals, {:?} cancels",
        done.read, done.refused, done.cancelled
    );
}

/// C11: every stream of a connection is cancelled at once, and again, beside one that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_cancels_is_borne() {
    let stage = Arc::new(Stage::by_converse().await);
    let mut running =
        stage.inference().converse_stream(ask_stream(NOVA, "hello")).await.unwrap().into_inner();
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(5.0) });
    for round in 1..=2 {
        let mut tasks = JoinSet::new();
        for _ in 1..STREAMS {
            let mut client = stage.inference();
            tasks.spawn(async move { client.converse_stream(silent()).await.map(drop) });
        }
        let started = 1 + u64::try_from(round * (STREAMS - 1)).unwrap();
        let begun = stage.emulator.wait_for(|counts| counts.started >= started);
        timeout(SOON, begun).await.expect("the connection was cut");
        tasks.shutdown().await;
    }
    while running.message().await.unwrap().is_some() {}
}

/// C13: a reader that tells two windows of every 4 KiB, as Go's HTTP client does, whatever the answer's size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_window_updates_for_a_large_answer_are_borne() {
    const STEP: u32 = 4096;
    let stage = Stage::by_converse().await;
    stage.emulator.script(answer_of(24 << 20));
    let mut raw = Raw::open(stage.addr, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    raw.to.say(&window_update(0, 1 << 20)).await;
    raw.to.say(&call(1, CONVERSE, &[], &framed(&ask(NOVA, "hello")))).await;
    let (mut read, mut untold) = (0, 0);
    loop {
        let frame = raw.heard().await.expect("the reader was cut");
        if frame.kind == DATA {
            read += frame.payload.len();
            untold += u32::try_from(frame.payload.len()).unwrap();
            while untold >= STEP {
                untold -= STEP;
                raw.to.say(&[window_update(0, STEP), window_update(1, STEP)].concat()).await;
            }
        }
        if frame.ends_stream() {
            break;
        }
    }
    assert!(read > 24 << 20);
}
