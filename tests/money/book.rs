//! The book: what stands in a ledger's database, read without the ledger.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection, query_scalar};

/// One attempt.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub tenant: String,
    pub request_id: String,
    pub reserved: i64,
    /// How it ended; `None` while it is open.
    pub kind: Option<String>,
    pub outcome: Option<String>,
    pub aws_request_id: Option<String>,
    pub pico_usd: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Balance {
    tenant: String,
    period: String,
    settled: i64,
    reserved: i64,
}

/// Columns and their names in JSON.
const ROW: &str = "'tenant', reserved.tenant, 'request_id', reserved.request_id, 'reserved', reserved.pico_usd, 'kind', kind, \
                   'outcome', outcome, 'aws_request_id', aws_request_id, 'pico_usd', settled.pico_usd";
const ROWS: &str = "FROM reserved LEFT JOIN settled USING (attempt)";
const BALANCE: &str = "'tenant', tenant, 'period', period, 'settled', settled, 'reserved', reserved";

/// Every attempt in the database at this URL. Each has its place in the balances, and nothing else has.
pub async fn read(url: &str) -> Vec<Row> {
    let rows: Vec<Row> = parsed(&texts(url, ROW, ROWS).await);
    let mut sums = BTreeMap::<_, (i64, i64)>::new();
    for row in &rows {
        let (settled, reserved) = sums.entry(row.tenant.clone()).or_default();
        match row.pico_usd {
            Some(pico_usd) => *settled += pico_usd,
            None => *reserved += row.reserved,
        }
    }
    let mut months = BTreeMap::<_, (i64, i64)>::new();
    for Balance { tenant, period, settled, reserved } in
        parsed::<Balance>(&texts(url, BALANCE, "FROM balances").await)
    {
        // A run may go on over midnight.
        if period.len() == "2026-11".len() {
            let (month_settled, month_reserved) = months.entry(tenant).or_default();
            *month_settled += settled;
            *month_reserved += reserved;
        }
    }
    assert_eq!(sums, months, "rows and balances differ");
    rows
}

fn parsed<T: for<'t> Deserialize<'t>>(texts: &[String]) -> Vec<T> {
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

async fn texts(url: &str, columns: &str, from: &str) -> Vec<String> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        let sql = AssertSqlSafe(format!("SELECT json_object({columns}) {from}"));
        return query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    }
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = AssertSqlSafe(format!("SELECT json_build_object({columns})::text {from}"));
    query_scalar(sql).fetch_all(&mut connection).await.unwrap()
}
