//! The events of ConverseStream, in the order and the shapes of the service.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::Rendering;
use super::completion::Completion;
use super::converse_shapes::{Metadata, additional_fields, citation_shape, stop_reason};
use super::padding::padding;
use super::speech::{self, Moment};
use crate::answer::AnswerBlock;
use crate::event_body::Event;

/// The stream.
pub(super) fn rendering(completion: Completion) -> Rendering {
    let pace = completion.pace;
    // Numbers the events, to vary the padding.
    let mut number = 0;
    let events = speech::events(completion, move |completion, moment| {
        let event = event(completion, moment, number + 1)?;
        number += 1;
        Some(event)
    });
    Rendering::Stream { events: Box::new(events), headers: HeaderMap::new(), pace }
}

/// A payload with its padding.
#[derive(Serialize)]
struct Padded<T> {
    #[serde(flatten)]
    payload: T,
    p: &'static str,
}

#[derive(Serialize)]
struct MessageStart {
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockEvent<T> {
    #[serde(flatten)]
    payload: T,
    content_block_index: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Start<'a> {
    ToolUse {
        #[serde(rename = "toolUseId")]
        id: &'a str,
        name: &'a str,
    },
}

#[derive(Serialize)]
struct StartOf<'a> {
    start: Start<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Delta<'a> {
    Text(&'a str),
    ToolUse { input: &'a str },
    ReasoningContent(ReasoningDelta<'a>),
    Citation(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ReasoningDelta<'a> {
    Text(&'a str),
    Signature(&'a str),
    RedactedContent(&'a str),
}

#[derive(Serialize)]
struct DeltaOf<'a> {
    delta: Delta<'a>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<Value>,
}

/// The event of a moment. Only tool calls announce themselves; text and reasoning start with a delta.
fn event(completion: &Completion, moment: Moment<'_>, number: usize) -> Option<Event> {
    Some(match moment {
        Moment::Start => padded("messageStart", MessageStart { role: "assistant" }, number),
        Moment::BlockStart { index, block: AnswerBlock::ToolUse { id, name, .. } } => {
            let start = StartOf { start: Start::ToolUse { id, name } };
            padded("contentBlockStart", in_block(start, index), number)
        }
        Moment::BlockStart { .. } | Moment::Ping => return None,
        Moment::Delta { index, block, piece } => {
            let delta = match block {
                AnswerBlock::ToolUse { .. } => Delta::ToolUse { input: piece },
                AnswerBlock::Reasoning { .. } | AnswerBlock::RedactedReasoning(_) => {
                    Delta::ReasoningContent(ReasoningDelta::Text(piece))
                }
                AnswerBlock::Text(_) | AnswerBlock::Cited { .. } => Delta::Text(piece),
            };
            padded("contentBlockDelta", in_block(DeltaOf { delta }, index), number)
        }
        Moment::Seal { index, block } => {
            let delta = match block {
                AnswerBlock::Reasoning { signature, .. } => {
                    Delta::ReasoningContent(ReasoningDelta::Signature(signature.as_deref()?))
                }
                AnswerBlock::RedactedReasoning(data) => {
                    Delta::ReasoningContent(ReasoningDelta::RedactedContent(data))
                }
                AnswerBlock::Cited { citation, .. } => Delta::Citation(citation_shape(citation)),
                AnswerBlock::Text(_) | AnswerBlock::ToolUse { .. } => return None,
            };
            padded("contentBlockDelta", in_block(DeltaOf { delta }, index), number)
        }
        Moment::BlockStop { index } => padded("contentBlockStop", in_block(Nothing {}, index), number),
        Moment::Stop => {
            let stop = MessageStop {
                stop_reason: stop_reason(completion),
                additional_model_response_fields: additional_fields(completion),
            };
            padded("messageStop", stop, number)
        }
        Moment::Metadata => padded("metadata", Metadata::new(completion), number),
    })
}

fn in_block<T>(payload: T, content_block_index: usize) -> BlockEvent<T> {
    BlockEvent { payload, content_block_index }
}

fn padded(name: &'static str, payload: impl Serialize, number: usize) -> Event {
    let mut bytes = Vec::with_capacity(192);
    // Fails only for maps whose keys are no strings, of which there are none.
    if serde_json::to_writer(&mut bytes, &Padded { payload, p: padding(number) }).is_err() {
        bytes.clear();
    }
    Event { name: Cow::Borrowed(name), payload: Bytes::from(bytes), tokens: 0.0 }
}
