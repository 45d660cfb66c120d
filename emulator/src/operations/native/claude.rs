//! Claude's reply in the shape of Anthropic's messages API.

use serde_json::{Value, json};

use crate::answer::{Answer, AnswerBlock, Citation, CitedPlace, Usage};
use crate::digest::Digest;
use crate::operations::completion::Completion;

/// The body of a unary reply.
pub(in crate::operations) fn body(completion: &Completion) -> Value {
    let Answer { blocks, stop_reason, stop_sequence } = &completion.answer;
    let content = blocks.iter().map(block).collect();
    let end = (Some(stop_reason.as_str()), stop_sequence.as_deref());
    message(completion, content, end, completion.usage.output)
}

/// A message with its end, the stop reason and the stop sequence, and the output tokens said so far.
pub(super) fn message(
    completion: &Completion,
    content: Vec<Value>,
    (stop_reason, stop_sequence): (Option<&str>, Option<&str>),
    output: u32,
) -> Value {
    json!({
        "id": id(completion),
        "type": "message",
        "role": "assistant",
        "model": completion.prompt.model.native_name(),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": usage(&completion.usage, output),
    })
}

/// The same request gets the same id.
fn id(completion: &Completion) -> String {
    let mut digest = Digest::new("messageId");
    digest.add(completion.prompt.last_user_text());
    digest.add(completion.prompt.messages.len().to_le_bytes());
    digest.add(completion.usage.output.to_le_bytes());
    format!("msg_bdrk_{}", digest.id())
}

fn usage(usage: &Usage, output: u32) -> Value {
    let input = usage.input;
    json!({
        "input_tokens": input.plain,
        "cache_creation_input_tokens": input.written(),
        "cache_read_input_tokens": input.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": input.written_5m,
            "ephemeral_1h_input_tokens": input.written_1h,
        },
        "output_tokens": output,
    })
}

fn block(block: &AnswerBlock) -> Value {
    match block {
        AnswerBlock::Text(text) => json!({"type": "text", "text": text}),
        AnswerBlock::Cited { text, citation: cited } => {
            json!({"type": "text", "text": text, "citations": [citation(cited)]})
        }
        AnswerBlock::Reasoning { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        AnswerBlock::RedactedReasoning(data) => json!({"type": "redacted_thinking", "data": data}),
        AnswerBlock::ToolUse { id, name, input } => {
            json!({"type": "tool_use", "id": tool_use_id(id), "name": name, "input": input})
        }
    }
}

/// Claude's own ids have another prefix than the ones Converse gives.
pub(super) fn tool_use_id(id: &str) -> String {
    format!("toolu_bdrk_{}", id.strip_prefix("tooluse_").unwrap_or(id))
}

/// A citation; its kind depends on what is cited.
pub(super) fn citation(citation: &Citation) -> Value {
    let Citation { title, cited_text, place } = citation;
    match place {
        CitedPlace::Characters { document, end } => json!({
            "type": "char_location", "cited_text": cited_text, "document_index": document,
            "document_title": title, "start_char_index": 0, "end_char_index": end,
        }),
        CitedPlace::Page { document } => json!({
            "type": "page_location", "cited_text": cited_text, "document_index": document,
            "document_title": title, "start_page_number": 1, "end_page_number": 2,
        }),
        CitedPlace::Chunk { document } => json!({
            "type": "content_block_location", "cited_text": cited_text, "document_index": document,
            "document_title": title, "start_block_index": 0, "end_block_index": 1,
        }),
        CitedPlace::SearchResult { index, source } => json!({
            "type": "search_result_location", "cited_text": cited_text, "search_result_index": index,
            "source": source, "title": title, "start_block_index": 0, "end_block_index": 1,
        }),
    }
}
