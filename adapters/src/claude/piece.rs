//! The pieces of a block, as Converse's stream has them.

use bedrock_inference_proto::v1::{
    ContentBlockDelta, ContentBlockDeltaEvent, ReasoningContentBlockDelta, ToolUseBlockDelta,
    content_block_delta, reasoning_content_block_delta,
};

use crate::contract::Event;

pub(super) fn piece(index: i32, kind: content_block_delta::Kind) -> Event {
    Event::ContentBlockDelta(ContentBlockDeltaEvent {
        delta: Some(ContentBlockDelta { kind: Some(kind), tool_result: Vec::new() }),
        content_block_index: Some(index),
    })
}

pub(super) fn text(index: i32, text: String) -> Event {
    piece(index, content_block_delta::Kind::Text(text))
}

pub(super) fn thought(index: i32, text: String) -> Event {
    reasoning(index, reasoning_content_block_delta::Kind::Text(text))
}

pub(super) fn reasoning(index: i32, kind: reasoning_content_block_delta::Kind) -> Event {
    let delta = ReasoningContentBlockDelta { kind: Some(kind) };
    piece(index, content_block_delta::Kind::ReasoningContent(delta))
}

pub(super) fn input(index: i32, json: String) -> Event {
    piece(index, content_block_delta::Kind::ToolUse(ToolUseBlockDelta { input: Some(json) }))
}
