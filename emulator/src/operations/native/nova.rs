//! Nova's reply: Converse's shape, with names of its own for what was cached.

use serde_json::{Value, json};

use crate::operations::completion::Completion;
use crate::operations::converse_shapes::Content;

/// The body of a unary reply.
pub(in crate::operations) fn body(completion: &Completion) -> Value {
    let answer = &completion.answer;
    let content: Vec<Content<'_>> = answer.blocks.iter().map(Content::from).collect();
    json!({
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": answer.stop_reason.as_str(),
        "usage": usage(completion),
    })
}

/// The usage.
pub(super) fn usage(completion: &Completion) -> Value {
    let usage = completion.usage;
    json!({
        "inputTokens": usage.input.plain,
        "outputTokens": usage.output,
        "totalTokens": usage.total(),
        "cacheReadInputTokenCount": usage.input.read,
        "cacheWriteInputTokenCount": usage.input.written(),
    })
}
