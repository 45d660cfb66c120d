//! Nova's reply in chunks: ConverseStream's events, each an object with one member.

use serde_json::{Value, json};

use super::{metrics, nova};
use crate::answer::AnswerBlock;
use crate::operations::completion::Completion;
use crate::operations::speech::Moment;

/// The chunk of a moment. Only tool calls announce themselves.
pub(in crate::operations) fn chunk(completion: &Completion, moment: &Moment<'_>) -> Option<Value> {
    Some(match moment {
        Moment::Start => json!({"messageStart": {"role": "assistant"}}),
        Moment::BlockStart { index, block: AnswerBlock::ToolUse { id, name, .. } } => {
            let start = json!({"toolUse": {"toolUseId": id, "name": name}});
            json!({"contentBlockStart": {"start": start, "contentBlockIndex": index}})
        }
        Moment::BlockStart { .. } | Moment::Ping => return None,
        Moment::Delta { index, block, piece } => {
            let delta = match block {
                AnswerBlock::ToolUse { .. } => json!({"toolUse": {"input": piece}}),
                AnswerBlock::Reasoning { .. } | AnswerBlock::RedactedReasoning(_) => {
                    json!({"reasoningContent": {"text": piece}})
                }
                AnswerBlock::Text(_) | AnswerBlock::Cited { .. } => json!({"text": piece}),
            };
            in_block(*index, &delta)
        }
        Moment::Seal { index, block: AnswerBlock::Reasoning { signature, .. } } => {
            in_block(*index, &json!({"reasoningContent": {"signature": signature}}))
        }
        Moment::Seal { .. } => return None,
        Moment::BlockStop { index } => json!({"contentBlockStop": {"contentBlockIndex": index}}),
        Moment::Stop => json!({"messageStop": {"stopReason": completion.answer.stop_reason.as_str()}}),
        Moment::Metadata => {
            let usage = nova::usage(completion);
            let mut chunk = json!({"metadata": {"usage": usage, "metrics": {}, "trace": {}}});
            metrics::add_to_last_chunk(&mut chunk, completion);
            chunk
        }
    })
}

fn in_block(index: usize, delta: &Value) -> Value {
    json!({"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}})
}
