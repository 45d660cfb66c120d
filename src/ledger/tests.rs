//! The contract of a ledger, which both databases keep.

#![expect(clippy::unwrap_used, clippy::unreachable, reason = "tests")]

mod results;

use std::fmt::Debug;

use futures_util::future::join_all;
use serde::Deserialize;
use tempfile::TempDir;

use super::*;
use crate::ledger::store::Statement;
use results::{
    a_new_process_frees_what_was_never_sent, an_id_stands_for_one_call, of_many_claims_one_is_the_first,
    results_end_with_their_window,
};

/// A database of its own, and ledgers on it.
struct Desk {
    folder: TempDir,
    url: String,
}

const ROWS: Statement = Statement {
    sqlite: "SELECT json_object('tenant', reserved.tenant, 'reserved', reserved.pico_usd, 'kind', kind, 'settled', settled.pico_usd, \
             'outcome', outcome) FROM reserved LEFT JOIN settled USING (attempt) WHERE ?1 IS NOT NULL ORDER BY reserved.at, number",
    postgres: "SELECT json_build_object('tenant', reserved.tenant, 'reserved', reserved.pico_usd, 'kind', kind, 'settled', \
               settled.pico_usd, 'outcome', outcome)::text FROM reserved LEFT JOIN settled USING (attempt) WHERE $1 <> '' \
               ORDER BY reserved.at, number",
};

const BALANCES: Statement = Statement {
    sqlite: "SELECT json_object('tenant', tenant, 'period', period, 'settled', settled, 'reserved', reserved) FROM balances \
             WHERE ?1 IS NOT NULL",
    postgres: "SELECT json_build_object('tenant', tenant, 'period', period, 'settled', settled, 'reserved', reserved)::text \
               FROM balances WHERE $1 <> ''",
};

#[derive(Debug, Deserialize)]
struct Row {
    tenant: String,
    reserved: i64,
    kind: Option<Kind>,
    settled: Option<i64>,
    outcome: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Balance {
    tenant: String,
    period: String,
    settled: i64,
    reserved: i64,
}

impl Desk {
    /// On SQLite.
    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Self { folder, url }
    }

    /// On a new database of the server that `POSTGRES_URL` names.
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the server is")]
    async fn postgres() -> Self {
        let server = std::env::var("POSTGRES_URL").unwrap();
        let name = format!("ledger_{}", Uuid::now_v7().simple());
        let Database::Postgres(options) = Database::server(&server).unwrap() else { unreachable!() };
        let mut connection = sqlx::ConnectOptions::connect(&*options).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        Self { folder: TempDir::new().unwrap(), url: format!("{server}/{name}") }
    }

    async fn open(&self, replica: &str) -> Result<Ledger, String> {
        let settings = LedgerSettings {
            url: Some(self.url.clone()),
            replica: Some(replica.to_owned()),
            spill: self.folder.path().join(format!("{replica}.spill")),
            timeout: Duration::from_secs(10),
            retention: None,
        };
        Ledger::open(&settings, UpstreamKind::Aws).await
    }
}

impl Ledger {
    async fn rows(&self) -> Vec<Row> {
        self.0.readers.rows(ROWS, &"").await.unwrap()
    }

    /// Every row has its place in the sums, and nothing else has.
    async fn checked(&self) -> Vec<Row> {
        let (rows, balances): (_, Vec<Balance>) =
            (self.rows().await, self.0.readers.rows(BALANCES, &"").await.unwrap());
        let mut sums = std::collections::BTreeMap::<_, (i64, i64)>::new();
        for row in &rows {
            let sum = sums.entry(row.tenant.clone()).or_default();
            match row.settled {
                Some(settled) => sum.0 += settled,
                None => sum.1 += row.reserved,
            }
        }
        for Balance { tenant, period, settled, reserved } in balances {
            // All of it is of today.
            let sum = sums.get(&tenant).copied().unwrap_or_default();
            assert_eq!((settled, reserved), sum, "{tenant} {period}");
        }
        rows
    }

    /// Whatever was asked for until now has been written.
    async fn quiet(&self) {
        drop(self.reserve(&tenant("quiet"), Planned::default(), Vec::new()).await);
        drop(self.reserve(&tenant("quiet"), Planned::default(), Vec::new()).await);
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::of_test(name)
}

fn worth(pico_usd: i64) -> Planned {
    Planned { request_id: "r".to_owned(), number: 1, operation: "Converse", pico_usd, ..Planned::default() }
}

fn exact(pico_usd: i64) -> Settlement {
    Settlement {
        kind: Kind::Exact,
        outcome: "OK".to_owned(),
        pico_usd: Some(pico_usd),
        ..Settlement::default()
    }
}

fn a_day(pico_usd: i64) -> Vec<Budget> {
    vec![Budget { period: Period::Day, pico_usd, warn: 0.8 }]
}

/// Runs a part of the contract on both databases.
macro_rules! contract {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Desk::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL"]
            async fn $name() {
                super::$name(super::Desk::postgres().await).await;
            })+
        }
    };
}

mod usage;

contract! {
    an_attempt_is_reserved_and_settled_once
    what_is_dropped_is_settled_all_the_same
    budgets_hold_in_any_order
    callers_are_warned_before_a_budget_ends
    a_new_process_settles_what_the_old_one_left
    rows_never_change
    texts_are_stored_as_they_are
    an_id_stands_for_one_call
    of_many_claims_one_is_the_first
    a_new_process_frees_what_was_never_sent
    results_end_with_their_window
}

async fn an_attempt_is_reserved_and_settled_once(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let (reservation, _) = ledger.reserve(&tenant("a"), worth(50), Vec::new()).await.unwrap();
    let rows = ledger.checked().await;
    assert!(matches!(rows.as_slice(), [Row { reserved: 50, kind: None, .. }]), "{rows:?}");
    reservation.dispatch().settle(exact(20));
    ledger.quiet().await;
    let rows = ledger.checked().await;
    assert!(matches!(rows.first(), Some(Row { kind: Some(Kind::Exact), settled: Some(20), .. })), "{rows:?}");
}

async fn what_is_dropped_is_settled_all_the_same(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let (never_sent, _) = ledger.reserve(&tenant("a"), worth(50), Vec::new()).await.unwrap();
    let (sent, _) = ledger.reserve(&tenant("a"), worth(70), Vec::new()).await.unwrap();
    drop(never_sent);
    drop(sent.dispatch());
    // Nobody hears of this one.
    for _ in 0..50 {
        let wanted = tenant("a");
        let unheard = ledger.reserve(&wanted, worth(90), Vec::new());
        let _ = timeout(Duration::from_micros(fastrand::u64(0..2000)), unheard).await;
    }
    ledger.quiet().await;
    ledger.quiet().await;
    let rows = ledger.checked().await;
    let ends: Vec<_> =
        rows.iter().filter(|row| row.tenant == "a").map(|row| (row.kind, row.settled)).collect();
    assert_eq!(
        ends.get(..2),
        Some([(Some(Kind::Void), Some(0)), (Some(Kind::Estimated), Some(70))].as_slice())
    );
    assert!(ends.iter().skip(2).all(|end| *end == (Some(Kind::Void), Some(0))), "{ends:?}");
}

async fn budgets_hold_in_any_order(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let calls = (0..200).map(|_| {
        let ledger = ledger.clone();
        async move {
            let (reservation, _) = ledger.reserve(&tenant("a"), worth(10), a_day(1_000)).await.ok()?;
            Some(reservation.dispatch())
        }
    });
    let under_way: Vec<_> = join_all(calls).await.into_iter().flatten().collect();
    assert_eq!(under_way.len(), 100);
    // Another tenant has its own, and a month is a budget of its own.
    assert!(ledger.reserve(&tenant("b"), worth(10), a_day(1_000)).await.is_ok());
    let month = vec![Budget { period: Period::Month, pico_usd: 1_005, warn: 1.0 }];
    let refused = ledger.reserve(&tenant("a"), worth(10), month).await.unwrap_err();
    assert!(matches!(refused, Refused::Budget(Standing { used: 1_000, .. })), "{refused:?}");
    // Half of it comes back.
    under_way.into_iter().for_each(|attempt| attempt.settle(exact(5)));
    ledger.quiet().await;
    ledger.checked().await;
    let mut passed = 0;
    while let Ok((reservation, _)) = ledger.reserve(&tenant("a"), worth(10), a_day(1_000)).await {
        reservation.dispatch().settle(exact(10));
        passed += 1;
    }
    assert_eq!(passed, 50);
}

async fn callers_are_warned_before_a_budget_ends(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let mut warned = Vec::new();
    for _ in 0..10 {
        let (reservation, near) = ledger.reserve(&tenant("a"), worth(10), a_day(100)).await.unwrap();
        reservation.dispatch().settle(exact(10));
        warned.push(near.first().map(|standing| standing.used));
    }
    assert_eq!(warned, [None, None, None, None, None, None, None, Some(80), Some(90), Some(100)]);
    let most = vec![Budget { period: Period::Day, pico_usd: i64::MAX, warn: 1.0 }];
    let refused = ledger.reserve(&tenant("a"), worth(i64::MAX), most).await;
    assert!(matches!(refused, Err(Refused::Budget(_))), "a sum beyond 64 bits passed");
}

async fn a_new_process_settles_what_the_old_one_left(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let mut left = Vec::new();
    for _ in 0..30 {
        left.push(ledger.reserve(&tenant("a"), worth(10), Vec::new()).await.unwrap().0.dispatch());
    }
    assert!(desk.open("one").await.is_err(), "two processes have one name");
    // It ends without a word of them.
    ledger.close().await;
    left.into_iter().for_each(std::mem::forget);
    drop(ledger);
    let ledger = desk.open("one").await.unwrap();
    let rows = ledger.checked().await;
    assert_eq!(rows.len(), 30);
    for row in rows {
        assert_eq!((row.kind, row.settled), (Some(Kind::Estimated), Some(10)));
        assert_eq!(row.outcome.as_deref(), Some("RECOVERED"));
    }
}

async fn rows_never_change(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    drop(ledger.reserve(&tenant("a"), worth(10), Vec::new()).await.unwrap());
    ledger.quiet().await;
    ledger.close().await;
    let place = LedgerSettings { url: Some(desk.url.clone()), ..LedgerSettings::default() };
    let database = match place.place(UpstreamKind::Aws).unwrap() {
        LedgerPlace::Server(url) => Database::server(&url).unwrap(),
        LedgerPlace::File(path) => Database::file(&path),
        LedgerPlace::Temporary => unreachable!(),
    };
    let mut connection = database.connect().await.unwrap();
    for (sqlite, postgres) in [
        (
            "UPDATE reserved SET pico_usd = 0 WHERE ?1 IS NOT NULL",
            "UPDATE reserved SET pico_usd = 0 WHERE $1 <> ''",
        ),
        (
            "UPDATE settled SET pico_usd = 0 WHERE ?1 IS NOT NULL",
            "UPDATE settled SET pico_usd = 0 WHERE $1 <> ''",
        ),
    ] {
        let changed = connection.run(Statement { sqlite, postgres }, &"x").await.unwrap_err();
        assert!(changed.to_string().contains("never change"), "{changed}");
    }
}

async fn texts_are_stored_as_they_are(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    for odd in ["", "'; DROP TABLE reserved; --", "\u{0}nul", "\"{}[]\\ ☃ 🐘", "$1 ?1"] {
        let planned = Planned {
            model_id: odd.to_owned(),
            labels: [("team".to_owned(), odd.replace('\0', ""))].into(),
            ..worth(1)
        };
        ledger.reserve(&tenant("a"), planned, Vec::new()).await.unwrap().0.dispatch().settle(exact(1));
    }
    ledger.quiet().await;
    assert_eq!(ledger.checked().await.iter().filter(|row| row.tenant == "a").count(), 5);
}
