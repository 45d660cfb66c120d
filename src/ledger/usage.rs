//! Usage: a tenant's sums, by group, and where it stands with its periods.

use serde::{Deserialize, Serialize};
use std::time::SystemTime;

use super::period::{Moment, Period};
use super::store::{Statement, statement};
use super::{Ledger, Unreadable};
use crate::principal::TenantId;

const USAGE: Statement = statement!("usage");
const STANDINGS: Statement = statement!("standings");

/// The most groups that are told.
pub const MOST_GROUPS: usize = 10_000;

const HOUR: i64 = 3_600_000_000;

/// A time: from its first moment on, until before its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: SystemTime,
    /// Its end.
    pub to: SystemTime,
}

/// By what usage is grouped.
#[derive(Debug, Clone, Default)]
pub struct Grouping {
    /// By base id.
    pub model: bool,
    /// By RPC.
    pub operation: bool,
    /// By the value of this label.
    pub label: Option<String>,
    /// By time.
    pub time: Option<Bucket>,
}

/// A length of time, as of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

/// What the attempts of a group come to. Amounts are pico-USD.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Sums {
    /// The base id.
    pub model: Option<String>,
    /// The RPC.
    pub operation: Option<String>,
    /// The value of the label.
    pub label: Option<String>,
    /// Counts the hours or days since 1970.
    pub bucket: Option<i64>,
    /// Calls that have an attempt in the group.
    pub calls: i64,
    /// Attempts.
    pub attempts: i64,
    /// Those that ended otherwise than OK.
    pub failed: i64,
    /// Those that are under way.
    pub open: i64,
    /// Those that had no price.
    pub unpriced: i64,
    /// Input tokens outside the prompt cache.
    pub input: i64,
    /// Read from the prompt cache.
    pub cache_read: i64,
    /// Written to the prompt cache for five minutes.
    pub cache_write_5m: i64,
    /// Written to the prompt cache for an hour.
    pub cache_write_1h: i64,
    /// Output tokens.
    pub output: i64,
    /// What exact rows cost.
    pub exact: i64,
    /// What estimated rows cost at most.
    pub estimated: i64,
    /// What open attempts can cost at most.
    pub reserved: i64,
}

/// Where a tenant stands with a running period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Which one.
    pub period: Period,
    /// What has been spent, in pico-USD.
    pub spent: i64,
    /// What is held for attempts under way, in pico-USD.
    pub held: i64,
    /// When the next one begins.
    pub resets: SystemTime,
}

#[derive(Serialize)]
struct Asked<'a> {
    tenant: &'a str,
    since: i64,
    until: i64,
    by_model: bool,
    by_operation: bool,
    by_label: Option<&'a str>,
    by_time: Option<i64>,
    most: usize,
}

#[derive(Serialize)]
struct Periods<'a> {
    tenant: &'a str,
    periods: [&'a str; 2],
}

#[derive(Deserialize)]
struct Kept {
    period: String,
    settled: i64,
    reserved: i64,
}

impl Span {
    /// The running month of UTC until now.
    #[must_use]
    pub fn this_month() -> Self {
        let now = Moment::now();
        Self { from: Period::Month.begin(&now.day()), to: now.time() }
    }

    pub(super) fn micros(self) -> (i64, i64) {
        (Moment::from(self.from).micros(), Moment::from(self.to).micros())
    }
}

impl Bucket {
    /// In microseconds.
    fn micros(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }

    /// When the bucket of this number begins.
    #[must_use]
    pub fn begin(self, number: i64) -> SystemTime {
        Moment::at(number.saturating_mul(self.micros())).time()
    }
}

impl Ledger {
    /// A tenant's usage in a time, in the order of the groups' names; groups of nothing are not there. More than
    /// [`MOST_GROUPS`] are one too many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn usage(
        &self,
        tenant: &TenantId,
        span: Span,
        grouping: &Grouping,
    ) -> Result<Vec<Sums>, Unreadable> {
        let (since, until) = span.micros();
        let asked = Asked {
            tenant: tenant.as_str(),
            since,
            until,
            by_model: grouping.model,
            by_operation: grouping.operation,
            by_label: grouping.label.as_deref(),
            by_time: grouping.time.map(Bucket::micros),
            most: MOST_GROUPS + 1,
        };
        let mut groups: Vec<Sums> = self.read(USAGE, &asked).await?;
        groups.sort_unstable();
        Ok(groups)
    }

    /// Where a tenant stands with the running day and month.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn balances(&self, tenant: &TenantId) -> Result<[Balance; 2], Unreadable> {
        let day = Moment::now().day();
        let periods = [Period::Day, Period::Month];
        let asked = Periods { tenant: tenant.as_str(), periods: periods.map(|period| period.of(&day)) };
        let kept: Vec<Kept> = self.read(STANDINGS, &asked).await?;
        Ok(periods.map(|period| {
            let own = kept.iter().find(|kept| kept.period == period.of(&day));
            let (spent, held) = own.map_or((0, 0), |kept| (kept.settled, kept.reserved));
            Balance { period, spent, held, resets: period.next(&day) }
        }))
    }
}
