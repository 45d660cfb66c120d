//! Record: every attempt's beginning and end in the call report, and the upstream's name in its errors.

mod bill;
mod tally;

use futures_util::StreamExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{AttemptId, Call, CallService, End, Reply, Report};
use crate::catalog::Target;
use crate::error::{Error, Reason};
use crate::price::Prices;

use bill::{Bill, BillEnd};
pub use tally::{Attempts, Tally};

/// Writes one attempt into the report and the tally, however it ends, and what it cost.
pub fn record(tally: Tally, prices: Prices) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| recorded(inside, call, tally.clone(), prices.clone()))
}

async fn recorded(inside: CallService, mut call: Call, tally: Tally, prices: Prices) -> Result<Reply, Error> {
    let target = call.target()?.clone();
    let (report, began) = (call.report.clone(), Instant::now());
    let attempt = report.attempt_begins(&target, call.hedge);
    call.attempt = Some(attempt);
    let begun = tally.begin();
    let mut bill = Bill::new(&call, attempt, &target, prices);
    let asked = call.model_asked.clone();
    let named = move |error: Error| named(error, &asked, &target);
    let mut unanswered = Unanswered(Some((bill.end(), report.clone(), attempt, began)));
    let answer = inside.oneshot(call).await;
    unanswered.0 = None;
    match answer {
        Err(error) => {
            let error = named(error);
            if let Some(id) = &error.upstream.request_id {
                report.aws_request_id(attempt, id);
            }
            bill.end().failed(&error);
            report.attempt_ends(attempt, began, &error.reason.name(false));
            begun.failed();
            Err(error)
        }
        Ok(reply) => {
            report.first_content(attempt);
            let account = bill.end();
            let events = reply.events.map(move |event| {
                // Noted as it passes: a stream that fails behind it has a known usage all the same.
                event.iter().for_each(|event| bill.note(event));
                event.map_err(&named)
            });
            Ok(Reply::new(events).on_end(move |end| match end {
                End::Complete => {
                    account.complete();
                    report.attempt_ends(attempt, began, "OK");
                    begun.completed();
                }
                End::Failed(error) => {
                    // Content has come, so something may be billed whatever failed.
                    account.dropped();
                    report.attempt_ends(attempt, began, &error.reason.name(true));
                    begun.failed();
                }
                End::Dropped => {
                    account.dropped();
                    report.attempt_ends(attempt, began, &dropped());
                }
            }))
        }
    }
}

/// The error with the names of what was called, and with what is only known where both the id that the caller
/// gave and the one that AWS was called by are.
fn named(mut error: Error, asked: &str, target: &Target) -> Error {
    if error.reason == Reason::ModelNotFound {
        if target.entry.is_none() {
            error = error.because(Reason::GuardrailNotFound);
        } else if target.model_id != asked {
            error = error.because(Reason::CatalogMismatch);
            error.context =
                format!("bedrock does not know {}, which the gateway made of {asked}", target.model_id);
        }
    }
    error.upstream.model_id.get_or_insert_with(|| target.model_id.clone());
    error.upstream.region.get_or_insert_with(|| target.region.clone());
    error
}

/// An attempt that nobody has answered yet; dropped as such, its caller went away or was given up.
struct Unanswered(Option<(BillEnd, Report, AttemptId, Instant)>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some((end, report, attempt, began)) = self.0.take() {
            end.dropped();
            report.attempt_ends(attempt, began, &dropped());
        }
    }
}

/// The outcome of an attempt that is dropped before its end.
fn dropped() -> String {
    if std::thread::panicking() { Reason::Panic.name(false) } else { "CANCELLED".to_owned() }
}
