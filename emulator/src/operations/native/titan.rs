//! Titan Text's reply: one text, whole and in chunks.

use serde_json::{Value, json};

use super::metrics;
use crate::answer::{AnswerBlock, StopReason};
use crate::operations::completion::Completion;
use crate::operations::speech::Moment;
use crate::tokens::BYTES_PER_TOKEN;

/// The body of a unary reply.
pub(in crate::operations) fn body(completion: &Completion) -> Value {
    let texts = completion.answer.blocks.iter().filter_map(|block| match block {
        AnswerBlock::Text(text) => Some(text.as_str()),
        _ => None,
    });
    json!({
        "inputTextTokenCount": completion.usage.input.plain,
        "results": [{
            "tokenCount": completion.usage.output,
            "outputText": texts.collect::<String>(),
            "completionReason": completion_reason(completion),
        }],
    })
}

/// The chunk of a moment: one a piece of text, and a last one with the reason. `said` counts the bytes of
/// all pieces so far.
pub(in crate::operations) fn chunk(
    completion: &Completion,
    moment: &Moment<'_>,
    said: usize,
) -> Option<Value> {
    let (piece, reason, tokens) = match moment {
        Moment::Delta { piece, .. } => {
            let tokens = u32::try_from(said.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX);
            (*piece, None, tokens)
        }
        Moment::Metadata => ("", Some(completion_reason(completion)), completion.usage.output),
        _ => return None,
    };
    let mut chunk = json!({
        "outputText": piece,
        "index": 0,
        "totalOutputTextTokenCount": tokens,
        "completionReason": reason,
        "inputTextTokenCount": completion.usage.input.plain,
    });
    if reason.is_some() {
        metrics::add_to_last_chunk(&mut chunk, completion);
    }
    Some(chunk)
}

fn completion_reason(completion: &Completion) -> &'static str {
    match completion.answer.stop_reason {
        StopReason::EndTurn | StopReason::ToolUse => "FINISHED",
        StopReason::MaxTokens => "LENGTH",
        StopReason::StopSequence => "STOP_CRITERIA_MET",
    }
}
