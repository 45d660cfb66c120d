//! Validate: what Bedrock or the model is known to refuse is refused here, every mistake at once.

use bedrock_inference_adapters::rules::{self, Findings};
use bedrock_inference_proto::codec::{Violation, beside};
use bedrock_inference_proto::v1::{CountTokensInput, count_tokens_input};
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, Request, refusal};
use crate::catalog::{Entry, Target, is_prompt};
use crate::error::Error;

/// So many warnings are reported of what could not be checked.
const MOST_WARNINGS: usize = 20;

/// Lets a call pass that Bedrock may accept.
pub fn validate() -> impl Layer<CallService, Service = CallService> + Clone {
    layer(|inside, call| async move {
        let mistakes = mistakes(&call)?;
        if !mistakes.is_empty() {
            return Err(refusal(mistakes));
        }
        inside.oneshot(call).await
    })
}

/// Everything that is known to be refused of a call: its options, what AWS's service model says, what Converse
/// and the model say.
///
/// # Errors
/// The call has not been resolved: a bug of ours.
pub fn mistakes(call: &Call) -> Result<Vec<Violation>, Error> {
    let mut mistakes = call.mistakes.clone();
    mistakes.extend(call.request.mistakes());
    let target = call.target()?;
    if let Some(entry) = &target.entry {
        mistakes.extend(model_id(&call.request, target));
        let findings = findings(&call.request, entry);
        mistakes.extend(findings.by_service);
        if entry.known {
            mistakes.extend(findings.by_model);
        } else {
            call.report.unknown_model();
            findings.by_model.iter().take(MOST_WARNINGS).for_each(|finding| call.report.unchecked(finding));
        }
    }
    Ok(mistakes)
}

/// The id that Bedrock is called with must be of AWS's form.
fn model_id(request: &Request, target: &Target) -> Option<Violation> {
    let limits = match request {
        Request::Converse(_) => &beside::CONVERSATIONAL_MODEL_ID,
        Request::Invoke(_) => &beside::INVOKE_MODEL_IDENTIFIER,
        Request::CountTokens(_) => &beside::FOUNDATION_MODEL_VERSION_IDENTIFIER,
        Request::ApplyGuardrail(_) => return None,
    };
    limits.check_text("modelId", &target.model_id)
}

fn findings(request: &Request, entry: &Entry) -> Findings {
    let model = &entry.model;
    // What the prompt holds is not known here, and the call adds to it.
    if is_prompt(&model.id) {
        return Findings::default();
    }
    match request {
        Request::Converse(call) => rules::check(model, &call.request),
        Request::Invoke(call) => rules::check_invoke(model, &call.headers, call.mode),
        Request::CountTokens(count) => match &count.input {
            Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }) => {
                rules::check_count(model, conversation).inside("input.converse")
            }
            _ => Findings::default(),
        },
        Request::ApplyGuardrail(_) => Findings::default(),
    }
}
