//! Thinking before the answer, as Claude and Nova are asked for it, and what comes back of it.

use bedrock_inference_proto::v1::{
    ConverseStreamRequest, content_block, reasoning_content_block, tool_choice,
};
use serde_json::Value;

use super::conversation::{Conversation, Role};
use super::fields;
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

/// The smallest budget that Claude takes, in tokens.
const SMALLEST_BUDGET: u64 = 1024;

pub(super) fn check(
    model: &Model,
    request: &ConverseStreamRequest,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    // What the models of other providers make of fields of these names is theirs.
    if !matches!(model.provider.as_str(), "anthropic" | "amazon") {
        return;
    }
    let fields = &conversation.fields;
    let thinks = |provider| model.may(Capability::Reasoning) && model.provider == provider;
    let kind = fields.text("thinking.type");
    if matches!(kind, Some("enabled" | "adaptive")) && !thinks("anthropic") {
        findings.of_model(fields::path("thinking"), "is set; the model does not know it");
        return;
    }
    if fields.text("reasoningConfig.type") == Some("enabled") && !thinks("amazon") {
        findings.of_model(fields::path("reasoningConfig"), "is set; the model does not know it");
    }
    match kind {
        Some("enabled") if model.refuses(Refused::ThinkingBudget) => {
            findings.of_model(fields::path("thinking.type"), "is enabled; the model takes adaptive");
        }
        Some("disabled") if model.refuses(Refused::ThinkingDisabled) => {
            findings.of_model(fields::path("thinking.type"), "is disabled; the model always thinks");
        }
        Some("enabled") => {
            check_budget(model, request, conversation, findings);
            check_company(model, request, conversation, findings);
        }
        _ => {}
    }
    if thinks("anthropic") {
        check_signatures(conversation, findings);
    }
}

/// With interleaved thinking the budget is for all the thinking of a turn, which may be more than one answer.
fn check_budget(
    model: &Model,
    request: &ConverseStreamRequest,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    let path = fields::path("thinking.budget_tokens");
    let Some(budget) = conversation.fields.get("thinking.budget_tokens") else {
        findings.of_model(path, "is not set; thinking needs it");
        return;
    };
    let Some(budget) = budget.as_u64() else {
        findings.of_model(path, format!("is no whole number; at least {SMALLEST_BUDGET} is accepted"));
        return;
    };
    let asked = request.inference_config.as_ref().and_then(|config| config.max_tokens).map(i64::from);
    let longest = asked.or(model.limits.max_output_tokens).and_then(|longest| u64::try_from(longest).ok());
    let interleaved = conversation.fields.has_beta("interleaved-thinking");
    if budget < SMALLEST_BUDGET {
        findings.of_model(path, format!("is {budget}; at least {SMALLEST_BUDGET} is accepted"));
    } else if let Some(longest) = longest.filter(|longest| !interleaved && budget >= *longest) {
        findings.of_model(path, format!("is {budget}; it must be below the {longest} tokens of the answer"));
    }
}

/// What cannot stand beside a budget for thinking.
fn check_company(
    model: &Model,
    request: &ConverseStreamRequest,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    let temperature = request.inference_config.as_ref().and_then(|config| config.temperature);
    #[expect(clippy::float_cmp, reason = "exactly 1 is accepted")]
    let hot = temperature.is_some_and(|temperature| temperature != 1.0);
    if hot {
        findings
            .of_model("inferenceConfig.temperature", "is other than 1; beside thinking only 1 is accepted");
    }
    if conversation.fields.get("top_k").is_some_and(Value::is_number) {
        findings.of_model(fields::path("top_k"), "is set; it cannot be beside thinking");
    }
    let choice = request.tool_config.as_ref().and_then(|config| config.tool_choice.as_ref());
    let forced = match choice.and_then(|choice| choice.kind.as_ref()) {
        Some(tool_choice::Kind::Any(_)) => Some("any"),
        Some(tool_choice::Kind::Tool(_)) => Some("tool"),
        _ => None,
    };
    if let Some(forced) = forced {
        let path = format!("toolConfig.toolChoice.{forced}");
        findings.of_model(path, "forces a tool call; beside thinking only auto is accepted");
    }
    if let Some((at, last)) = conversation.turns().next_back()
        && Role::of(last) == Role::Assistant
        && !model.refuses(Refused::Prefill)
    {
        let description = "is assistant in the last message; a model that thinks begins its answers itself";
        findings.of_model(format!("messages[{at}].role"), description);
    }
}

/// Claude's reasoning goes back with the signature that came with it.
fn check_signatures(conversation: &Conversation<'_>, findings: &mut Findings) {
    for block in conversation.blocks() {
        let content_block::Kind::ReasoningContent(reasoning) = block.kind else { continue };
        if let Some(reasoning_content_block::Kind::ReasoningText(text)) = &reasoning.kind
            && text.signature.as_ref().is_none_or(String::is_empty)
        {
            let path = format!("{}.reasoningText.signature", block.path());
            findings.of_model(path, "is not set; reasoning goes back with the signature it came with");
        }
    }
}
