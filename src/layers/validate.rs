//! Validate: what Bedrock or the model is known to refuse is refused here, every mistake at once.

use std::sync::Arc;

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

/// Lets a call pass that Bedrock may accept. Targets that would refuse it are left out, unless all would.
pub fn validate() -> impl Layer<CallService, Service = CallService> + Clone {
    layer(|inside, mut call| async move {
        let refused = refused(&call)?;
        let mut mistakes = call.mistakes.clone();
        mistakes.extend(call.request.mistakes());
        if !mistakes.is_empty() || refused.iter().all(|own| !own.is_empty()) {
            // What was asked for says why.
            mistakes.extend(refused.into_iter().next().unwrap_or_default());
            return Err(refusal(mistakes));
        }
        if refused.iter().any(|own| !own.is_empty()) {
            let first =
                |own: &Vec<Violation>| own.first().map(|own| format!("{} {}", own.path, own.description));
            call.keep(refused.iter().map(first));
        }
        inside.oneshot(call).await
    })
}

/// What each target is known to refuse of a call. Neighbours of one model are judged once.
fn refused(call: &Call) -> Result<Vec<Vec<Violation>>, Error> {
    call.target()?;
    let mut judged: Vec<(Option<&Arc<Entry>>, Vec<Violation>)> = Vec::with_capacity(call.targets.len());
    for target in call.targets.iter() {
        let entry = target.entry.as_ref();
        let found = match (judged.last(), entry) {
            (Some((Some(last), found)), Some(entry)) if Arc::ptr_eq(last, entry) => found.clone(),
            _ => of_model(call, target),
        };
        judged.push((entry, found));
    }
    let refused = judged.into_iter().zip(call.targets.iter()).map(|((_, mut found), target)| {
        found.extend(target.entry.as_ref().and_then(|_| model_id(&call.request, target)));
        found
    });
    Ok(refused.collect())
}

/// Everything that is known to be refused of a call to its first target: its options, what AWS's service model
/// says, what Converse and the model say.
///
/// # Errors
/// The call has not been resolved: a bug of ours.
pub fn mistakes(call: &Call) -> Result<Vec<Violation>, Error> {
    let own = refused(call)?.into_iter().next().unwrap_or_default();
    Ok(call.mistakes.iter().cloned().chain(call.request.mistakes()).chain(own).collect())
}

/// What Converse and the target's model refuse. Of a model that nobody knows it is only reported.
fn of_model(call: &Call, target: &Target) -> Vec<Violation> {
    let Some(entry) = &target.entry else { return Vec::new() };
    let Findings { mut by_service, by_model } = findings(&call.request, entry);
    if entry.known {
        by_service.extend(by_model);
    } else {
        call.report.unknown_model();
        by_model.iter().take(MOST_WARNINGS).for_each(|finding| call.report.unchecked(finding));
    }
    by_service
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
