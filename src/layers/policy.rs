//! Policy: the tenant's cap on output tokens, and its guardrail. What it may call at all is decided where ids become
//! targets (`Catalog::choose_for`), and which RPCs at the edge.

use std::sync::Arc;

use bedrock_inference_adapters::contract::{Capability, ConverseCall};
use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{ConverseStreamRequest, GuardrailStreamConfiguration};
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, InvokeCall, Request, limits_output};
use crate::config::GuardrailSettings;
use crate::error::{Error, Reason};

/// Brings a call under its tenant's policy, or notes as mistakes what contradicts it.
pub fn policy() -> impl Layer<CallService, Service = CallService> + Clone {
    layer(|inside, mut call| {
        let kept = keep(&mut call);
        async move {
            kept?;
            inside.oneshot(call).await
        }
    })
}

fn keep(call: &mut Call) -> Result<(), Error> {
    let principal = call.principal.clone();
    let (most, guardrail) = (principal.policy().max_output_tokens(), principal.policy().guardrail());
    if most.is_none() && guardrail.is_none() {
        return Ok(());
    }
    let mut mistakes = Vec::new();
    let request = match &*call.request {
        Request::Converse(conversation) => {
            let mut kept: ConverseCall = (**conversation).clone();
            if let Some(most) = most {
                cap(&mut kept.request, most, call, &mut mistakes);
            }
            if let Some(guardrail) = guardrail {
                judge(&mut kept.request, guardrail, &mut mistakes);
            }
            Request::Converse(Box::new(kept))
        }
        Request::Invoke(native) => {
            if most.is_some()
                && call.targets.iter().any(|target| {
                    target.entry.as_ref().is_none_or(|entry| entry.model.can(Capability::Converse))
                })
            {
                let context = "the tenant has a cap on output tokens, which a native body cannot be held to; call \
                               Converse or ConverseStream";
                return Err(Error::new(Reason::MethodNotAllowed, context));
            }
            let mut kept = (**native).clone();
            if let Some(guardrail) = guardrail {
                judge_native(&mut kept, guardrail, &mut mistakes);
            }
            Request::Invoke(Box::new(kept))
        }
        // They answer nothing that could be long, or unjudged.
        Request::CountTokens(_) | Request::ApplyGuardrail(_) => return Ok(()),
    };
    call.request = Arc::new(request);
    call.mistakes.extend(mistakes);
    Ok(())
}

/// Sets the cap where the request has none; no more than each target gives, which would be refused.
fn cap(request: &mut ConverseStreamRequest, most: i32, call: &Call, mistakes: &mut Vec<Violation>) {
    if request
        .additional_model_request_fields
        .as_ref()
        .is_some_and(|fields| limits_output(fields.kind.as_ref()))
        || request.additional_model_request_fields_text.is_some()
    {
        mistakes.push(mistake(
            "additionalModelRequestFields",
            "is JSON text, or may hold a limit of tokens of the model's own; the tenant has a cap on output tokens, and \
             inferenceConfig.maxTokens is the place for less",
        ));
    }
    let config = request.inference_config.get_or_insert_default();
    match config.max_tokens {
        Some(asked) if asked > most => mistakes.push(mistake(
            "inferenceConfig.maxTokens",
            &format!("is {asked}; the tenant may ask for at most {most}"),
        )),
        Some(_) => {}
        None => {
            let limits = call
                .targets
                .iter()
                .filter_map(|target| target.entry.as_ref()?.model.limits.max_output_tokens);
            let limits = limits.filter_map(|limit| i32::try_from(limit).ok());
            config.max_tokens = Some(limits.fold(most, i32::min));
        }
    }
}

/// Sets the guardrail where the request has none. How it streams and whether it is traced stays the caller's.
fn judge(request: &mut ConverseStreamRequest, own: &GuardrailSettings, mistakes: &mut Vec<Violation>) {
    let config = request.guardrail_config.get_or_insert_with(GuardrailStreamConfiguration::default);
    set("guardrailConfig.guardrailIdentifier", &mut config.guardrail_identifier, &own.id, mistakes);
    set("guardrailConfig.guardrailVersion", &mut config.guardrail_version, &own.version, mistakes);
}

fn judge_native(call: &mut InvokeCall, own: &GuardrailSettings, mistakes: &mut Vec<Violation>) {
    set("guardrailIdentifier", &mut call.headers.guardrail_identifier, &own.id, mistakes);
    set("guardrailVersion", &mut call.headers.guardrail_version, &own.version, mistakes);
}

fn set(path: &str, asked: &mut Option<String>, own: &str, mistakes: &mut Vec<Violation>) {
    if asked.get_or_insert_with(|| own.to_owned()) != own {
        mistakes.push(mistake(
            path,
            "is not that of the guardrail which judges all calls of the tenant; leave it away",
        ));
    }
}

fn mistake(path: &str, description: &str) -> Violation {
    Violation { path: path.to_owned(), description: description.to_owned() }
}
