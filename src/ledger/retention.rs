//! Retention: attempts that ended long ago are taken out, a few at a time, over a connection of its own.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use sqlx::Error;
use tokio::sync::watch;
use tokio::time::{interval, sleep};
use uuid::Uuid;

use super::period::Moment;
use super::store::{Connection, Database, Statement, statement};
use super::{Files, Ledger};
use crate::config::{LedgerPlace, LedgerSettings, UpstreamKind};

const FORGET_BALANCES: Statement = statement!("forget_balances");
const FORGET_RESERVED: Statement = statement!("forget_reserved");
const FORGET_RESULTS: Statement = statement!("forget_results");
const FORGET_SETTLED: Statement = statement!("forget_settled");
const OLD: Statement = statement!("old");
const TENANTS: Statement = statement!("tenants");

/// How often old rows are looked for.
const ROUND: Duration = Duration::from_secs(60 * 60);

/// Between two transactions, others write.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Serialize)]
struct Before<'a> {
    tenant: &'a str,
    until: i64,
    day: String,
}

#[derive(Serialize)]
struct Which<'a> {
    tenant: &'a str,
    attempts: Vec<Uuid>,
}

/// Takes out what is older, once an hour, until the writer has gone.
pub(super) async fn keep(database: Database, retention: Duration, mut up: watch::Receiver<bool>) {
    let mut rounds = interval(ROUND);
    let sweeping = async {
        loop {
            rounds.tick().await;
            let Some(end) = SystemTime::now().checked_sub(retention) else { continue };
            match sweep(&database, end).await {
                Ok(0) => {}
                Ok(attempts) => {
                    tracing::info!(attempts, "attempts beyond the retention are taken out of the ledger")
                }
                Err(error) => tracing::warn!(%error, "the ledger's old rows stay for another hour"),
            }
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = async { while up.changed().await.is_ok() {} } => {}
    }
}

async fn sweep(database: &Database, end: SystemTime) -> Result<usize, Error> {
    let mut connection = database.connect().await?;
    let tenants: Vec<String> = connection.rows(TENANTS, &"").await?;
    let mut count = 0;
    for tenant in tenants {
        count += forget(&mut connection, &tenant, end).await?;
    }
    connection.close().await;
    Ok(count)
}

/// Takes a tenant's ended attempts out that began before a time, its answers that are kept for repeats since before then,
/// and its balances of periods that had ended by then.
async fn forget(connection: &mut Connection, tenant: &str, end: SystemTime) -> Result<usize, Error> {
    let end = Moment::from(end);
    let before = Before { tenant, until: end.micros(), day: end.day() };
    let mut count = 0;
    loop {
        let attempts: Vec<Uuid> = connection.rows(OLD, &before).await?;
        if attempts.is_empty() {
            break;
        }
        count += attempts.len();
        let which = Which { tenant, attempts };
        connection.begin().await?;
        connection.run(FORGET_SETTLED, &which).await?;
        connection.run(FORGET_RESERVED, &which).await?;
        connection.commit().await?;
        sleep(PAUSE).await;
    }
    connection.run(FORGET_RESULTS, &before).await?;
    connection.run(FORGET_BALANCES, &before).await?;
    Ok(count)
}

impl Ledger {
    /// Takes a tenant's ended attempts out of the ledger of these settings that began before a time, all where it is
    /// `None`; and its balances of periods that had ended by then. Returns how many attempts there were.
    ///
    /// # Errors
    /// What cannot be used, in words for the operator: another process has the file, for one.
    pub async fn purge(
        settings: &LedgerSettings,
        upstream: UpstreamKind,
        tenant: &str,
        before: Option<SystemTime>,
    ) -> Result<usize, String> {
        let place = settings.place(upstream)?;
        if place == LedgerPlace::Temporary {
            return Err("ledger.url: a temporary ledger has nothing that could be purged".to_owned());
        }
        let _files = Files::of(&place, settings)?;
        let purged = async {
            let mut connection = Database::of(&place)?.connect().await.map_err(|error| error.to_string())?;
            let end = before.unwrap_or_else(SystemTime::now);
            let count = forget(&mut connection, tenant, end).await.map_err(|error| error.to_string())?;
            connection.close().await;
            Ok(count)
        };
        purged.await.map_err(|error: String| format!("ledger.url: {error}"))
    }
}
