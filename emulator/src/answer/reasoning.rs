//! Reasoning before the answer, with a signature that must come back unaltered.

use super::AnswerBlock;
use super::text::few_words;
use crate::digest::Digest;
use crate::models::Family;
use crate::prompt::{Prompt, Tool};

/// Anthropic's documented text that makes Claude redact its reasoning, for tests of clients.
const REDACTION_TRIGGER: &str = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING";

/// The reasoning block of an answer.
pub(super) fn block(prompt: &Prompt) -> AnswerBlock {
    let question = prompt.last_user_text();
    if question.contains(REDACTION_TRIGGER) {
        let mut digest = Digest::new("redacted");
        digest.add(&question);
        return AnswerBlock::RedactedReasoning(digest.signature());
    }
    let mut text = if prompt.last_tool_results().next().is_some() {
        "The tool results are in. I should put them into words for the user.".to_owned()
    } else {
        format!(
            "The user says \u{201c}{}\u{201d}. I should work out what is wanted.",
            few_words(&question, 12)
        )
    };
    let tools = prompt.tools.iter().filter(|tool| matches!(tool, Tool::Spec(_))).count();
    if tools > 0 {
        text.push_str(&format!(" There are {tools} tools I may call."));
    }
    if prompt.messages.len() > 1 {
        text.push_str(&format!(" The conversation has {} messages so far.", prompt.messages.len()));
    }
    text.push_str(" Then I answer briefly and plainly.");
    let signature = (prompt.model.family != Family::Other).then(|| signature_of(&text));
    AnswerBlock::Reasoning { text, signature }
}

/// The signature that belongs to a reasoning text.
pub(crate) fn signature_of(text: &str) -> String {
    let mut digest = Digest::new("reasoning");
    digest.add(text);
    digest.signature()
}
