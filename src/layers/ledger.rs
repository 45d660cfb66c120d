//! Ledger: an attempt that costs something is written down before it is made, and its cost when it has ended.

use bedrock_inference_adapters::contract::decimal;
use bedrock_inference_proto::v1::guardrail_content_block;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{AttemptId, Call, CallService, End, Reply, Report, Request};
use crate::catalog::Target;
use crate::error::{Billed, Error, Reason};
use crate::ledger::{Budget, Dispatched, Kind, Ledger, Period, Planned, Refused, Settlement, Standing};
use crate::price::{Prices, Unpriced};

/// Characters of one text unit of a guardrail's.
const TEXT_UNIT: usize = 1000;

/// Reserves the most that each attempt can cost, under the tenant's budgets and the caller's own cap, and settles what
/// it cost. The caller is told of budgets that are nearly used up.
///
/// An attempt that ends without usage although AWS may have billed it stays charged with all that was reserved.
pub fn ledger(ledger: Ledger, prices: Prices) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| booked(inside, call, ledger.clone(), prices.clone()))
}

async fn booked(inside: CallService, call: Call, ledger: Ledger, prices: Prices) -> Result<Reply, Error> {
    let target = call.target()?.clone();
    let Some(most) = most(&call, &target, &prices)? else { return inside.oneshot(call).await };
    let (report, attempt) = (call.report.clone(), call.attempt);
    keep_cap(&call, &most)?;
    let planned = planned(&call, &target, &prices, &most);
    let settings = call.principal.policy().budget();
    let budgets = [Period::Day, Period::Month].into_iter().filter_map(|period| Budget::of(settings, period));
    let reserved = ledger.reserve(call.principal.tenant(), planned, budgets.collect()).await;
    let (reservation, near) = reserved.map_err(refused)?;
    near.iter().for_each(|standing| report.nearly_spent(&words(standing)));
    if call.left.is_cancelled() {
        // Nobody would hear of it: the reservation is void.
        return Err(Error::late());
    }
    report.held(attempt, *most.as_ref().unwrap_or(&0));
    let entry = Entry { open: Some(reservation.dispatch()), report, attempt, is_priced: most.is_ok() };
    match inside.oneshot(call).await {
        Err(error) => {
            entry.refused(&error);
            Err(error)
        }
        Ok(reply) => Ok(reply.on_end(move |end| match end {
            End::Complete => entry.ended("OK"),
            End::Failed(error) => entry.ended(&error.reason.name(true)),
            End::Dropped => drop(entry),
        })),
    }
}

/// The most that an attempt can cost, or why nobody knows; `None` for what is free.
fn most(call: &Call, target: &Target, prices: &Prices) -> Result<Option<Result<i64, Unpriced>>, Error> {
    match &*call.request {
        Request::CountTokens(_) => Ok(None),
        Request::ApplyGuardrail(verdict) => {
            let (mut units, mut images) = (0, 0);
            for block in &verdict.content {
                match &block.kind {
                    Some(guardrail_content_block::Kind::Text(text)) => {
                        units +=
                            text.text.as_ref().map_or(0, |text| text.chars().count().div_ceil(TEXT_UNIT));
                    }
                    _ => images += 1,
                }
            }
            let units = i64::try_from(units).unwrap_or(i64::MAX);
            Ok(Some(prices.most_of_guardrail(units, images, &target.region)))
        }
        Request::Converse(_) | Request::Invoke(_) => {
            let bound = call.bound(target);
            let price = match prices.of(target, &call.request.service()) {
                Ok(price) => price,
                Err(unpriced) => return Ok(Some(Err(unpriced))),
            };
            let output = if price.charges_output() { bound.output } else { Some(0) };
            let Some(output) = output else {
                let unset = "is not set, and the model's limit is not established, so nobody knows what the call can cost";
                return Err(Error::invalid("inferenceConfig.maxTokens", unset));
            };
            Ok(Some(price.most(bound.input, output).map(|cost| cost.pico_usd)))
        }
    }
}

/// What all attempts until now may have cost, and this one, is at most what the caller allows.
fn keep_cap(call: &Call, most: &Result<i64, Unpriced>) -> Result<(), Error> {
    let Some(cap) = call.cost_cap else { return Ok(()) };
    let most = match most {
        Ok(most) => *most,
        Err(unpriced) => {
            let context = format!("{unpriced}, so the call cannot be held to a cap");
            return Err(Error::new(Reason::ModelNotPriced, context));
        }
    };
    let before = call.report.most_spent();
    if before.checked_add(most).is_some_and(|sum| sum <= cap) {
        return Ok(());
    }
    let spent =
        if before == 0 { String::new() } else { format!(" beside the {} of earlier attempts", usd(before)) };
    let context = format!(
        "options.costCapPicoUsd is {}, and the call can cost {}{spent}; a smaller maxTokens makes that less",
        usd(cap),
        usd(most)
    );
    Err(Error::new(Reason::CostCapExceeded, context))
}

fn planned(call: &Call, target: &Target, prices: &Prices, most: &Result<i64, Unpriced>) -> Planned {
    Planned {
        request_id: call.request_id.clone(),
        number: call.attempt.number(),
        operation: call.request.operation(),
        model: target.entry.as_ref().map(|entry| entry.model.id.clone()).unwrap_or_default(),
        model_id: target.model_id.clone(),
        region: target.region.clone(),
        tier: call.request.service().tier.unwrap_or_default(),
        labels: call.labels.clone(),
        price_version: prices.version().to_owned(),
        pico_usd: *most.as_ref().unwrap_or(&0),
    }
}

fn refused(refused: Refused) -> Error {
    match refused {
        Refused::Budget(standing) => {
            let context = format!("{}; it does not last for this call", words(&standing));
            Error::new(Reason::TenantBudgetExceeded, context)
        }
        Refused::Unavailable => Error::unrecorded(),
    }
}

/// An amount as people read it.
fn usd(pico_usd: i64) -> String {
    format!("{} USD", decimal(pico_usd, 12))
}

/// Where the tenant stands with a budget.
fn words(Standing { budget, used, resets }: &Standing) -> String {
    format!(
        "of the tenant's {} a {}, {} are spent or held for calls under way, until {}",
        usd(budget.pico_usd),
        budget.period.name(),
        usd(*used),
        humantime::format_rfc3339_seconds(*resets)
    )
}

/// An attempt that has been written down. Dropped before its end, it is settled by what is known until then.
struct Entry {
    /// `None` once it is settled.
    open: Option<Dispatched>,
    report: Report,
    attempt: AttemptId,
    is_priced: bool,
}

impl Entry {
    /// It failed before its first content.
    fn refused(mut self, error: &Error) {
        let outcome = error.reason.name(false);
        let settlement = match error.billed {
            Billed::Nothing => Settlement::void(&outcome),
            _ => self.known(&outcome),
        };
        self.settle(Settlement {
            aws_request_id: error.upstream.request_id.clone().unwrap_or(settlement.aws_request_id),
            ..settlement
        });
    }

    /// It has been answered, at least in part.
    fn ended(mut self, outcome: &str) {
        let settlement = self.known(outcome);
        self.settle(settlement);
    }

    fn settle(&mut self, settlement: Settlement) {
        if let Some(pico_usd) = settlement.pico_usd {
            self.report.held(self.attempt, pico_usd);
        }
        if let Some(open) = self.open.take() {
            open.settle(settlement);
        }
    }

    /// By the usage that Bedrock has reported, where it has.
    fn known(&self, outcome: &str) -> Settlement {
        let spent = self.report.spent(self.attempt);
        let (kind, pico_usd) = match spent.cost {
            Some(Ok(cost)) => (Kind::Exact, Some(cost.pico_usd)),
            _ if self.is_priced => (Kind::Estimated, None),
            _ => (Kind::Unpriced, Some(0)),
        };
        let tokens = spent.tokens;
        Settlement {
            kind,
            outcome: outcome.to_owned(),
            aws_request_id: spent.aws_request_id,
            input: tokens.input,
            cache_read: tokens.cache_read,
            cache_write_5m: tokens.cache_write_5m,
            cache_write_1h: tokens.cache_write_1h,
            output: tokens.output,
            pico_usd,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.open.is_some() {
            let settlement = self.known("CANCELLED");
            self.settle(settlement);
        }
    }
}
