//! Reconcile: lines of AWS's log beside the ledger's rows of the caller's tenant.

use bedrock_inference_proto::v1::{
    Drift, LogLine, LogTokens, ReconcileRequest, ReconcileResponse, TokenCounts,
};
use tonic::{Request, Response, Status};

use super::get_usage::{time, unreadable};
use super::{Live, compressed_where_worth, list_calls};
use crate::catalog::Home;
use crate::edge::Arrival;
use crate::error::Error;
use crate::ledger::{self, Comparison, Kind, MOST_LISTED, Row};
use crate::price::Service;
use crate::principal;

/// The most lines of a call.
const MOST_LINES: usize = 10_000;

/// The tiers that may have served, whatever was asked for.
const TIERS: [&str; 4] = ["default", "flex", "priority", "reserved"];

pub(super) async fn answer(
    live: &Live,
    request: Request<ReconcileRequest>,
) -> Result<Response<ReconcileResponse>, Status> {
    let report = Arrival::report(request.extensions());
    let answer = reconcile(live, request).await;
    answer.map(compressed_where_worth).map_err(|error| report.status(&error))
}

async fn reconcile(live: &Live, request: Request<ReconcileRequest>) -> Result<ReconcileResponse, Error> {
    let principal = principal::of(request.extensions())?;
    let asked = request.into_inner();
    let span = (time("from", asked.from.as_ref())?, time("to", asked.to.as_ref())?);
    let count = asked.lines.len();
    if count > MOST_LINES {
        let description = format!("has {count} entries; at most {MOST_LINES} are accepted");
        return Err(Error::invalid("lines", description));
    }
    let (mut lines, mut unreadable_lines) = (Vec::with_capacity(count), Vec::new());
    for (number, line) in (1..).zip(&asked.lines) {
        match serde_json::from_str::<ledger::LogLine>(line) {
            Ok(line) if !line.request_id.contains('\0') => lines.push(line),
            _ => unreadable_lines.push(number),
        }
    }
    let price = |row: &Row, logged| price(live, row, logged);
    let compared = live.ledger.reconcile(principal.tenant(), lines, span, price).await;
    Ok(message(compared.map_err(unreadable)?, unreadable_lines))
}

/// What the log's tokens cost at a row's prices, where that can be known.
fn price(live: &Live, row: &Row, logged: ledger::LogTokens) -> Option<i64> {
    if row.price_version != live.prices.version() {
        return None;
    }
    let home = Home { region: row.region.clone(), geography: None };
    let target = live.catalog.resolve(&row.model_id, &home).ok()?;
    let cost = |tier: &str, tokens: &TokenCounts| {
        let tier = (!tier.is_empty()).then(|| tier.to_owned());
        let price = live.prices.of(&target, &Service { tier, latency: None }).ok()?;
        price.cost(tokens).ok().map(|cost| cost.pico_usd)
    };
    let own = TokenCounts {
        input: row.input,
        cache_read: row.cache_read,
        cache_write_5m: row.cache_write_5m,
        cache_write_1h: row.cache_write_1h,
        output: row.output,
    };
    // The row has the tier that was asked for; the one that served is the one that its cost comes from.
    let mut tiers = [row.tier.as_str()].into_iter().chain(TIERS);
    let tier = match row.kind {
        Some(Kind::Exact) => tiers.find(|tier| cost(tier, &own) == row.cost)?,
        _ => row.tier.as_str(),
    };
    let (cache_write_5m, cache_write_1h) = match (own.cache_write_5m, own.cache_write_1h) {
        (short, long) if short.saturating_add(long) == logged.cache_write => (short, long),
        (0, 0) => return None,
        (_, 0) => (logged.cache_write, 0),
        (0, _) => (0, logged.cache_write),
        _ => return None,
    };
    let logged = TokenCounts {
        input: logged.input,
        cache_read: logged.cache_read,
        cache_write_5m,
        cache_write_1h,
        output: logged.output,
    };
    cost(tier, &logged)
}

fn message(compared: Comparison, unreadable: Vec<i32>) -> ReconcileResponse {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (drifted, missing_in_ledger) = (compared.drifts.len(), compared.not_in_ledger.len());
    let known = compared.drifts.iter().filter_map(|drift| drift.pico_usd);
    let drift_pico_usd = known.clone().fold(0, i64::saturating_add);
    let drifts_without_price = count(drifted) - count(known.count());
    ReconcileResponse {
        lines: count(compared.lines),
        unreadable,
        matched: count(compared.matched),
        failed: count(compared.failed),
        drifted: count(drifted),
        drifts: compared.drifts.into_iter().take(MOST_LISTED).map(drift).collect(),
        missing_in_ledger: count(missing_in_ledger),
        not_in_ledger: compared.not_in_ledger.into_iter().take(MOST_LISTED).map(line).collect(),
        missing_in_log: compared.missing_in_log,
        not_in_log: compared.not_in_log.into_iter().map(list_calls::message).collect(),
        log_tokens: Some(tokens(compared.log_tokens)),
        ledger_tokens: Some(tokens(compared.ledger_tokens)),
        drift_pico_usd,
        drifts_without_price,
    }
}

fn drift(drift: ledger::Drift) -> Drift {
    Drift {
        row: Some(list_calls::message(drift.row)),
        tokens: Some(tokens(drift.tokens)),
        pico_usd: drift.pico_usd,
    }
}

fn line(line: ledger::LogLine) -> LogLine {
    LogLine {
        tokens: Some(tokens(line.tokens())),
        aws_request_id: line.request_id,
        timestamp: line.timestamp,
        region: line.region,
        operation: line.operation,
        model_id: line.model_id,
        error_code: line.error_code,
    }
}

fn tokens(tokens: ledger::LogTokens) -> LogTokens {
    let ledger::LogTokens { input, cache_read, cache_write, output } = tokens;
    LogTokens { input, cache_read, cache_write, output }
}
