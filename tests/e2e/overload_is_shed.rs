//! Overload is shed: what is too much is turned away at once and for nothing, and what is not is answered.

mod ends;
mod memory;
mod uploads;

use std::time::Duration;

use bedrock_inference::config::{RouteSetting, Settings};
use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::{ConverseRequest, ConverseResponse, Priority};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status};

use crate::shed::{assert_shed, of};
use crate::stage::{NOVA, Stage, ask_stream, reason, told};

/// Far longer than anything takes.
const SOON: Duration = Duration::from_secs(20);

/// So many calls at a time, and so many that wait.
fn small(calls: usize, queue: usize, wait: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.route = RouteSetting::Converse;
        settings.admission.calls = calls;
        settings.admission.queue = queue;
        settings.admission.wait = wait;
    }
}

/// Calls that run until they are aborted.
async fn running(stage: &Stage, priority: Priority, many: u64) -> Vec<JoinHandle<Result<(), Status>>> {
    let before = stage.emulator.counts().started;
    let mut calls = Vec::new();
    for _ in 0..many {
        stage.emulator.script("stall".parse().unwrap());
        let mut client = stage.inference();
        calls.push(tokio::spawn(async move { client.converse(of(priority)).await.map(drop) }));
    }
    let started = stage.emulator.wait_for(|counts| counts.started == before + many);
    timeout(SOON, started).await.expect("they do not run");
    calls
}

async fn converse(stage: &Stage, request: ConverseRequest) -> Result<ConverseResponse, Status> {
    stage.inference().converse(request).await.map(tonic::Response::into_inner)
}

/// C15: more calls than run and wait.
#[tokio::test]
async fn who_is_turned_away_is_told_at_once_that_a_repeat_is_free() {
    let stage = Stage::open_with(small(3, 0, SOON)).await;
    let calls = running(&stage, Priority::Interactive, 3).await;
    let began = Instant::now();
    for _ in 0..10 {
        assert_shed(&converse(&stage, of(Priority::Interactive)).await.unwrap_err());
        assert_shed(&stage.stream(ask_stream(NOVA, "hello")).await.status);
    }
    println!("20 calls were turned away in {:?}", began.elapsed());
    assert_eq!(stage.emulator.counts().started, 3);
    calls.iter().for_each(JoinHandle::abort);
    stage.emulator.wait_for(|counts| counts.open() == 0).await;
    // The last of a call's work is done behind its upstream's end.
    let runs = async { while converse(&stage, of(Priority::Interactive)).await.is_err() {} };
    timeout(SOON, runs).await.expect("no permit came back");
}

/// C15: a call that waits is answered when another ends, and turned away when none does.
#[tokio::test]
async fn who_waits_is_answered_once_there_is_room() {
    const WAIT: Duration = Duration::from_millis(400);
    let stage = Stage::open_with(small(1, 1, WAIT)).await;
    let calls = running(&stage, Priority::Interactive, 1).await;
    let began = Instant::now();
    assert_shed(&converse(&stage, of(Priority::Interactive)).await.unwrap_err());
    assert!(began.elapsed() >= WAIT, "after {:?}", began.elapsed());
    let (answer, ()) = tokio::join!(converse(&stage, of(Priority::Interactive)), async { calls[0].abort() });
    answer.unwrap();
}

/// C5, C7: a deadline that passes in the queue.
#[tokio::test]
async fn a_deadline_passes_in_the_queue() {
    let stage = Stage::open_with(small(1, 1, SOON)).await;
    let _calls = running(&stage, Priority::Interactive, 1).await;
    let mut request = Request::new(of(Priority::Interactive));
    request.set_timeout(Duration::from_millis(200));
    let status = stage.clockless().converse(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "CLIENT_DEADLINE"));
    assert_eq!(told(&status, "billed"), "none");
    assert_eq!(stage.emulator.counts().started, 1);
}

#[tokio::test]
async fn interactive_calls_get_in_where_batch_calls_fill_the_house() {
    let stage = Stage::open_with(|settings| {
        small(4, 4, SOON)(settings);
        settings.admission.batch = 3;
    })
    .await;
    let batch = running(&stage, Priority::Batch, 3).await;
    // The queue is filled with batch calls, though a permit is free: the fifth has no place.
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let mut client = stage.inference();
        waiting.spawn(async move { client.converse(of(Priority::Batch)).await });
    }
    let turned_away = waiting.join_next().await.unwrap().unwrap();
    assert_shed(&turned_away.unwrap_err());
    for _ in 0..5 {
        converse(&stage, of(Priority::Interactive)).await.unwrap();
    }
    // A full house and a full queue: an interactive call waits in a batch call's place, and goes before the others.
    let interactive = running(&stage, Priority::Interactive, 1).await;
    let mut client = stage.inference();
    let first = tokio::spawn(async move { client.converse(of(Priority::Interactive)).await });
    let displaced = waiting.join_next().await.unwrap().unwrap();
    assert_shed(&displaced.unwrap_err());
    batch[0].abort();
    timeout(SOON, first).await.unwrap().unwrap().unwrap();
    // The others follow.
    while let Some(answer) = timeout(SOON, waiting.join_next()).await.expect("a batch call starves") {
        answer.unwrap().unwrap();
    }
    drop(interactive);
}

/// C4: only so many abandoned calls are read to their end; the others are dropped.
#[tokio::test]
async fn drains_are_bounded_in_number() {
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.admission.drains = 2;
    })
    .await;
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(20.0) });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let request = ask_stream(NOVA, "Write a haiku about rivers.");
        let mut stream = stage.inference().converse_stream(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        streams.push(stream);
    }
    drop(streams);
    timeout(SOON, stage.emulator.wait_for(|counts| counts.open() == 0)).await.expect("something goes on");
    let counts = stage.emulator.counts();
    assert_eq!((counts.finished, counts.aborted), (2, 3));
}
