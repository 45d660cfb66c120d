//! What the emulator says: one answer made from the prompt alone, rendered later by each wire format.

mod attachments;
mod citations;
mod cut;
mod hints;
mod reasoning;
mod schema;
mod text;
mod tool_calls;
mod tool_results;
mod topics;

use serde_json::Value;

use crate::prompt::{Prompt, Tool, ToolChoice};
use crate::prompt_cache::InputSplit;
use crate::tokens;

pub(crate) use citations::{Citation, CitedPlace};
pub(crate) use reasoning::signature_of;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// What is said, in order; may be empty when a limit cut everything.
    pub(crate) blocks: Vec<AnswerBlock>,
    /// Why it ended.
    pub(crate) stop_reason: StopReason,
    /// The stop sequence that ended it.
    pub(crate) stop_sequence: Option<String>,
}

/// One part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnswerBlock {
    Reasoning {
        text: String,
        /// Only the models of Claude and Nova sign.
        signature: Option<String>,
    },
    /// Reasoning that only the model can read, as base64 text.
    RedactedReasoning(String),
    Text(String),
    /// A text that rests on a document or a search result.
    Cited {
        text: String,
        citation: Citation,
    },
    /// The id is in Converse's form.
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
}

impl AnswerBlock {
    /// What the part counts.
    pub(crate) fn tokens(&self) -> u32 {
        match self {
            Self::Reasoning { text, .. }
            | Self::RedactedReasoning(text)
            | Self::Text(text)
            | Self::Cited { text, .. } => tokens::of_text(text),
            Self::ToolUse { name, input, .. } => tokens::of_text(name) + tokens::of_json(input),
        }
    }
}

impl AnswerBlock {
    /// The words of the part; tool calls and redacted reasoning have none.
    pub(crate) fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Reasoning { text, .. } | Self::Text(text) | Self::Cited { text, .. } => Some(text),
            Self::RedactedReasoning(_) | Self::ToolUse { .. } => None,
        }
    }

    /// The words meant for the reader: neither reasoning nor tool calls.
    pub(crate) fn said_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Text(text) | Self::Cited { text, .. } => Some(text),
            Self::Reasoning { .. } | Self::RedactedReasoning(_) | Self::ToolUse { .. } => None,
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    EndTurn,
    ToolUse,
    MaxTokens,
    StopSequence,
}

impl StopReason {
    /// The word Converse uses, which is also Claude's.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::ToolUse => "tool_use",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
        }
    }
}

/// What a call is charged for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: InputSplit,
    pub(crate) output: u32,
}

impl Usage {
    /// Everything that was read, written and said.
    pub(crate) fn total(&self) -> u32 {
        let input = self.input.plain.saturating_add(self.input.read).saturating_add(self.input.written());
        input.saturating_add(self.output)
    }
}

impl Answer {
    /// The output tokens.
    pub(crate) fn tokens(&self) -> u32 {
        self.blocks.iter().map(AnswerBlock::tokens).fold(0, u32::saturating_add)
    }
}

/// Answers a prompt: the same prompt always gets the same answer.
pub(crate) fn compose(prompt: &Prompt) -> Answer {
    let mut blocks = Vec::new();
    if prompt.reasoning {
        blocks.push(reasoning::block(prompt));
    }
    let mut stop_reason = StopReason::EndTurn;
    if calls_tools(prompt) {
        blocks.extend(tool_calls::blocks(prompt));
        stop_reason = StopReason::ToolUse;
    } else if let Some(schema) = &prompt.output_schema {
        let mut hints = hints::Hints::from_text(&prompt.last_user_text());
        blocks.push(AnswerBlock::Text(schema::satisfy(schema, &mut hints).to_string()));
    } else {
        blocks.push(AnswerBlock::Text(text::reply(prompt)));
        blocks.extend(citations::block(prompt));
    }
    let answer = Answer { blocks, stop_reason, stop_sequence: None };
    let answer = cut::at_stop_sequence(answer, &prompt.inference.stop_sequences);
    cut::at_max_tokens(answer, prompt.max_tokens())
}

/// Tools are called when they are forced, or offered and not just answered.
fn calls_tools(prompt: &Prompt) -> bool {
    let offered = prompt.tools.iter().any(|tool| matches!(tool, Tool::Spec(_)));
    offered
        && match prompt.tool_choice {
            ToolChoice::Auto => prompt.last_tool_results().next().is_none(),
            ToolChoice::Any | ToolChoice::Named(_) => true,
            ToolChoice::None => false,
        }
}

#[cfg(test)]
mod tests;
