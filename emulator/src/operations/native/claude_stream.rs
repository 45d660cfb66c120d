//! Claude's reply in chunks: the events of Anthropic's messages API.

use serde_json::{Value, json};

use super::claude::{citation, message, tool_use_id};
use super::metrics;
use crate::answer::AnswerBlock;
use crate::operations::completion::Completion;
use crate::operations::speech::Moment;

/// The chunk of a moment.
pub(in crate::operations) fn chunk(completion: &Completion, moment: &Moment<'_>) -> Option<Value> {
    Some(match moment {
        Moment::Start => {
            // The first token has been made when the stream begins.
            let message = message(completion, Vec::new(), (None, None), completion.usage.output.min(1));
            json!({"type": "message_start", "message": message})
        }
        Moment::BlockStart { index, block } => {
            json!({"type": "content_block_start", "index": index, "content_block": empty(block)})
        }
        Moment::Ping => json!({"type": "ping"}),
        Moment::Delta { index, block, piece } => in_block(*index, &said(block, piece)),
        Moment::Seal { index, block } => in_block(*index, &seal(block)?),
        Moment::BlockStop { index } => json!({"type": "content_block_stop", "index": index}),
        Moment::Stop => json!({
            "type": "message_delta",
            "delta": {
                "stop_reason": completion.answer.stop_reason.as_str(),
                "stop_sequence": completion.answer.stop_sequence,
            },
            "usage": {"output_tokens": completion.usage.output},
        }),
        Moment::Metadata => {
            let mut chunk = json!({"type": "message_stop"});
            metrics::add_to_last_chunk(&mut chunk, completion);
            chunk
        }
    })
}

fn in_block(index: usize, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

/// A block before anything of it was said.
fn empty(block: &AnswerBlock) -> Value {
    match block {
        AnswerBlock::Text(_) => json!({"type": "text", "text": ""}),
        AnswerBlock::Cited { .. } => json!({"type": "text", "text": "", "citations": []}),
        AnswerBlock::Reasoning { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
        AnswerBlock::RedactedReasoning(data) => json!({"type": "redacted_thinking", "data": data}),
        AnswerBlock::ToolUse { id, name, .. } => {
            json!({"type": "tool_use", "id": tool_use_id(id), "name": name, "input": {}})
        }
    }
}

fn said(block: &AnswerBlock, piece: &str) -> Value {
    match block {
        AnswerBlock::Text(_) | AnswerBlock::Cited { .. } => json!({"type": "text_delta", "text": piece}),
        AnswerBlock::Reasoning { .. } | AnswerBlock::RedactedReasoning(_) => {
            json!({"type": "thinking_delta", "thinking": piece})
        }
        AnswerBlock::ToolUse { .. } => json!({"type": "input_json_delta", "partial_json": piece}),
    }
}

fn seal(block: &AnswerBlock) -> Option<Value> {
    match block {
        AnswerBlock::Reasoning { signature, .. } => {
            Some(json!({"type": "signature_delta", "signature": signature}))
        }
        AnswerBlock::Cited { citation: cited, .. } => {
            Some(json!({"type": "citations_delta", "citation": citation(cited)}))
        }
        // Redacted reasoning came with the start of its block.
        AnswerBlock::Text(_) | AnswerBlock::RedactedReasoning(_) | AnswerBlock::ToolUse { .. } => None,
    }
}
