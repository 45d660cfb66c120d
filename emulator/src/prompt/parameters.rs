//! The rules on numbers, sampling, thinking and metadata.

use serde_json::{Map, Value};

use super::reader::Place;
use super::{Prompt, Role, ToolChoice};
use crate::errors::{Failure, Outcome};
use crate::models::{Family, Model};

/// The most entries of `requestMetadata`.
const MAX_METADATA_ENTRIES: usize = 16;

/// The smallest thinking budget Claude accepts, in tokens.
const MIN_THINKING_BUDGET_TOKENS: u64 = 1_024;

/// Reads `maxTokens`.
pub(super) fn max_tokens(at: &Place<'_>, value: Option<Value>) -> Outcome<Option<u32>> {
    let Some(value) = value else { return Ok(None) };
    match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) if number >= 1 => Ok(Some(number)),
        _ => Err(out_of_range(at, &value, "Member must have value greater than or equal to 1")),
    }
}

/// Reads a number from 0 to 1.
pub(super) fn fraction(at: &Place<'_>, value: Option<Value>) -> Outcome<Option<f64>> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        Some(number) if number > 1.0 => {
            Err(out_of_range(at, &value, "Member must have value less than or equal to 1"))
        }
        Some(number) if number >= 0.0 => Ok(Some(number)),
        _ => Err(out_of_range(at, &value, "Member must have value greater than or equal to 0")),
    }
}

fn out_of_range(at: &Place<'_>, value: &Value, constraint: &str) -> Failure {
    Failure::validation(format!(
        "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: {constraint}"
    ))
}

/// Whether the additional fields turn reasoning on: Claude's `thinking`, Nova 2's `reasoningConfig`, or the effort
/// that others take.
pub(super) fn asks_for_reasoning(model: &Model, extra: &Map<String, Value>) -> bool {
    if model.family == Family::Other {
        let nested = extra.get("reasoning").and_then(|reasoning| reasoning.get("effort"));
        let effort = extra.get("reasoning_effort").or(nested).and_then(Value::as_str);
        return model.supports.reasoning && effort.is_some_and(|effort| effort != "none");
    }
    let kind = |name: &str| extra.get(name).and_then(|config| config.get("type")).and_then(Value::as_str);
    matches!(kind("thinking"), Some("enabled" | "adaptive")) || kind("reasoningConfig") == Some("enabled")
}

/// Whether the additional fields forbid more than one tool call an answer.
pub(super) fn single_tool_use(extra: &Map<String, Value>) -> bool {
    let choice = extra.get("tool_choice");
    choice.and_then(|choice| choice.get("disable_parallel_tool_use")).and_then(Value::as_bool) == Some(true)
}

/// Checks `requestMetadata`: number, lengths and characters.
pub(super) fn check_metadata(metadata: &Value) -> Outcome<()> {
    let at = Place::root("requestMetadata");
    let Some(entries) = metadata.as_object() else {
        return Err(at.constraint("Member must be a map of strings"));
    };
    if entries.is_empty() || entries.len() > MAX_METADATA_ENTRIES {
        return Err(at.constraint("Member must have length between 1 and 16"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || ":_@$#=/+,-.".contains(c);
    for (key, value) in entries {
        let value = value.as_str().ok_or_else(|| at.constraint("Member must be a map of strings"))?;
        let lengths = (1..=256).contains(&key.len()) && value.len() <= 256;
        if !lengths || !key.chars().chain(value.chars()).all(allowed) {
            return Err(at.constraint(
                "Map keys and values must have at most 256 characters and satisfy regular expression pattern: \
                 [a-zA-Z0-9\\s:_@$#=/+,-.]*",
            ));
        }
    }
    Ok(())
}

/// Checks everything that depends on the model.
pub(super) fn check(prompt: &Prompt, extra: &Map<String, Value>) -> Outcome<()> {
    check_lengths(prompt)?;
    check_sampling(prompt, extra)?;
    check_thinking(prompt, extra)
}

fn check_lengths(prompt: &Prompt) -> Outcome<()> {
    let limit = prompt.model.max_output_tokens;
    if prompt.inference.max_tokens.is_some_and(|asked| asked > limit) {
        return Err(Failure::validation(format!(
            "The maximum tokens you requested exceeds the model limit of {limit}. Try again with a maximum tokens \
             value that is lower than {limit}."
        )));
    }
    let stops = &prompt.inference.stop_sequences;
    if !stops.is_empty() && !prompt.model.supports.stop_sequences {
        return Err(Failure::validation(
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
        ));
    }
    let at = Place::root("inferenceConfig");
    if stops.iter().any(String::is_empty) {
        return Err(at
            .member("stopSequences")
            .constraint("Member must have length greater than or equal to 1"));
    }
    Ok(())
}

fn check_sampling(prompt: &Prompt, extra: &Map<String, Value>) -> Outcome<()> {
    let inference = &prompt.inference;
    let supports = &prompt.model.supports;
    let asked = [
        ("temperature", inference.temperature.is_some()),
        ("top_p", inference.top_p.is_some()),
        ("top_k", extra.contains_key("top_k")),
    ];
    if let Some((name, _)) = asked.iter().find(|(_, asked)| *asked && !supports.sampling_params) {
        return Err(Failure::from_model(format!("`{name}` is deprecated for this model.")));
    }
    if inference.temperature.is_some() && inference.top_p.is_some() && !supports.temperature_with_top_p {
        return Err(Failure::from_model(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one. "
                .trim_end(),
        ));
    }
    Ok(())
}

fn check_thinking(prompt: &Prompt, extra: &Map<String, Value>) -> Outcome<()> {
    let family = prompt.model.family;
    if !prompt.reasoning || family == Family::Other {
        return Ok(());
    }
    let field = if extra.contains_key("thinking") { "thinking" } else { "reasoningConfig" };
    let belongs = matches!((family, field), (Family::Claude, "thinking") | (Family::Nova, "reasoningConfig"));
    if !belongs || !prompt.model.supports.reasoning {
        return Err(Failure::from_model(format!("{field}: Extra inputs are not permitted")));
    }
    if family != Family::Claude {
        return Ok(());
    }
    if matches!(prompt.tool_choice, ToolChoice::Any | ToolChoice::Named(_)) {
        return Err(Failure::from_model("Thinking may not be enabled when tool_choice forces tool use."));
    }
    #[expect(clippy::float_cmp, reason = "the service compares with exactly 1")]
    if prompt.inference.temperature.is_some_and(|temperature| temperature != 1.0) {
        return Err(Failure::from_model("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if extra.contains_key("top_k") {
        return Err(Failure::from_model("`top_k` must be unset when thinking is enabled."));
    }
    if prompt.messages.last().is_some_and(|last| last.role == Role::Assistant) {
        return Err(Failure::from_model(
            "When thinking is enabled, the conversation must end with a user message: the response cannot be \
             prefilled.",
        ));
    }
    check_budget(prompt, extra.get("thinking"))
}

fn check_budget(prompt: &Prompt, thinking: Option<&Value>) -> Outcome<()> {
    let Some(thinking) =
        thinking.filter(|thinking| thinking.get("type").and_then(Value::as_str) == Some("enabled"))
    else {
        return Ok(());
    };
    let Some(budget) = thinking.get("budget_tokens").and_then(Value::as_u64) else {
        return Err(Failure::from_model("thinking.enabled.budget_tokens: Field required"));
    };
    if budget < MIN_THINKING_BUDGET_TOKENS {
        return Err(Failure::from_model(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ));
    }
    if budget >= u64::from(prompt.max_tokens()) {
        return Err(Failure::from_model("`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
    Ok(())
}
