//! The ledger's database goes away for a while under load: calls under way end well, new ones are refused, and in the
//! end every call is booked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bedrock_inference_emulator::Pace;
use fastrand::Rng;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::postgres::new_database;
use crate::stage::{NOVA, Stage, ask, reason};
use crate::{book, caller, the_ledger_equals_the_bill};

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(20);

/// Before and after.
const AROUND: Duration = Duration::from_secs(3);

/// How often a connection breaks, and how long calls are made meanwhile.
const BREAKS: usize = 100;
const BREAKING: Duration = Duration::from_secs(9);

/// A way to the database that can be closed.
struct Bridge {
    is_open: AtomicBool,
    closed: Notify,
}

impl Bridge {
    /// Carries connections of a new address to that one.
    async fn to(target: String) -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let bridge = Arc::new(Self { is_open: AtomicBool::new(true), closed: Notify::new() });
        let guarded = Arc::clone(&bridge);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (bridge, target) = (Arc::clone(&guarded), target.clone());
                tokio::spawn(async move {
                    let closed = bridge.closed.notified();
                    if bridge.is_open.load(Ordering::SeqCst) {
                        let mut far = TcpStream::connect(target).await.unwrap();
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            () = closed => {}
                        }
                    }
                });
            }
        });
        (bridge, port)
    }

    /// Breaks what is carried, and carries nothing more.
    fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.closed.notify_waiters();
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

/// The way to a new database, its URL over it, and the URL past it.
async fn bridged() -> (Arc<Bridge>, String, String) {
    let url = new_database().await;
    let (host, name) = url.rsplit_once('/').unwrap();
    let (user, address) = host.rsplit_once('@').unwrap();
    let (bridge, port) = Bridge::to(address.to_owned()).await;
    (bridge, format!("{user}@127.0.0.1:{port}/{name}"), url)
}

/// A stage whose ledger is at this URL, and which reads every answer to its end.
async fn booking(url: String, folder: &TempDir) -> Stage {
    Stage::open_with(|settings| {
        settings.ledger.url = Some(url);
        settings.ledger.spill = folder.path().join("spill");
        settings.admission.drains = 1_000;
    })
    .await
}

/// Calls everything until then.
fn call_until(end: Instant, stage: &Stage, callers: u64) -> JoinSet<()> {
    let mut calling = JoinSet::new();
    for seed in 0..callers {
        let client = stage.inference();
        calling.spawn(async move {
            let mut rng = Rng::with_seed(seed);
            while Instant::now() < end {
                caller::call(client.clone(), &mut rng).await;
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    calling
}

/// I7: connections break again and again, also between a commit and its answer: whatever has been written and was not
/// heard of is void, and nothing is written twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_hundred_broken_connections() {
    let (folder, (bridge, over, past)) = (TempDir::new().unwrap(), bridged().await);
    let stage = booking(over, &folder).await;
    let mut callers = call_until(Instant::now() + BREAKING, &stage, 16);
    for _ in 0..BREAKS {
        sleep(Duration::from_micros(fastrand::u64(20_000..150_000))).await;
        bridge.closed.notify_waiters();
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    stage.shutdown.cancel();
    stage.service.await.unwrap().unwrap();
    the_ledger_equals_the_bill::compare(&stage.emulator.bill(), &book::read(&past).await);
}

/// I6: nothing is missing, nothing is booked twice, and nobody waits for a database that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn twenty_seconds_without_a_database() {
    let (folder, (bridge, over, past)) = (TempDir::new().unwrap(), bridged().await);
    let stage = booking(over, &folder).await;
    stage.emulator.set_pace(Pace { first_token: Duration::from_millis(50), tokens_per_second: Some(200.0) });
    let mut callers = call_until(Instant::now() + AROUND + AWAY + AROUND, &stage, 24);
    sleep(AROUND).await;
    bridge.close();
    sleep(AWAY / 2).await;
    let began = Instant::now();
    let refused = stage.inference().converse(ask(NOVA, "hi")).await.unwrap_err();
    assert_eq!(reason(&refused), "LEDGER_UNAVAILABLE", "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?} to say no", began.elapsed());
    let spilled = std::fs::metadata(folder.path().join("spill")).unwrap().len();
    assert!(spilled > 0, "nothing had to be spilled");
    sleep(AWAY / 2).await;
    bridge.open();
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    stage.inference().converse(ask(NOVA, "hi")).await.unwrap();
    stage.shutdown.cancel();
    stage.service.await.unwrap().unwrap();
    println!("{spilled} bytes had been spilled after {AWAY:?} / 2");
    assert_eq!(std::fs::metadata(folder.path().join("spill")).unwrap().len(), 0);
    the_ledger_equals_the_bill::compare(&stage.emulator.bill(), &book::read(&past).await);
}
