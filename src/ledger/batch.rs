//! Batch: one transaction over all that waits to be written.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sqlx::Error;

use super::period::Period;
use super::results::{Results, Rows};
use super::rows::{Reserved, Settled};
use super::store::{Connection, Statement, statement};
use crate::config::BudgetSettings;

const BALANCES: Statement = statement!("balances");
const BEGIN_BALANCES: Statement = statement!("begin_balances");
const RESERVE: Statement = statement!("reserve");
const SETTLE: Statement = statement!("settle");

/// What may be spent in a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// How long it is for.
    pub period: Period,
    /// In pico-USD.
    pub pico_usd: i64,
    /// The share of it from which on callers are warned, from 0 to 1.
    pub warn: f64,
}

impl Budget {
    /// The one of this period, where these settings have one.
    #[must_use]
    pub fn of(settings: BudgetSettings, period: Period) -> Option<Self> {
        let usd = match period {
            Period::Day => settings.day_usd,
            Period::Month => settings.month_usd,
        };
        usd.map(|usd| Self { period, pico_usd: usd.pico(), warn: settings.warn })
    }
}

/// Where a tenant stands with one of its budgets, an attempt counted in that is to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The budget.
    pub budget: Budget,
    /// What has been spent and what is held for attempts under way, in pico-USD.
    pub used: i64,
    /// When it begins anew.
    pub resets: SystemTime,
}

/// The budgets that callers are warned of, or the one that does not last for the attempt.
pub(super) type Verdict = Result<Vec<Standing>, Standing>;

/// A balance's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Name {
    tenant: String,
    period: String,
}

#[derive(Debug, Default, Deserialize)]
struct Balance {
    tenant: String,
    period: String,
    settled: i64,
    reserved: i64,
}

/// Settles, then reserves what the budgets allow, and writes results; all of it is durable when this returns. The verdicts
/// are in the order of the reservations.
pub(super) async fn write(
    connection: &mut Connection,
    reserves: &[(Reserved, Vec<Budget>)],
    settled: &[Settled],
    results: &Results,
) -> Result<(Vec<Verdict>, Rows), Error> {
    connection.begin().await?;
    let reserved = reserves.iter().map(|(row, _)| (&row.tenant, &row.day));
    let touched = settled.iter().map(|row| (&row.tenant, &row.day)).chain(reserved);
    let names = names(touched);
    let mut used = balances(connection, &names).await?;
    if !settled.is_empty() {
        connection.run(SETTLE, &settled).await?;
        if !reserves.is_empty() {
            used = balances(connection, &names).await?;
        }
    }
    let verdicts: Vec<_> = reserves.iter().map(|(row, budgets)| used.judge(row, budgets)).collect();
    let granted: Vec<_> = reserves
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| verdict.is_ok())
        .map(|((row, _), _)| row)
        .collect();
    if !granted.is_empty() {
        connection.run(RESERVE, &granted).await?;
    }
    let found = results.write(connection).await?;
    connection.commit().await?;
    Ok((verdicts, found))
}

/// The balances of these tenants' days and their months, each once and in one order.
fn names<'r>(rows: impl Iterator<Item = (&'r String, &'r String)>) -> Vec<Name> {
    let both = rows.flat_map(|(tenant, day)| {
        [Period::Day, Period::Month]
            .map(|period| Name { tenant: tenant.clone(), period: period.of(day).to_owned() })
    });
    let mut names: Vec<_> = both.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What is there of these balances, where nobody else can change them any more.
async fn balances(connection: &mut Connection, names: &[Name]) -> Result<Used, Error> {
    let mut rows: Vec<Balance> = connection.rows(BALANCES, &names).await?;
    if rows.len() < names.len() {
        connection.run(BEGIN_BALANCES, &names).await?;
        rows = connection.rows(BALANCES, &names).await?;
    }
    let used = rows.into_iter().map(|row| {
        let sum = row.settled.saturating_add(row.reserved);
        (Name { tenant: row.tenant, period: row.period }, sum)
    });
    Ok(Used(used.collect()))
}

/// What is used of each period.
struct Used(BTreeMap<Name, i64>);

impl Used {
    /// Counts a reservation in, where every budget lasts for it.
    fn judge(&mut self, row: &Reserved, budgets: &[Budget]) -> Verdict {
        let wanted = row.planned.pico_usd;
        let mut after = Vec::new();
        let mut near = Vec::new();
        for period in [Period::Day, Period::Month] {
            let name = Name { tenant: row.tenant.clone(), period: period.of(&row.day).to_owned() };
            let used = self.0.get(&name).copied().unwrap_or_default();
            let own = budgets.iter().find(|budget| budget.period == period);
            // Sums are kept in 64 bits, which is 9.2 million USD.
            let budget = own.copied().unwrap_or(Budget { period, pico_usd: i64::MAX, warn: 1.0 });
            let standing = |used| Standing { budget, used, resets: period.next(&row.day) };
            match used.checked_add(wanted) {
                Some(sum) if sum <= budget.pico_usd => {
                    if own.is_some() && is_near(sum, &budget) {
                        near.push(standing(sum));
                    }
                    after.push((name, sum));
                }
                _ => return Err(standing(used)),
            }
        }
        self.0.extend(after);
        Ok(near)
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a warning may be a pico-USD early")]
fn is_near(used: i64, budget: &Budget) -> bool {
    used as f64 >= budget.pico_usd as f64 * budget.warn
}
