//! ListCalls: the attempts of the caller's tenant, the newest first, a page at a time.

use std::time::{Duration, SystemTime};

use bedrock_inference_proto::v1::{LedgerKind, LedgerRow, ListCallsRequest, ListCallsResponse, TokenCounts};
use tonic::{Request, Response, Status};

use super::get_usage::{amount, time, unreadable};
use super::{Live, compressed_where_worth};
use crate::config::is_label;
use crate::edge::Arrival;
use crate::error::Error;
use crate::ledger::{Filter, Kind, Row, Span};
use crate::principal;

/// Attempts on a page where the request does not say.
const DEFAULT_PAGE: usize = 100;

/// Attempts on a page at most.
const LARGEST_PAGE: usize = 1000;

/// A replica's clock may be so much ahead.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn answer(
    live: &Live,
    request: Request<ListCallsRequest>,
) -> Result<Response<ListCallsResponse>, Status> {
    let report = Arrival::report(request.extensions());
    let answer = calls(live, &request).await;
    answer.map(compressed_where_worth).map_err(|error| report.status(&error))
}

async fn calls(live: &Live, request: &Request<ListCallsRequest>) -> Result<ListCallsResponse, Error> {
    let principal = principal::of(request.extensions())?;
    let asked = request.get_ref();
    let size = match usize::try_from(asked.page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) => size.min(LARGEST_PAGE),
        Err(_) => return Err(Error::invalid("pageSize", "is negative; 0 to 1000 are accepted")),
    };
    let behind = match asked.page_token.as_str() {
        "" => None,
        token => {
            let no_token = |()| Error::invalid("pageToken", "is no token of a page");
            Some(token.parse().map_err(no_token)?)
        }
    };
    let from = time("from", asked.from.as_ref())?.unwrap_or(SystemTime::UNIX_EPOCH);
    let to = time("to", asked.to.as_ref())?.unwrap_or_else(|| SystemTime::now() + AHEAD);
    let filter = filter(asked)?;
    let (tenant, span) = (principal.tenant(), Span { from, to });
    let mut rows = live.ledger.calls(tenant, span, &filter, behind, size + 1).await.map_err(unreadable)?;
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|last| last.place().to_string());
    Ok(ListCallsResponse {
        rows: rows.into_iter().map(message).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

fn filter(asked: &ListCallsRequest) -> Result<Filter, Error> {
    let set = |text: &String| (!text.is_empty()).then(|| text.clone());
    let text = |path: &str, text: &str| match text.contains('\0') {
        true => Err(Error::invalid(path, "holds a NUL")),
        false => Ok(()),
    };
    text("requestId", &asked.request_id)?;
    text("outcome", &asked.outcome)?;
    text("labelValue", asked.label_value())?;
    let label = set(&asked.label);
    match (&label, &asked.label_value) {
        (Some(name), _) if !is_label(name, "") => {
            return Err(Error::invalid("label", "is not the name of a label"));
        }
        (None, Some(_)) => return Err(Error::invalid("labelValue", "is set; it needs label")),
        _ => {}
    }
    Ok(Filter {
        request_id: set(&asked.request_id),
        label,
        value: asked.label_value.clone(),
        outcome: set(&asked.outcome),
    })
}

/// A row as a message.
pub(super) fn message(row: Row) -> LedgerRow {
    let kind = match row.kind {
        None => LedgerKind::Unspecified,
        Some(Kind::Exact) => LedgerKind::Exact,
        Some(Kind::Estimated) => LedgerKind::Estimated,
        Some(Kind::Unpriced) => LedgerKind::Unpriced,
        Some(Kind::Void) => LedgerKind::Void,
    };
    LedgerRow {
        began: Some(row.began().into()),
        ended: row.ended().map(Into::into),
        request_id: row.request_id,
        number: i32::try_from(row.number).unwrap_or(i32::MAX),
        operation: row.operation,
        model: row.model,
        model_id: row.model_id,
        region: row.region,
        tier: row.tier,
        labels: row.labels.into_iter().collect(),
        price_version: row.price_version,
        aws_request_id: row.aws_request_id.unwrap_or_default(),
        kind: kind.into(),
        outcome: row.outcome.unwrap_or_default(),
        tokens: row.kind.map(|_| TokenCounts {
            input: row.input,
            cache_read: row.cache_read,
            cache_write_5m: row.cache_write_5m,
            cache_write_1h: row.cache_write_1h,
            output: row.output,
        }),
        reserved: Some(amount(row.reserved)),
        cost: row.cost.map(amount),
    }
}
