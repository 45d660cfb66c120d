//! Processes are killed at any moment: every call that Bedrock saw is in the ledger, once, and the next process serves
//! soon.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Pace, Settings};
use bedrock_inference_proto::v1::CallOptions;
use fastrand::Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::book;
use crate::gateway::Gateway;
use crate::postgres::new_database;
use crate::stage::{CLAUDE, NOVA, ask};

/// How often a process is killed; `KILLS` says otherwise.
const KILLS: u64 = 200;

/// At one time.
const CALLERS: usize = 8;

/// The longest that a process may take from its start until it serves.
const RECOVERY: Duration = Duration::from_secs(2);

/// What has been seen of the calls that were made.
#[derive(Default)]
struct Seen {
    /// Bedrock's amounts by its request ids.
    billed: BTreeMap<String, Option<u128>>,
    /// Our ids of the calls that Bedrock saw, each as often as it did.
    calls: Vec<String>,
    slowest: Duration,
}

impl Seen {
    /// Takes what the emulator has seen since the last time.
    fn take(&mut self, emulator: &Emulator) {
        self.billed.extend(emulator.bill().lines.into_iter().map(|line| (line.request_id, line.pico_usd)));
        for call in emulator.calls() {
            let body = String::from_utf8_lossy(&call.body).into_owned();
            let (_, marked) = body.split_once("call-").unwrap();
            let id: String = marked.chars().take_while(char::is_ascii_alphanumeric).collect();
            self.calls.push(format!("call-{id}"));
        }
        emulator.reset_calls();
    }
}

async fn killed_again_and_again(url: &str, folder: &TempDir) {
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = std::env::var("MONEY_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("MONEY_SEED={seed} KILLS={kills}");
    let mut rng = Rng::with_seed(seed);
    let emulator = Emulator::start(Settings::default()).await.unwrap();
    emulator.set_pace(Pace { first_token: Duration::from_millis(3), tokens_per_second: Some(4_000.0) });
    let file = folder.path().join("gateway.toml");
    let spill = folder.path().join("spill");
    let toml = format!(
        "[ledger]\nurl = \"{url}\"\nreplica = \"one\"\nspill = \"{}\"\n[retry]\nattempts = 1\n",
        spill.display()
    );
    std::fs::write(&file, toml).unwrap();
    let mut seen = Seen::default();
    for kill in 0..kills {
        let gateway = Gateway::start(&emulator, &file).await;
        seen.slowest = seen.slowest.max(gateway.started_in);
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let mut client = gateway.client();
            callers.spawn(async move {
                for number in 0.. {
                    let id = format!("call-{kill}x{caller}x{number}");
                    let model = if number % 2 == 0 { CLAUDE } else { NOVA };
                    let options = CallOptions { request_id: Some(id.clone()), ..CallOptions::default() };
                    let mut request = ask(model, &format!("Tell me of {id} please"));
                    request.options = Some(options);
                    if client.converse(request).await.is_err() {
                        return;
                    }
                }
            });
        }
        sleep(Duration::from_micros(rng.u64(0..120_000))).await;
        gateway.service.stop("KILL");
        while callers.join_next().await.is_some() {}
        emulator.wait_for(|calls| calls.started == calls.finished + calls.aborted).await;
        seen.take(&emulator);
    }
    let gateway = Gateway::start(&emulator, &file).await;
    seen.slowest = seen.slowest.max(gateway.started_in);
    gateway.service.stop("TERM");
    judge(&seen, &book::read(url).await);
}

fn judge(seen: &Seen, rows: &[book::Row]) {
    let mut by_call = BTreeMap::<_, Vec<&book::Row>>::new();
    rows.iter().for_each(|row| by_call.entry(row.request_id.as_str()).or_default().push(row));
    let once: BTreeSet<_> = seen.calls.iter().collect();
    assert_eq!(once.len(), seen.calls.len(), "a call was made twice");
    for call in &seen.calls {
        let rows = by_call.get(call.as_str()).unwrap_or_else(|| panic!("{call} is not in the ledger"));
        assert_eq!(rows.len(), 1, "{call}: {rows:?}");
    }
    let mut ends = BTreeMap::<_, usize>::new();
    for row in rows {
        let kind = row.kind.as_deref().unwrap_or_else(|| panic!("open: {row:?}"));
        *ends.entry((kind, row.outcome.as_deref().unwrap())).or_default() += 1;
        let pico_usd = row.pico_usd.unwrap();
        match kind {
            "exact" => {
                let billed = seen.billed.get(row.aws_request_id.as_deref().unwrap()).copied().flatten();
                assert_eq!(billed, u128::try_from(pico_usd).ok(), "{row:?}");
            }
            "estimated" => assert_eq!(pico_usd, row.reserved, "{row:?}"),
            _ => assert_eq!((kind, pico_usd), ("void", 0), "{row:?}"),
        }
    }
    println!(
        "{} calls seen, {} rows, slowest start {:?}, ends {ends:?}",
        seen.calls.len(),
        rows.len(),
        seen.slowest
    );
    assert!(seen.slowest < RECOVERY, "it took {:?} to serve again", seen.slowest);
    assert!(ends.keys().any(|(_, outcome)| *outcome == "RECOVERED"), "no kill struck a call");
}

/// I9: on SQLite.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    killed_again_and_again(&url, &folder).await;
}

/// I9: on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn killed_at_any_moment_on_postgresql() {
    let folder = TempDir::new().unwrap();
    killed_again_and_again(&new_database().await, &folder).await;
}
