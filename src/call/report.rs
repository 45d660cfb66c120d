//! The call report: what every layer notes, and what the caller reads at the end.

mod moments;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedrock_inference_adapters::contract::token_counts;
use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{
    Attempt, CacheStatus, CallReport, Cost, Route, TokenCounts, TokenUsage, Warning, WarningKind,
};
use tokio::time::Instant;

use crate::catalog::Target;
use crate::error::Error;
use crate::price::{self, Unpriced};
use crate::principal::TenantId;

use moments::{Moments, proto_duration};

/// A handle to the report of one call; clones write to the same report.
#[derive(Debug, Clone)]
pub struct Report(Arc<Mutex<Notes>>);

/// One attempt of a call, by its number; they count from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptId(u32);

impl AttemptId {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What an attempt has used, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// What Bedrock counted.
    pub tokens: TokenCounts,
    /// What it cost, or why nobody knows; `None` where no usage was reported.
    pub cost: Option<Result<Cost, Unpriced>>,
    /// AWS's request id, where one came.
    pub aws_request_id: String,
}

#[derive(Debug)]
struct Notes {
    report: CallReport,
    /// Who calls, once that is known. It is for the log: a caller knows who it is.
    tenant: Option<TenantId>,
    /// What is told of an attempt only where it served or was the last one.
    called: Vec<Called>,
    /// Attempts that have an id.
    numbered: u32,
    /// The attempt that served.
    served: Option<AttemptId>,
    /// The most that each attempt may have cost, in pico-USD.
    held: Vec<(AttemptId, i64)>,
    /// Whose attempts it tells in place of its own.
    source: Option<Source>,
    arrived: Instant,
    dispatched: Option<Instant>,
    first_content: Option<Instant>,
    last_event: Option<Instant>,
}

/// Attempts that were not made for the call alone.
#[derive(Debug)]
enum Source {
    /// Those of a flight.
    Flight(Report),
    /// Those of a call that has ended.
    Past(Box<CallReport>),
}

/// What an attempt called, and how.
#[derive(Debug, Default)]
struct Called {
    id: AttemptId,
    /// The base id.
    model: String,
    inference_profile: String,
    route: Route,
    route_reason: String,
    tokens: TokenCounts,
    /// What it cost, or why nobody knows; `None` until it has reported usage.
    cost: Option<Result<Cost, Unpriced>>,
    /// Whether it ended so that AWS may have billed it.
    may_be_billed: bool,
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
        Self::of(Notes {
            report,
            tenant: None,
            called: Vec::new(),
            numbered: 0,
            served: None,
            held: Vec::new(),
            source: None,
            arrived,
            dispatched: None,
            first_content: None,
            last_event: None,
        })
    }

    /// An empty report of a flight that others may share with this call.
    #[must_use]
    pub fn of_flight(&self) -> Self {
        let notes = self.notes();
        let flight = Self::begin(notes.arrived);
        {
            let mut begun = flight.notes();
            begun.report.request_id.clone_from(&notes.report.request_id);
            begun.report.model_asked.clone_from(&notes.report.model_asked);
            begun.tenant.clone_from(&notes.tenant);
        }
        flight
    }

    /// The call's attempts are those of this flight.
    pub fn reads(&self, flight: &Self) {
        self.notes().source = Some(Source::Flight(flight.clone()));
    }

    /// The same, where another call has begun the flight.
    pub fn repeats(&self, flight: &Self) {
        self.reads(flight);
        self.notes().report.replayed = true;
    }

    /// The flight's attempts are those of a call that has ended.
    pub fn replays(&self, past: CallReport) {
        let mut notes = self.notes();
        notes.source = Some(Source::Past(Box::new(past)));
        notes.report.replayed = true;
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

    /// Notes who calls.
    pub fn of_tenant(&self, tenant: &TenantId) {
        self.notes().tenant = Some(tenant.clone());
    }

    /// Who calls, where that is known.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.notes().tenant.clone()
    }

    /// Notes the model id that the caller gave.
    pub fn asked(&self, model_id: &str) {
        model_id.clone_into(&mut self.notes().report.model_asked);
    }

    /// Notes which side of Bedrock's API an attempt uses, and why.
    pub fn route(&self, attempt: AttemptId, route: Route, reason: &str) {
        self.noted(attempt, |called, _| {
            called.route = route;
            reason.clone_into(&mut called.route_reason);
        });
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

    /// Notes a target that is left out although it was chosen, and why.
    pub fn left_out(&self, target: &Target, why: &str) {
        self.warn(Warning {
            kind: WarningKind::TargetLeftOut.into(),
            path: "modelId".to_owned(),
            message: format!("{} in {} is left out: {why}", target.model_id, target.region),
        });
    }

    /// Notes that the fallbacks bring so many targets more than a call may have.
    pub fn left_out_beyond(&self, count: usize, most: usize) {
        self.warn(Warning {
            kind: WarningKind::TargetLeftOut.into(),
            path: "options.fallbackModels".to_owned(),
            message: format!("the last {count} targets are left out: a call has at most {most}"),
        });
    }

    /// Notes that little is left of a budget, in these words.
    pub fn nearly_spent(&self, budget: &str) {
        self.warn(Warning {
            kind: WarningKind::BudgetNearlySpent.into(),
            path: String::new(),
            message: budget.to_owned(),
        });
    }

    /// The id of another attempt.
    #[must_use]
    pub fn next_attempt(&self) -> AttemptId {
        let mut notes = self.notes();
        notes.numbered += 1;
        AttemptId(notes.numbered)
    }

    /// Notes that the upstream is called now; beside another attempt that is still silent, where it is a hedge.
    pub fn attempt_begins(&self, id: AttemptId, target: &Target, hedge: bool) {
        let mut notes = self.notes();
        notes.dispatched.get_or_insert_with(Instant::now);
        notes.called.push(Called {
            id,
            model: target.entry.as_ref().map(|entry| entry.model.id.clone()).unwrap_or_default(),
            inference_profile: target.inference_profile.clone().unwrap_or_default(),
            ..Called::default()
        });
        notes.report.attempts.push(Attempt {
            model_id: target.model_id.clone(),
            region: target.region.clone(),
            role: target.role.clone().unwrap_or_default(),
            hedge,
            ..Attempt::default()
        });
    }

    /// Whether the upstream has been called.
    #[must_use]
    pub fn was_dispatched(&self) -> bool {
        self.notes().dispatched.is_some()
    }

    /// Notes AWS's id of an attempt.
    pub fn aws_request_id(&self, attempt: AttemptId, id: &str) {
        self.noted(attempt, |_, attempt| id.clone_into(&mut attempt.aws_request_id));
    }

    /// Notes how an attempt ended, `began` being its start.
    pub fn attempt_ends(&self, attempt: AttemptId, began: Instant, outcome: &str) {
        self.noted(attempt, |_, attempt| {
            outcome.clone_into(&mut attempt.outcome);
            attempt.duration = proto_duration(began.elapsed());
        });
        self.notes().last_event = Some(Instant::now());
    }

    /// Notes that the first content has come, and from which attempt.
    pub fn first_content(&self, attempt: AttemptId) {
        let mut notes = self.notes();
        notes.first_content.get_or_insert_with(Instant::now);
        notes.served = Some(attempt);
    }

    /// Notes what Bedrock counted.
    pub fn usage(&self, attempt: AttemptId, usage: &TokenUsage) {
        let tokens = token_counts(usage);
        self.noted(attempt, |called, _| called.tokens = tokens);
        self.notes().report.tokens = Some(tokens);
    }

    /// Notes what an attempt cost, or why nobody knows.
    pub fn priced(&self, attempt: AttemptId, cost: Result<Cost, Unpriced>) {
        self.noted(attempt, |called, _| called.cost = Some(cost));
    }

    /// Notes that an attempt has been answered in full: if no usage has come, none will.
    pub fn metered(&self, attempt: AttemptId) {
        self.noted(attempt, |called, _| {
            called.cost.get_or_insert(Err(Unpriced::Unmetered));
        });
    }

    /// Notes that an attempt ended so that AWS may have billed it.
    pub fn may_be_billed(&self, attempt: AttemptId) {
        self.noted(attempt, |called, _| called.may_be_billed = true);
    }

    /// What an attempt has used until now.
    #[must_use]
    pub fn spent(&self, attempt: AttemptId) -> Spent {
        let mut spent = Spent::default();
        self.noted(attempt, |called, attempt| {
            spent = Spent {
                tokens: called.tokens,
                cost: called.cost.clone(),
                aws_request_id: attempt.aws_request_id.clone(),
            };
        });
        spent
    }

    /// Notes the most that an attempt may have cost, in pico-USD.
    pub fn held(&self, attempt: AttemptId, pico_usd: i64) {
        let mut notes = self.notes();
        notes.held.retain(|(id, _)| *id != attempt);
        notes.held.push((attempt, pico_usd));
    }

    /// The most that all attempts may have cost until now, in pico-USD.
    #[must_use]
    pub fn most_spent(&self) -> i64 {
        self.notes().held.iter().fold(0, |sum, (_, pico_usd)| sum.saturating_add(*pico_usd))
    }

    /// The report as it stands, its timings closed now.
    #[must_use]
    pub fn finish(&self) -> CallReport {
        let notes = self.notes();
        let mut report = notes.report.clone();
        let now = Instant::now();
        let moments = match &notes.source {
            None => {
                notes.name_server(&mut report);
                notes.add_up(&mut report);
                notes.moments()
            }
            Some(Source::Flight(flight)) => {
                take(&mut report, flight.finish());
                flight.notes().moments()
            }
            Some(Source::Past(past)) => {
                take(&mut report, CallReport::clone(past));
                notes.moments()
            }
        };
        report.timings = Some(moments.timings(notes.arrived, now));
        report
    }

    /// The status of a failed call, with the report as it stands.
    #[must_use]
    pub fn status(&self, error: &Error) -> tonic::Status {
        crate::error::status(error, &self.finish())
    }

    fn of(notes: Notes) -> Self {
        Self(Arc::new(Mutex::new(notes)))
    }

    fn noted(&self, id: AttemptId, note: impl FnOnce(&mut Called, &mut Attempt)) {
        let notes = &mut *self.notes();
        let mut attempts = notes.called.iter_mut().zip(&mut notes.report.attempts);
        if let Some((called, attempt)) = attempts.find(|(called, _)| called.id == id) {
            note(called, attempt);
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// Who served, or was tried last.
    fn name_server(&self, report: &mut CallReport) {
        let served = self.called.iter().position(|called| Some(called.id) == self.served);
        let Some(at) = served.or(self.called.len().checked_sub(1)) else { return };
        if let Some(called) = self.called.get(at) {
            report.model.clone_from(&called.model);
            report.inference_profile.clone_from(&called.inference_profile);
            report.route = called.route.into();
            report.route_reason.clone_from(&called.route_reason);
        }
        if let Some(attempt) = self.report.attempts.get(at) {
            report.region.clone_from(&attempt.region);
            report.aws_request_id.clone_from(&attempt.aws_request_id);
        }
    }

    /// What the attempts cost together, and what of it nobody knows.
    fn add_up(&self, report: &mut CallReport) {
        let known = self.called.iter().filter_map(|called| called.cost.as_ref()?.as_ref().ok());
        let mut unpriced: Vec<_> =
            self.called.iter().filter_map(|called| called.cost.as_ref()?.as_ref().err()).cloned().collect();
        match price::sum(known) {
            Ok(cost) => report.cost = cost,
            Err(absurd) => unpriced.push(absurd),
        }
        let warning = |kind: WarningKind, path: &str, message: String| Warning {
            kind: kind.into(),
            path: path.to_owned(),
            message,
        };
        let unpriced = unpriced.iter().map(|why| {
            warning(WarningKind::Unpriced, "modelId", format!("the cost of an attempt is not known: {why}"))
        });
        report.warnings.extend(unpriced);
        for (at, _) in
            self.called.iter().enumerate().filter(|(_, called)| called.may_be_billed && called.cost.is_none())
        {
            let message = "may have cost more: AWS may have billed it, and has reported no usage".to_owned();
            report.warnings.push(warning(WarningKind::CostIncomplete, &format!("attempts[{at}]"), message));
        }
    }

    fn moments(&self) -> Moments {
        let Self { dispatched, first_content, last_event, .. } = *self;
        Moments { dispatched, first_content, last_event }
    }
}

/// Puts into a call's report what another one tells of attempts. What is about the call itself stays.
fn take(report: &mut CallReport, from: CallReport) {
    let CallReport { request_id: _, model_asked: _, cache_status: _, timings: _, .. } = from;
    report.aws_request_id = from.aws_request_id;
    report.model = from.model;
    report.inference_profile = from.inference_profile;
    report.region = from.region;
    report.route = from.route;
    report.route_reason = from.route_reason;
    report.attempts = from.attempts;
    report.tokens = from.tokens;
    report.cost = from.cost;
    report.warnings.extend(from.warnings);
    report.replayed |= from.replayed;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            let attempt = AttemptId(1);
            if reached > 0 {
                report.notes().dispatched = Some(began);
                tokio::time::advance(Duration::from_millis(50)).await;
            }
            if reached > 1 {
                report.first_content(attempt);
                tokio::time::advance(Duration::from_millis(700)).await;
            }
            if reached > 2 {
                report.attempt_ends(attempt, began, "OK");
                tokio::time::advance(Duration::from_millis(9)).await;
            }
            let timings = report.finish().timings.unwrap_or_default();
            let parts = [timings.preparing, timings.first_content, timings.streaming, timings.finishing];
            assert_eq!(parts.into_iter().map(nanos).sum::<i128>(), nanos(timings.total), "{reached}");
            assert!(nanos(timings.total) > 0);
        }
    }
}
