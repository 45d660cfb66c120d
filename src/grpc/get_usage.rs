//! GetUsage: what the caller's tenant has used, by group, and where it stands with its budgets.

use std::time::SystemTime;

use bedrock_inference_adapters::contract::decimal;
use bedrock_inference_proto::v1::{
    Amount, BudgetStanding, GetUsageRequest, GetUsageResponse, TokenCounts, UsageGroup, UsageGrouping,
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::Live;
use crate::config::is_label;
use crate::edge::Arrival;
use crate::error::{Error, Reason};
use crate::ledger::{Balance, Bucket, Budget, Grouping, MOST_GROUPS, Span, Sums, Unreadable};
use crate::principal::{self, Policy};

pub(super) async fn answer(
    live: &Live,
    request: Request<GetUsageRequest>,
) -> Result<Response<GetUsageResponse>, Status> {
    let report = Arrival::report(request.extensions());
    let answer = usage(live, &request).await;
    answer.map(Response::new).map_err(|error| report.status(&error))
}

async fn usage(live: &Live, request: &Request<GetUsageRequest>) -> Result<GetUsageResponse, Error> {
    let principal = principal::of(request.extensions())?;
    let asked = request.get_ref();
    let usual = Span::this_month();
    let from = time("from", asked.from.as_ref())?.unwrap_or(usual.from);
    let to = time("to", asked.to.as_ref())?.unwrap_or(usual.to);
    let by = By::read(asked)?;
    let tenant = principal.tenant();
    let sums = live.ledger.usage(tenant, Span { from, to }, &by.grouping).await.map_err(unreadable)?;
    if sums.len() > MOST_GROUPS {
        let many =
            format!("makes more than {MOST_GROUPS} groups; a shorter time or fewer of them are accepted");
        return Err(Error::invalid("groupBy", many));
    }
    let balances = live.ledger.balances(tenant).await.map_err(unreadable)?;
    Ok(GetUsageResponse {
        groups: sums.into_iter().map(|sums| by.group(sums)).collect(),
        budgets: balances.into_iter().map(|balance| standing(balance, principal.policy())).collect(),
        from: Some(from.into()),
        to: Some(to.into()),
    })
}

/// By what is grouped, and which names of a group are told.
struct By {
    grouping: Grouping,
    day: bool,
    hour: bool,
}

impl By {
    fn read(asked: &GetUsageRequest) -> Result<Self, Error> {
        let known = |grouping: &i32| matches!(UsageGrouping::try_from(*grouping), Ok(known) if known != UsageGrouping::Unspecified);
        if let Some(unknown) = asked.group_by.iter().find(|grouping| !known(grouping)) {
            return Err(Error::invalid(
                "groupBy",
                format!("has {unknown}, which this version does not know"),
            ));
        }
        let by = |wanted| asked.group_by().any(|grouping| grouping == wanted);
        let label = by(UsageGrouping::Label).then(|| asked.label.clone());
        if label.as_ref().is_some_and(|name| !is_label(name, "")) {
            return Err(Error::invalid("label", "is not the name of a label"));
        }
        let (day, hour) = (by(UsageGrouping::Day), by(UsageGrouping::Hour));
        let time = if hour { Some(Bucket::Hour) } else { day.then_some(Bucket::Day) };
        let (model, operation) = (by(UsageGrouping::Model), by(UsageGrouping::Operation));
        Ok(Self { grouping: Grouping { model, operation, label, time }, day, hour })
    }

    fn group(&self, sums: Sums) -> UsageGroup {
        let begin = self.grouping.time.zip(sums.bucket).map(|(bucket, number)| bucket.begin(number));
        let begin = begin.map(|begin| humantime::format_rfc3339_seconds(begin).to_string());
        let day = begin.as_ref().and_then(|begin| begin.get(..10)).map(str::to_owned);
        UsageGroup {
            model: sums.model,
            label: sums.label,
            day: day.filter(|_| self.day),
            hour: begin.filter(|_| self.hour),
            operation: sums.operation,
            calls: sums.calls,
            attempts: sums.attempts,
            failed_attempts: sums.failed,
            open_attempts: sums.open,
            unpriced_attempts: sums.unpriced,
            tokens: Some(TokenCounts {
                input: sums.input,
                cache_read: sums.cache_read,
                cache_write_5m: sums.cache_write_5m,
                cache_write_1h: sums.cache_write_1h,
                output: sums.output,
            }),
            cost: Some(amount(sums.exact)),
            estimated: Some(amount(sums.estimated)),
            reserved: Some(amount(sums.reserved)),
            // There is no response cache yet.
            saved: Some(amount(0)),
        }
    }
}

fn standing(balance: Balance, policy: &Policy) -> BudgetStanding {
    let budget = Budget::of(policy.budget(), balance.period);
    BudgetStanding {
        period: balance.period.name().to_owned(),
        limit: budget.map(|budget| amount(budget.pico_usd)),
        spent: Some(amount(balance.spent)),
        held: Some(amount(balance.held)),
        resets: Some(balance.resets.into()),
    }
}

/// An amount as messages have it.
pub(super) fn amount(pico_usd: i64) -> Amount {
    Amount { pico_usd, usd: decimal(pico_usd, 12) }
}

/// A time of the request.
///
/// # Errors
/// It is none that can be.
pub(super) fn time(path: &str, given: Option<&Timestamp>) -> Result<Option<SystemTime>, Error> {
    let read = |given: &Timestamp| {
        let time = SystemTime::try_from(*given).ok().filter(|time| *time >= SystemTime::UNIX_EPOCH);
        time.filter(|_| given.seconds < LAST)
            .ok_or_else(|| Error::invalid(path, "is not a time from 1970 to 9999"))
    };
    given.map(read).transpose()
}

/// The end of the year 9999, in seconds since 1970.
const LAST: i64 = 253_402_300_800;

/// The ledger's database does not answer.
pub(super) fn unreadable(_: Unreadable) -> Error {
    Error::new(Reason::LedgerUnavailable, "the gateway's ledger cannot be read now")
}
