//! One call on its way through the service.

mod bound;
mod clocks;
mod mistakes;
mod options;
mod permit;
mod reply;
mod report;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{OnDisconnect, Priority, Route};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::Target;
use crate::error::{Error, Reason};
use crate::principal::Principal;
use crate::service::Shared;

pub use bound::{Bound, limits_output};
pub use clocks::Clocks;
pub use mistakes::refusal;
pub use options::fallback_path;
pub use permit::Permit;
pub use reply::{End, Events, Reply};
pub use report::{AttemptId, Report, Spent};
pub use request::{Asked, InvokeCall, Request};

/// The corridor, or what is left of it: takes a call, gives its reply.
pub type CallService = Shared<Call, Reply, Error>;

/// The longest model id in AWS's service model, in bytes. A report that names it fits into a status.
const LONGEST_MODEL_ID: usize = 2048;

/// One call. Cheap to clone: the request is shared.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub principal: Principal,
    /// The caller's own id of the call, or ours.
    pub request_id: String,
    /// Whether the id is the caller's own.
    pub is_named: bool,
    /// When the caller stops waiting; `None` for never.
    pub deadline: Option<Instant>,
    /// The model id as the caller gave it; empty for a request without a model.
    pub model_asked: String,
    /// What is asked.
    pub request: Arc<Request>,
    /// The route that the caller insists on, if any.
    pub route: Route,
    /// What becomes of paid work when the caller goes away.
    pub on_disconnect: OnDisconnect,
    /// Who goes first where not all can.
    pub priority: Priority,
    /// Where it may go, first choice first; empty until `resolve`.
    pub targets: Arc<[Target]>,
    /// Which of them the attempt is for.
    pub at: usize,
    /// Whether the attempt is made beside another one.
    pub hedge: bool,
    /// The attempt, once it is one.
    pub attempt: AttemptId,
    /// How long a target may be silent until a second one is called beside it.
    pub hedge_after: Option<Duration>,
    /// Models or aliases to try behind what was asked for, with their places in the request.
    pub fallback_models: Vec<(usize, String)>,
    /// Calls of one session go to the same target.
    pub session_id: Option<String>,
    /// Labels of the tenant and the caller.
    pub labels: BTreeMap<String, String>,
    /// The most that it may cost, in pico-USD.
    pub cost_cap: Option<i64>,
    /// Options that cannot be honoured; `validate` refuses them together with the rest.
    pub mistakes: Vec<Violation>,
    /// Leave to run, from admission until its flight takes it.
    pub permit: Option<Permit>,
    /// Cancelled when nobody waits for it any more.
    pub left: CancellationToken,
    /// What is reported of it at the end.
    pub report: Report,
}

impl Call {
    /// A call as it enters the corridor.
    ///
    /// `model_header` is the metadata `x-bedrock-model-id`, for bodies that came without `modelId`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a missing model id or a request that cannot be made, with every other mistake that
    /// shows without knowing the model.
    pub fn new(
        principal: Principal,
        deadline: Option<Instant>,
        model_header: Option<&str>,
        asked: Asked,
        report: Report,
    ) -> Result<Self, Error> {
        let options = asked.options.unwrap_or_default();
        let mut mistakes = Vec::new();
        if let Some(id) = &options.request_id {
            match check_id("options.requestId", id) {
                None => report.named(id),
                mistake => mistakes.extend(mistake),
            }
        }
        mistakes.extend(options.session_id.as_ref().and_then(|id| check_id("options.sessionId", id)));
        mistakes.extend(options::check(&options, &report));
        let fallback_models = options::fallbacks(options.fallback_models.as_slice(), &mut mistakes);
        let labels = options::labels(&options, principal.policy());
        let in_body = asked.model_id.as_deref().filter(|id| !id.is_empty());
        let model_asked = in_body.or(model_header).unwrap_or_default().to_owned();
        let needs_model = asked.request.as_ref().map_or(true, Request::needs_model);
        let unnamed = if needs_model { check_model_id(&model_asked) } else { None };
        if needs_model && unnamed.is_none() {
            report.asked(&model_asked);
        }
        let request = match (asked.request, unnamed) {
            (Ok(request), None) => Arc::new(request),
            (request, unnamed) => {
                mistakes.extend(request.map_or_else(|unmakeable| unmakeable, |request| request.mistakes()));
                mistakes.extend(unnamed);
                return Err(refusal(mistakes));
            }
        };
        let route = options.route();
        let (on_disconnect, priority) = options::usual(&options);
        Ok(Self {
            principal,
            request_id: report.request_id(),
            is_named: options.request_id.is_some(),
            deadline,
            model_asked,
            request,
            route,
            on_disconnect,
            priority,
            targets: Arc::new([]),
            at: 0,
            hedge: false,
            attempt: AttemptId::default(),
            hedge_after: None,
            fallback_models,
            session_id: options.session_id,
            labels,
            cost_cap: options.cost_cap_pico_usd,
            mistakes,
            permit: None,
            left: CancellationToken::new(),
            report,
        })
    }

    /// The same call with another request in it.
    #[must_use]
    pub fn with(&self, request: Request) -> Self {
        Self { request: Arc::new(request), ..self.clone() }
    }

    /// Keeps the targets that nothing speaks against, `against` saying what for each of them; the report names the
    /// others.
    pub fn keep(&mut self, against: impl IntoIterator<Item = Option<String>>) {
        let judged = self.targets.iter().zip(against);
        let kept = judged.filter(|(target, against)| {
            against.iter().for_each(|why| self.report.left_out(target, why));
            against.is_none()
        });
        self.targets = kept.map(|(target, _)| target.clone()).collect();
    }

    /// The target that an attempt is for.
    ///
    /// # Errors
    /// The call has not been resolved: a bug of ours.
    pub fn target(&self) -> Result<&Target, Error> {
        self.targets.get(self.at).ok_or_else(|| Error::new(Reason::Panic, "the call has no target"))
    }
}

fn check_model_id(id: &str) -> Option<Violation> {
    let unset = "is not set, and neither is metadata x-bedrock-model-id";
    let description = if id.is_empty() { unset.to_owned() } else { too_long(id)? };
    Some(Violation { path: "modelId".to_owned(), description })
}

/// Of a model id that no model can have.
fn too_long(id: &str) -> Option<String> {
    let length = id.len();
    (length > LONGEST_MODEL_ID)
        .then(|| format!("has {length} bytes; at most {LONGEST_MODEL_ID} are accepted"))
}

fn check_id(path: &str, id: &str) -> Option<Violation> {
    if (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let length = id.len();
    let description =
        format!("has {length} bytes; 1 to 128 printable ASCII characters without spaces are accepted");
    Some(Violation { path: path.to_owned(), description })
}
