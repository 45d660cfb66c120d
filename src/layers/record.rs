//! Record: every attempt's beginning and end in the call report, and the upstream's name in its errors.

use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, End, Report};
use crate::error::Error;

/// Writes one attempt into the report, however it ends.
pub fn record() -> impl Layer<CallService, Service = CallService> + Clone {
    layer(|inside, call| async move {
        let target = call.target()?.clone();
        let (report, began) = (call.report.clone(), Instant::now());
        report.attempt_begins(&target);
        let named = move |mut error: Error| {
            error.upstream.model_id.get_or_insert_with(|| target.model_id.clone());
            error.upstream.region.get_or_insert_with(|| target.region.clone());
            error
        };
        let mut unanswered = Unanswered(Some((report.clone(), began)));
        let answer = inside.oneshot(call).await;
        unanswered.0 = None;
        match answer {
            Err(error) => {
                if let Some(id) = &error.upstream.request_id {
                    report.aws_request_id(id);
                }
                report.attempt_ends(began, &error.reason.name(false));
                Err(named(error))
            }
            Ok(reply) => {
                report.first_content();
                let mut reply = reply.on_end(move |end| match end {
                    End::Complete(usage) => {
                        usage.iter().for_each(|usage| report.usage(usage));
                        report.attempt_ends(began, "OK");
                    }
                    End::Failed(error) => report.attempt_ends(began, &error.reason.name(true)),
                    End::Dropped => report.attempt_ends(began, "CANCELLED"),
                });
                let events = futures_util::StreamExt::map(reply.events, move |event| event.map_err(&named));
                reply.events = Box::pin(events);
                Ok(reply)
            }
        }
    })
}

/// An attempt that nobody has answered yet; dropped as such, its caller went away or was given up.
struct Unanswered(Option<(Report, Instant)>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some((report, began)) = self.0.take() {
            report.attempt_ends(began, "CANCELLED");
        }
    }
}
