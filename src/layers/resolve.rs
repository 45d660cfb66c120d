//! Resolve: the model id or alias that the caller gave to the targets that can serve it.

use std::sync::Arc;

use bedrock_inference_proto::codec::Violation;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, Request, fallback_path};
use crate::catalog::{Catalog, Choice, Home, MOST_TARGETS, Target};
use crate::error::Error;

/// Fills `Call::targets`. An id that the catalogue does not know ends here, before anything is paid.
pub fn resolve(catalog: Arc<Catalog>, home: Home) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, mut call| {
        let principal = call.principal.clone();
        let policy = principal.policy();
        let choice = match *call.request {
            Request::Converse(_) | Request::Invoke(_) => catalog.choose_for(policy, &call.model_asked, &home),
            Request::CountTokens(_) => {
                catalog.resolve_bare_for(policy, &call.model_asked, &home).map(Choice::from)
            }
            Request::ApplyGuardrail(_) => catalog.region_only(&home).map(Choice::from),
        };
        let choice = choice.map(|choice| with_fallbacks(choice, &mut call, &catalog, &home));
        async move {
            let choice = choice?;
            (call.targets, call.hedge_after) = (choice.targets, choice.hedge_after);
            inside.oneshot(call).await
        }
    })
}

/// The choice with the caller's own fallbacks behind it, each target once, as many as an alias may have. Those that
/// are not there are mistakes of the request.
fn with_fallbacks(choice: Choice, call: &mut Call, catalog: &Catalog, home: &Home) -> Choice {
    let asked = call.fallback_models.clone();
    let native = matches!(*call.request, Request::Invoke(_));
    if !native && !matches!(*call.request, Request::Converse(_)) {
        if !asked.is_empty() {
            call.report.unsupported_option("options.fallbackModels", "only what answers has fallbacks");
        }
        return choice;
    }
    if asked.is_empty() && !native {
        return choice;
    }
    let mut targets = choice.targets.to_vec();
    for (at, id) in &asked {
        match catalog.choose_for(call.principal.policy(), id, home) {
            // Behind the choice they come in their order: weights are for the choice itself.
            Ok(more) => {
                targets.extend(more.targets.iter().map(|target| Target { weight: 0, ..target.clone() }))
            }
            Err(error) => call.mistakes.push(mistake(*at, &error)),
        }
    }
    let mut kept: Vec<Target> = Vec::with_capacity(targets.len());
    for target in targets {
        match kept.first() {
            Some(first) if native && !first.takes_bodies_of(&target) => {
                call.report.left_out(&target, "takes other native bodies than the first choice");
            }
            _ if kept.iter().any(|one| one.is_same(&target)) => {}
            _ => kept.push(target),
        }
    }
    let beyond = kept.split_off(kept.len().min(MOST_TARGETS));
    if !beyond.is_empty() {
        call.report.left_out_beyond(beyond.len(), MOST_TARGETS);
    }
    Choice { targets: kept.into(), ..choice }
}

fn mistake(at: usize, error: &Error) -> Violation {
    Violation { path: fallback_path(at), description: format!("cannot be called: {}", error.context) }
}
