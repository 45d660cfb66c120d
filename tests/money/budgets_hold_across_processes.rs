//! Three processes, one database, one budget: nothing is spent above it.

use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Pace, Settings};
use bedrock_inference_proto::v1::{ConverseRequest, InferenceConfiguration};
use futures_util::future::join_all;
use tempfile::TempDir;
use tonic::{Request, Status};

use crate::book;
use crate::gateway::Gateway;
use crate::postgres::new_database;
use crate::process::{program, run};
use crate::stage::{NOVA, ask, reason};

const CALLS: usize = 1_000;

/// So many of them the budget is for.
const AFFORDED: usize = 100;

/// Calls over one connection.
const ON_ONE_CONNECTION: usize = 100;

fn request() -> ConverseRequest {
    let inference_config =
        InferenceConfiguration { max_tokens: Some(100), ..InferenceConfiguration::default() };
    ConverseRequest { inference_config: Some(inference_config), ..ask(NOVA, "What does it cost?") }
}

/// A new key of a tenant, and the line for it in the file.
fn key(tenant: &str) -> (String, String) {
    let made = run(&mut program(&["keys", "new", tenant]));
    let line = made.stderr.lines().find(|line| line.trim_start().starts_with("keys = ")).unwrap().to_owned();
    (made.stdout.trim().to_owned(), line)
}

fn with_key(key: &str) -> Request<ConverseRequest> {
    let mut request = Request::new(request());
    request.metadata_mut().insert("x-api-key", key.parse().unwrap());
    request
}

/// C18: exactly as many pass as the budget is for, and in the end nothing is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_thousand_calls_against_a_budget_for_a_hundred() {
    let (folder, url) = (TempDir::new().unwrap(), new_database().await);
    let emulator = Emulator::start(Settings::default()).await.unwrap();
    let (key, line) = key("team");
    let write = |replica: &str, budget: &str| {
        let file = folder.path().join(format!("{replica}.toml"));
        let spill = folder.path().join(format!("{replica}.spill"));
        let toml = format!(
            "[ledger]\nurl = \"{url}\"\nreplica = \"{replica}\"\nspill = \"{}\"\ntimeout = \"60s\"\n\
             [tenants.team]\n{line}\n{budget}\n",
            spill.display()
        );
        std::fs::write(&file, toml).unwrap();
        file
    };
    // What one of them is reserved.
    let probe = Gateway::start(&emulator, &write("probe", "")).await;
    probe.client().converse(with_key(&key)).await.unwrap();
    probe.service.stop("TERM");
    let rows = book::read(&url).await;
    let (spent, each) = (rows[0].pico_usd.unwrap(), rows[0].reserved);
    let limit = spent + each * i64::try_from(AFFORDED).unwrap();
    let budget = format!(
        "budget = {{ day_usd = \"{}.{:012}\" }}",
        limit / 1_000_000_000_000,
        limit % 1_000_000_000_000
    );
    // None ends before all have begun.
    emulator.set_pace(Pace { first_token: Duration::from_secs(8), tokens_per_second: None });
    let files = ["a", "b", "c"].map(|replica| write(replica, &budget));
    let gateways = [
        Gateway::start(&emulator, &files[0]).await,
        Gateway::start(&emulator, &files[1]).await,
        Gateway::start(&emulator, &files[2]).await,
    ];
    let mut clients = Vec::new();
    for number in 0..CALLS.div_ceil(ON_ONE_CONNECTION) {
        clients.push(gateways[number % gateways.len()].new_client().await);
    }
    let calls = (0..CALLS).map(|number| {
        let (mut client, request) = (clients[number % clients.len()].clone(), with_key(&key));
        async move { client.converse(request).await.map(drop) }
    });
    let ends: Vec<Result<(), Status>> = join_all(calls).await;
    let passed = ends.iter().filter(|end| end.is_ok()).count();
    for status in ends.iter().filter_map(|end| end.as_ref().err()) {
        assert_eq!(reason(status), "TENANT_BUDGET_EXCEEDED", "{status:?}");
    }
    assert_eq!((passed, emulator.counts().started), (AFFORDED, u64::try_from(AFFORDED).unwrap() + 1));
    for gateway in gateways {
        assert_eq!(gateway.service.stop("TERM"), Some(0));
    }
    let rows = book::read(&url).await;
    assert!(rows.iter().all(|row| row.kind.as_deref() == Some("exact")), "{rows:?}");
    let spent: i64 = rows.iter().filter_map(|row| row.pico_usd).sum();
    println!("{passed} of {CALLS} passed, {spent} of {limit} pico-USD spent");
    assert!(spent <= limit);
}
