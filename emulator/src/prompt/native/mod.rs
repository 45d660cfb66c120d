//! Reading the body of InvokeModel: each family's own request, with the headers beside it.

mod claude;
mod claude_content;
mod claude_parameters;
mod claude_tools;
mod guard_tags;
mod invocation;
mod nova;
mod titan;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Prompt, conversation, parameters};
use crate::errors::{Failure, Outcome};
use crate::models::{Family, Model};

pub(crate) use invocation::{Invocation, PERFORMANCE_LATENCY, REQUEST_METADATA, SERVICE_TIER};

/// A native prompt, and the fields of it that are checked but not kept: `thinking`, `top_k`, and so on.
type Parsed = (Prompt, Map<String, Value>);

/// Reads and validates a native body, as the service and the model behind it would.
pub(crate) fn parse_native(
    model: Arc<Model>,
    mut body: Map<String, Value>,
    mut invocation: Invocation,
) -> Outcome<Prompt> {
    let tags = guard_tags::settings(&mut body, &mut invocation)?;
    let (mut prompt, extra) = match model.family {
        Family::Claude => claude::parse(model, body)?,
        Family::Nova => nova::parse(model, body)?,
        Family::TitanText => titan::parse(model, body)?,
        Family::Other => {
            return Err(Failure::validation(format!(
                "The emulator does not speak the native body of {}. Call it with Converse.",
                model.name
            )));
        }
    };
    if let Some(suffix) = tags {
        guard_tags::mark(&mut prompt, &suffix);
    }
    prompt.guardrail = invocation.guardrail;
    prompt.latency = invocation.latency;
    prompt.service_tier = invocation.service_tier;
    conversation::check(&prompt)?;
    parameters::check(&prompt, &extra)?;
    Ok(prompt)
}

/// Checks the members of an object against the family's schema.
fn check_keys(at: &str, members: &Map<String, Value>, permitted: &[&str], required: &[&str]) -> Outcome<()> {
    let missing = required.iter().find(|name| members.get(**name).is_none_or(Value::is_null));
    if let Some(name) = missing {
        let extraneous = members.keys().find(|name| !permitted.contains(&name.as_str()));
        let also = extraneous
            .map_or_else(String::new, |name| format!("{at}: extraneous key [{name}] is not permitted"));
        return Err(Failure::malformed(format!("{at}: required key [{name}] not found{also}")));
    }
    match members.keys().find(|name| !permitted.contains(&name.as_str())) {
        Some(name) => Err(Failure::malformed(format!("{at}: extraneous key [{name}] is not permitted"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
