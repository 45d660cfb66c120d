//! The call report: what every layer notes, and what the caller reads at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedrock_inference_adapters::contract::token_counts;
use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{
    Attempt, CacheStatus, CallReport, Route, Timings, TokenUsage, Warning, WarningKind,
};
use tokio::time::Instant;

use crate::catalog::Target;
use crate::error::Error;

/// A handle to the report of one call; clones write to the same report.
#[derive(Debug, Clone)]
pub struct Report(Arc<Mutex<Notes>>);

#[derive(Debug)]
struct Notes {
    report: CallReport,
    arrived: Instant,
    dispatched: Option<Instant>,
    first_content: Option<Instant>,
    last_event: Option<Instant>,
}

impl Report {
    /// An empty report of a call that arrived then, under an id of ours.
    #[must_use]
    pub fn begin(arrived: Instant) -> Self {
        let report = CallReport {
            request_id: uuid::Uuid::now_v7().to_string(),
            cache_status: CacheStatus::Bypass.into(),
            ..CallReport::default()
        };
        Self(Arc::new(Mutex::new(Notes {
            report,
            arrived,
            dispatched: None,
            first_content: None,
            last_event: None,
        })))
    }

    /// The call's id.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.notes().report.request_id.clone()
    }

    /// Notes the caller's own id of the call, in place of ours.
    pub fn named(&self, request_id: &str) {
        request_id.clone_into(&mut self.notes().report.request_id);
    }

    /// Notes the model id that the caller gave.
    pub fn asked(&self, model_id: &str) {
        model_id.clone_into(&mut self.notes().report.model_asked);
    }

    /// Notes which side of Bedrock's API is used, and why.
    pub fn route(&self, route: Route, reason: &str) {
        let mut notes = self.notes();
        notes.report.route = route.into();
        reason.clone_into(&mut notes.report.route_reason);
    }

    /// Notes something that the caller should know.
    pub fn warn(&self, warning: Warning) {
        self.notes().report.warnings.push(warning);
    }

    /// Notes an option that this version cannot honour.
    pub fn unsupported_option(&self, path: &str, message: &str) {
        self.warn(Warning {
            kind: WarningKind::UnsupportedOption.into(),
            path: path.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Notes that nothing is known of the model.
    pub fn unknown_model(&self) {
        self.warn(Warning {
            kind: WarningKind::UnknownModel.into(),
            path: "modelId".to_owned(),
            message: "is not in the catalogue; what the model takes could not be checked".to_owned(),
        });
    }

    /// Notes something that a model of the catalogue would be refused for; of this one nothing is known.
    pub fn unchecked(&self, finding: &Violation) {
        self.warn(Warning {
            kind: WarningKind::UnknownModel.into(),
            path: finding.path.clone(),
            message: format!(
                "may be refused, since the model is not in the catalogue: {}",
                finding.description
            ),
        });
    }

    /// Notes that the upstream is called now.
    pub fn attempt_begins(&self, target: &Target) {
        let mut notes = self.notes();
        notes.dispatched.get_or_insert_with(Instant::now);
        if let Some(entry) = &target.entry {
            entry.model.id.clone_into(&mut notes.report.model);
        }
        notes.report.inference_profile = target.inference_profile.clone().unwrap_or_default();
        target.region.clone_into(&mut notes.report.region);
        notes.report.attempts.push(Attempt {
            model_id: target.model_id.clone(),
            region: target.region.clone(),
            ..Attempt::default()
        });
    }

    /// Whether the upstream has been called.
    #[must_use]
    pub fn was_dispatched(&self) -> bool {
        self.notes().dispatched.is_some()
    }

    /// Notes AWS's id of the attempt that is under way.
    pub fn aws_request_id(&self, id: &str) {
        let mut notes = self.notes();
        id.clone_into(&mut notes.report.aws_request_id);
        if let Some(attempt) = notes.report.attempts.last_mut() {
            id.clone_into(&mut attempt.aws_request_id);
        }
    }

    /// Notes how the attempt that is under way ended, `began` being its start.
    pub fn attempt_ends(&self, began: Instant, outcome: &str) {
        let mut notes = self.notes();
        notes.last_event = Some(Instant::now());
        if let Some(attempt) = notes.report.attempts.last_mut() {
            outcome.clone_into(&mut attempt.outcome);
            attempt.duration = proto_duration(began.elapsed());
        }
    }

    /// Notes that the first content has come.
    pub fn first_content(&self) {
        self.notes().first_content.get_or_insert_with(Instant::now);
    }

    /// Notes what Bedrock counted.
    pub fn usage(&self, usage: &TokenUsage) {
        self.notes().report.tokens = Some(token_counts(usage));
    }

    /// The report as it stands, its timings closed now.
    #[must_use]
    pub fn finish(&self) -> CallReport {
        let notes = self.notes();
        let mut report = notes.report.clone();
        report.timings = Some(notes.timings(Instant::now()));
        report
    }

    /// The status of a failed call, with the report as it stands.
    #[must_use]
    pub fn status(&self, error: &Error) -> tonic::Status {
        crate::error::status(error, &self.finish())
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// Four parts that add up to the total; a part that was never reached is zero.
    fn timings(&self, now: Instant) -> Timings {
        let dispatched = self.dispatched.unwrap_or(now);
        let last_event = self.last_event.unwrap_or(now).max(dispatched);
        let first_content = self.first_content.unwrap_or(last_event).clamp(dispatched, last_event);
        Timings {
            total: proto_duration(now - self.arrived),
            preparing: proto_duration(dispatched - self.arrived),
            first_content: proto_duration(first_content - dispatched),
            streaming: proto_duration(last_event - first_content),
            finishing: proto_duration(now - last_event),
        }
    }
}

fn proto_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(duration: Option<prost_types::Duration>) -> i128 {
        duration.map_or(0, |d| i128::from(d.seconds) * 1_000_000_000 + i128::from(d.nanos))
    }

    #[tokio::test(start_paused = true)]
    async fn timings_add_up() {
        for reached in 0..=3 {
            let report = Report::begin(Instant::now());
            tokio::time::advance(Duration::from_millis(3)).await;
            let began = Instant::now();
            if reached > 0 {
                report.notes().dispatched = Some(began);
                tokio::time::advance(Duration::from_millis(50)).await;
            }
            if reached > 1 {
                report.first_content();
                tokio::time::advance(Duration::from_millis(700)).await;
            }
            if reached > 2 {
                report.attempt_ends(began, "OK");
                tokio::time::advance(Duration::from_millis(9)).await;
            }
            let timings = report.finish().timings.unwrap_or_default();
            let parts = [timings.preparing, timings.first_content, timings.streaming, timings.finishing];
            assert_eq!(parts.into_iter().map(nanos).sum::<i128>(), nanos(timings.total), "{reached}");
            assert!(nanos(timings.total) > 0);
        }
    }
}
