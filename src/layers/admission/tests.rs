//! Permits among tasks: whoever leaves at whatever moment, none is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{advance, sleep, timeout};

use super::*;

const WAIT: Duration = Duration::from_millis(100);

fn admission(calls: usize, batch: usize, queue: usize) -> Admission {
    let settings = AdmissionSettings { calls, batch, queue, wait: WAIT, ..AdmissionSettings::default() };
    Admission::new(settings, Pressure::default())
}

async fn admit(admission: &Admission, priority: Priority) -> Result<Lent, Reason> {
    admission.admit(priority, None).await.map_err(|error| error.reason)
}

/// Everything that can be had now.
fn free(admission: &Admission) -> Vec<Lent> {
    let next = || admission.admit(Priority::Interactive, None).now_or_never().and_then(Result::ok);
    std::iter::from_fn(next).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_runs_when_a_call_ends_and_is_turned_away_when_none_does() {
    let one = admission(1, 1, 10);
    let runs = admit(&one, Priority::Interactive).await;
    let waits = admit(&one, Priority::Interactive);
    let ends = async {
        sleep(WAIT / 2).await;
        drop(runs);
    };
    let (waited, ()) = tokio::join!(waits, ends);
    assert!(waited.is_ok());
    let began = Instant::now();
    assert_eq!(admit(&one, Priority::Interactive).await.err(), Some(Reason::ServerOverloaded));
    // The first call took half of it, which is no reason to turn anybody away at once.
    assert_eq!(began.elapsed(), WAIT);
    drop(waited);
    assert_eq!(free(&one).len(), 1);
}

/// C5: a caller who leaves, and one whose deadline passes, while they wait.
#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_makes_room() {
    let one = admission(1, 1, 1);
    let runs = admit(&one, Priority::Interactive).await;
    assert!(timeout(WAIT / 2, admit(&one, Priority::Interactive)).await.is_err(), "it left");
    let soon = Instant::now() + WAIT / 2;
    let late = one.admit(Priority::Interactive, Some(soon)).await.map_err(|error| error.reason);
    assert_eq!(late.err(), Some(Reason::ClientDeadline));
    assert_eq!(Instant::now(), soon);
    let over = one.admit(Priority::Interactive, Some(Instant::now())).now_or_never();
    assert_eq!(over.and_then(Result::err).map(|error| error.reason), Some(Reason::ClientDeadline));
    let mut waits = Box::pin(admit(&one, Priority::Interactive));
    assert!(waits.as_mut().now_or_never().is_none(), "there is room for one");
    assert_eq!(
        admit(&one, Priority::Interactive).now_or_never().and_then(Result::err),
        Some(Reason::ServerOverloaded)
    );
    drop(runs);
    assert!(waits.await.is_ok());
    assert_eq!(free(&one).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_on_its_way_to_somebody_who_leaves_goes_to_the_next() {
    let one = admission(1, 1, 10);
    let runs = admit(&one, Priority::Interactive).await;
    let mut leaves = Box::pin(admit(&one, Priority::Interactive));
    let mut stays = Box::pin(admit(&one, Priority::Batch));
    assert!(leaves.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
    drop(runs);
    assert!(stays.as_mut().now_or_never().is_none(), "it is not its turn");
    drop(leaves);
    assert!(stays.now_or_never().is_some_and(|got| got.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_not_end_before_the_deadline_is_not_begun() {
    let one = admission(1, 1, 10);
    let runs = admit(&one, Priority::Interactive).await;
    advance(WAIT / 2).await;
    drop(runs);
    let _runs = admit(&one, Priority::Interactive).await;
    let deadline = Some(Instant::now() + WAIT / 4);
    let refused = one.admit(Priority::Interactive, deadline).now_or_never();
    assert_eq!(refused.and_then(Result::err).map(|error| error.reason), Some(Reason::ServerOverloaded));
}

/// Without a paused clock, on threads that meet: a permit is handed to somebody who leaves between the two steps of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_permit_is_lost_among_threads() {
    let few = admission(2, 2, 50);
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let few = few.clone();
        tasks.spawn(async move {
            for _ in 0..20_000 {
                tokio::select! {
                    got = few.admit(Priority::Interactive, None) => {
                        yield_now().await;
                        drop(got);
                    }
                    () = yield_now() => {}
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(free(&few).len(), 2);
}

/// I12: batch calls first, then everybody.
#[tokio::test]
async fn short_memory_turns_calls_away() {
    let pressure = Pressure::default();
    let admission = Admission::new(AdmissionSettings::default(), pressure.clone());
    for (level, batch, interactive) in [
        (Level::Normal, true, true),
        (Level::Elevated, true, true),
        (Level::High, false, true),
        (Level::Critical, false, false),
        (Level::Normal, true, true),
    ] {
        pressure.set(level);
        for (priority, passes) in [(Priority::Batch, batch), (Priority::Interactive, interactive)] {
            assert_eq!(admit(&admission, priority).await.is_ok(), passes, "{level:?} {priority:?}");
        }
    }
}

/// A call of the property, in milliseconds: when it comes, whether it is a batch call, how long its work takes, and
/// after how much waiting its caller leaves.
type Life = (u64, bool, u64, u64);

/// How many run, in all and of batch.
type Running = Arc<[AtomicUsize; 2]>;

async fn live((comes, batch, works, leaves): Life, admission: Admission, running: Running) {
    let priority = if batch { Priority::Batch } else { Priority::Interactive };
    sleep(Duration::from_millis(comes)).await;
    let lent = tokio::select! {
        // First, so that some leave at the very moment at which their permit is handed to them.
        biased;
        () = sleep(Duration::from_millis(leaves)) => return,
        answer = admission.admit(priority, None) => answer,
    };
    let Ok(lent) = lent else { return };
    let counts = [1, usize::from(batch)];
    let most = [admission.settings.calls, admission.settings.batch];
    for ((running, count), most) in running.iter().zip(counts).zip(most) {
        assert!(running.fetch_add(count, Ordering::Relaxed) + count <= most);
    }
    sleep(Duration::from_millis(works)).await;
    running.iter().zip(counts).for_each(|(running, count)| {
        running.fetch_sub(count, Ordering::Relaxed);
    });
    drop(lent);
}

proptest! {
    #[test]
    fn every_permit_comes_back(
        (calls, batch, queue) in (1usize..5, 1usize..5, 0usize..8),
        lives in prop::collection::vec((0u64..200, any::<bool>(), 0u64..60, 0u64..120), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.map_err(|error| TestCaseError::fail(error.to_string()))?.block_on(async {
            let (admission, running) = (admission(calls, batch, queue), Running::default());
            let mut tasks = JoinSet::new();
            for life in lives {
                tasks.spawn(live(life, admission.clone(), Arc::clone(&running)));
            }
            while let Some(ended) = tasks.join_next().await {
                prop_assert!(ended.is_ok());
            }
            prop_assert_eq!(free(&admission).len(), calls);
            Ok(())
        })?;
    }
}
