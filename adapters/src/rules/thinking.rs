//! Thinking before the answer, as Claude and Nova are asked for it, and what comes back of it.

use bedrock_inference_proto::v1::{
    ConverseStreamRequest, content_block, reasoning_content_block, tool_choice,
};

use super::conversation::Conversation;
use super::fields::{self, Budget};
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
    if !model.is_of(&["anthropic", "amazon"]) {
        return;
    }
    let fields = &conversation.fields;
    let thinks = |provider| model.may(Capability::Reasoning) && model.is_of(&[provider]);
    if fields.reasoning.as_deref() == Some("enabled") && !thinks("amazon") {
        findings.of_model(fields::path("reasoningConfig"), "is set; the model does not know it");
    }
    let kind = fields::path("thinking.type");
    match fields.thinking.as_deref() {
        Some("enabled" | "adaptive") if !thinks("anthropic") => {
            findings.of_model(fields::path("thinking"), "is set; the model does not know it");
        }
        Some("adaptive") if model.refuses(Refused::ThinkingAdaptive) => {
            findings.of_model(kind, "is adaptive; the model takes enabled, with a budget");
        }
        Some("enabled") if model.refuses(Refused::ThinkingBudget) => {
            findings.of_model(kind, "is enabled; the model takes adaptive");
        }
        Some("disabled") if model.refuses(Refused::ThinkingDisabled) => {
            findings.of_model(kind, "is disabled; the model always thinks");
        }
        Some("enabled") => {
            check_budget(model, request, conversation, findings);
            check_sampling(request, conversation, findings);
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
    let budget = match conversation.fields.budget {
        Some(Budget::Tokens(budget)) => budget,
        Some(Budget::NoWholeNumber) => {
            let description = format_args!("is no whole number; at least {SMALLEST_BUDGET} is accepted");
            return findings.of_model(path, description);
        }
        None => return findings.of_model(path, "is not set; thinking needs it"),
    };
    let asked = request.inference_config.as_ref().and_then(|config| config.max_tokens).map(i64::from);
    let longest = asked.or(model.limits.max_output_tokens).and_then(|longest| u64::try_from(longest).ok());
    let interleaved = conversation.fields.betas.interleaved_thinking;
    if budget < SMALLEST_BUDGET {
        findings.of_model(path, format_args!("is {budget}; at least {SMALLEST_BUDGET} is accepted"));
    } else if let Some(longest) = longest.filter(|longest| !interleaved && budget >= *longest) {
        findings
            .of_model(path, format_args!("is {budget}; it must be below the {longest} tokens of the answer"));
    }
}

/// The sampling that cannot stand beside a budget for thinking.
fn check_sampling(request: &ConverseStreamRequest, conversation: &Conversation<'_>, findings: &mut Findings) {
    let fields = &conversation.fields;
    let temperature = request.inference_config.as_ref().and_then(|config| config.temperature);
    let given = [
        ("inferenceConfig.temperature".to_owned(), temperature),
        (fields::path("temperature"), fields.temperature),
    ];
    #[expect(clippy::float_cmp, reason = "exactly 1 is accepted")]
    let hot = given.into_iter().filter(|(_, value)| value.is_some_and(|value| value != 1.0));
    for (path, _) in hot {
        findings.of_model(path, "is other than 1; beside thinking only 1 is accepted");
    }
    if fields.top_k {
        findings.of_model(fields::path("top_k"), "is set; it cannot be beside thinking");
    }
}

/// What else cannot stand beside it.
fn check_company(
    model: &Model,
    request: &ConverseStreamRequest,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    let choice = request.tool_config.as_ref().and_then(|config| config.tool_choice.as_ref());
    let forced = match choice.and_then(|choice| choice.kind.as_ref()) {
        Some(tool_choice::Kind::Any(_)) => Some("any"),
        Some(tool_choice::Kind::Tool(_)) => Some("tool"),
        _ => None,
    };
    if let Some(forced) = forced {
        let path = format_args!("toolConfig.toolChoice.{forced}");
        findings.of_model(path, "forces a tool call; beside thinking only auto is accepted");
    }
    if let Some(at) = conversation.prefill()
        && !model.refuses(Refused::Prefill)
    {
        let description = "is assistant in the last message; a model that thinks begins its answers itself";
        findings.of_model(format_args!("messages[{at}].role"), description);
    }
}

/// Claude's reasoning goes back with the signature that came with it.
fn check_signatures(conversation: &Conversation<'_>, findings: &mut Findings) {
    for block in conversation.blocks() {
        let content_block::Kind::ReasoningContent(reasoning) = block.kind else { continue };
        if let Some(reasoning_content_block::Kind::ReasoningText(text)) = &reasoning.kind
            && text.signature.as_ref().is_none_or(String::is_empty)
        {
            let path = format_args!("{block}.reasoningText.signature");
            findings.of_model(path, "is not set; reasoning goes back with the signature it came with");
        }
    }
}
