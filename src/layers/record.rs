//! Record: every attempt's beginning and end in the call report, and the upstream's name in its errors.

mod bill;
mod tally;

use futures_util::StreamExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::layer;
use crate::call::{AttemptId, Call, CallService, End, Reply, Report};
use crate::catalog::Target;
use crate::error::{Error, Reason};
use crate::price::Prices;

use bill::{Bill, BillEnd};
use tally::Begun;
pub use tally::{Attempts, Tally};

/// Writes one attempt into the report, the trace and the tally, however it ends, and what it cost.
pub fn record(tally: Tally, prices: Prices) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| recorded(inside, call, tally.clone(), prices.clone()))
}

async fn recorded(inside: CallService, call: Call, tally: Tally, prices: Prices) -> Result<Reply, Error> {
    let target = call.target()?.clone();
    let report = call.report.clone();
    let attempt = call.attempt;
    report.attempt_begins(attempt, &target, call.hedge);
    let mut bill = Bill::new(&call, attempt, &target, prices);
    let under_way = UnderWay::begin(report.clone(), attempt, bill.end(), &target, &tally);
    let named = move |error: Error| named(error, &target);
    match inside.oneshot(call).instrument(under_way.span.clone()).await {
        Err(error) => {
            let error = named(error);
            if let Some(id) = &error.upstream.request_id {
                report.aws_request_id(attempt, id);
            }
            under_way.refused(&error);
            Err(error)
        }
        Ok(reply) => {
            report.first_content(attempt);
            let events = reply.events.map(move |event| {
                // Noted as it passes: a stream that fails behind it has a known usage all the same.
                event.iter().for_each(|event| bill.note(event));
                event.map_err(&named)
            });
            Ok(Reply::new(events).on_end(move |end| match end {
                End::Complete => under_way.completed(),
                End::Failed(error) => under_way.broken(&error),
                End::Dropped => drop(under_way),
            }))
        }
    }
}

/// The error with the names of what was called, and with what is only known where both the id that the target
/// came from and the one that AWS was called by are.
fn named(mut error: Error, target: &Target) -> Error {
    if error.reason == Reason::ModelNotFound {
        if target.entry.is_none() {
            error = error.because(Reason::GuardrailNotFound);
        } else if target.model_id != target.asked {
            error = error.because(Reason::CatalogMismatch);
            error.context = format!(
                "bedrock does not know {}, which the gateway made of {}",
                target.model_id, target.asked
            );
        }
    }
    error.upstream.model_id.get_or_insert_with(|| target.model_id.clone());
    error.upstream.region.get_or_insert_with(|| target.region.clone());
    error
}

/// An attempt that has not ended; dropped as such, its caller went away or was given up.
struct UnderWay {
    report: Report,
    attempt: AttemptId,
    bill: BillEnd,
    began: Instant,
    /// `None` once its end has been noted.
    begun: Option<Begun>,
    span: Span,
}

impl UnderWay {
    fn begin(report: Report, attempt: AttemptId, bill: BillEnd, target: &Target, tally: &Tally) -> Self {
        let span = tracing::info_span!(
            "attempt",
            otel.kind = "client",
            model = target.model_id,
            region = target.region,
            outcome = Empty
        );
        Self { report, attempt, bill, began: Instant::now(), begun: Some(tally.begin()), span }
    }

    fn completed(mut self) {
        self.bill.complete();
        self.note("OK");
        self.begun.take().into_iter().for_each(Begun::completed);
    }

    /// It failed before its first content.
    fn refused(mut self, error: &Error) {
        self.bill.failed(error);
        self.note(&error.reason.name(false));
        self.begun.take().into_iter().for_each(Begun::failed);
    }

    /// It failed behind it, so something may be billed whatever failed.
    fn broken(mut self, error: &Error) {
        self.bill.dropped();
        self.note(&error.reason.name(true));
        self.begun.take().into_iter().for_each(Begun::failed);
    }

    fn note(&self, outcome: &str) {
        self.report.attempt_ends(self.attempt, self.began, outcome);
        self.span.record("outcome", outcome);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.begun.is_some() {
            self.bill.dropped();
            self.note(&dropped());
        }
    }
}

/// The outcome of an attempt that is dropped before its end.
fn dropped() -> String {
    if std::thread::panicking() { Reason::Panic.name(false) } else { "CANCELLED".to_owned() }
}
