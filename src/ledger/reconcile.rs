//! Reconcile: a tenant's rows beside Bedrock's log of model invocations.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, Sub};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::calls::Row;
use super::rows::Kind;
use super::store::{Statement, statement};
use super::usage::Span;
use super::{Ledger, Unreadable};
use crate::principal::TenantId;

const LOGGED: Statement = statement!("logged");
const UNLOGGED: Statement = statement!("unlogged");

/// The log counts whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// The most entries of each list.
pub const MOST_LISTED: usize = 1000;

/// A line of the log, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// AWS's request id.
    pub request_id: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The region that was called.
    #[serde(default)]
    pub region: String,
    /// AWS's operation.
    #[serde(default)]
    pub operation: String,
    /// The id that was called.
    #[serde(default)]
    pub model_id: String,
    /// Why it failed; empty where it did not.
    #[serde(default)]
    pub error_code: String,
    #[serde(default)]
    input: Input,
    #[serde(default)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Input {
    input_token_count: u32,
    cache_read_input_token_count: u32,
    cache_write_input_token_count: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Output {
    output_token_count: u32,
}

/// Token counts, or a difference of them, as the log has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogTokens {
    /// Input tokens outside the prompt cache.
    pub input: i64,
    /// Read from the prompt cache.
    pub cache_read: i64,
    /// Written to the prompt cache, for however long.
    pub cache_write: i64,
    /// Output tokens.
    pub output: i64,
}

/// How log and ledger differ.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Lines with an id of their own.
    pub lines: usize,
    /// Those that the ledger has.
    pub matched: usize,
    /// Those of them that failed, and are compared no further.
    pub failed: usize,
    /// Every call that differs, failed ones aside.
    pub drifts: Vec<Drift>,
    /// Every line that the ledger has not.
    pub not_in_ledger: Vec<LogLine>,
    /// Some rows that the log has not.
    pub not_in_log: Vec<Row>,
    /// How many there are.
    pub missing_in_log: i64,
    /// The log's sum over what was compared.
    pub log_tokens: LogTokens,
    /// The ledger's.
    pub ledger_tokens: LogTokens,
}

/// A call that log and ledger have differently.
#[derive(Debug)]
pub struct Drift {
    /// The ledger's.
    pub row: Row,
    /// The log's tokens less the ledger's.
    pub tokens: LogTokens,
    /// The log's cost less the ledger's; `None` where it is not known.
    pub pico_usd: Option<i64>,
}

#[derive(Serialize)]
struct Asked<'a> {
    tenant: &'a str,
    ids: BTreeSet<&'a str>,
    since: i64,
    until: i64,
    most: usize,
}

#[derive(Deserialize)]
struct Unlogged {
    row: Row,
    count: i64,
}

impl LogLine {
    /// Its counts.
    #[must_use]
    pub fn tokens(&self) -> LogTokens {
        LogTokens {
            input: self.input.input_token_count.into(),
            cache_read: self.input.cache_read_input_token_count.into(),
            cache_write: self.input.cache_write_input_token_count.into(),
            output: self.output.output_token_count.into(),
        }
    }

    fn time(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.timestamp.trim_end_matches('Z')).ok()
    }
}

impl LogTokens {
    fn of(row: &Row) -> Self {
        Self {
            input: row.input,
            cache_read: row.cache_read,
            cache_write: row.cache_write_5m.saturating_add(row.cache_write_1h),
            output: row.output,
        }
    }
}

impl Sub for LogTokens {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
            cache_write: self.cache_write.saturating_sub(other.cache_write),
            output: self.output.saturating_sub(other.output),
        }
    }
}

impl AddAssign for LogTokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
    }
}

impl Ledger {
    /// Compares a tenant's rows with lines of the log. `price` says what the log's tokens cost at a row's prices. Rows that
    /// the log lacks are looked for from `from` until before `to`; where these are `None`, in the time of the lines.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reconcile(
        &self,
        tenant: &TenantId,
        lines: Vec<LogLine>,
        (from, to): (Option<SystemTime>, Option<SystemTime>),
        price: impl Fn(&Row, LogTokens) -> Option<i64>,
    ) -> Result<Comparison, Unreadable> {
        let times: Vec<_> = lines.iter().filter_map(LogLine::time).collect();
        let from = from.or_else(|| times.iter().min().copied());
        let to = to.or_else(|| times.iter().max().map(|last| *last + SECOND));
        // AWS may deliver a line twice.
        let lines: BTreeMap<_, _> = lines.into_iter().map(|line| (line.request_id.clone(), line)).collect();
        let (since, until) = match (from, to) {
            (Some(from), Some(to)) => Span { from, to }.micros(),
            _ => (0, 0),
        };
        let ids = lines.keys().map(String::as_str).collect();
        let asked = Asked { tenant: tenant.as_str(), ids, since, until, most: MOST_LISTED };
        let rows: Vec<Row> = self.read(LOGGED, &asked).await?;
        let unlogged: Vec<Unlogged> = self.read(UNLOGGED, &asked).await?;
        let missing_in_log = unlogged.first().map_or(0, |row| row.count);
        let not_in_log = unlogged.into_iter().map(|unlogged| unlogged.row).collect();
        let compared = Comparison { lines: lines.len(), not_in_log, missing_in_log, ..Comparison::default() };
        Ok(compared.of(lines, rows, price))
    }
}

impl Comparison {
    fn of(
        mut self,
        mut lines: BTreeMap<String, LogLine>,
        rows: Vec<Row>,
        price: impl Fn(&Row, LogTokens) -> Option<i64>,
    ) -> Self {
        for row in rows {
            let line = row.aws_request_id.as_ref().and_then(|id| lines.remove(id));
            let Some(line) = line else { continue };
            self.matched += 1;
            if !line.error_code.is_empty() {
                self.failed += 1;
                continue;
            }
            let (logged, own) = (line.tokens(), LogTokens::of(&row));
            self.log_tokens += logged;
            self.ledger_tokens += own;
            let tokens = logged - own;
            if tokens == LogTokens::default() && row.kind == Some(Kind::Exact) {
                continue;
            }
            let cost = row.cost.unwrap_or_default();
            let pico_usd = price(&row, logged).map(|logged| logged.saturating_sub(cost));
            if tokens != LogTokens::default() || pico_usd.is_some_and(|drift| drift != 0) {
                self.drifts.push(Drift { row, tokens, pico_usd });
            }
        }
        self.not_in_ledger = lines.into_values().collect();
        self
    }
}
