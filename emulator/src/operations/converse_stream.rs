//! The events of ConverseStream, in the order and the shapes of the service.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::Completion;
use super::converse_shapes::{Metadata, additional_fields};
use crate::answer::AnswerBlock;
use crate::event_body::Event;

/// Bytes of tool input in one delta.
const TOOL_INPUT_PIECE: usize = 12;

/// What `p` is cut from; the service varies its length to hide the length of tokens.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The events of a completion, each made when it is asked for.
pub(super) fn events(completion: Completion) -> impl Iterator<Item = Event> {
    Stepper { completion, step: Step::MessageStart, block: 0, text: String::new(), said: 0, number: 0 }
}

/// Where the stream is.
#[derive(Clone, Copy, Debug)]
enum Step {
    MessageStart,
    BlockStart,
    /// The rest of the block's text from this byte on.
    Delta(usize),
    Signature,
    BlockStop,
    MessageStop,
    Metadata,
    End,
}

struct Stepper {
    completion: Completion,
    step: Step,
    /// The index of the block under way.
    block: usize,
    /// What the block under way says: text, reasoning, or tool input.
    text: String,
    /// Bytes of the block already said.
    said: usize,
    /// Events so far, to vary the padding.
    number: usize,
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
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ReasoningDelta<'a> {
    Text(&'a str),
    Signature(&'a str),
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

impl Iterator for Stepper {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.number += 1;
        loop {
            match self.step {
                Step::MessageStart => {
                    self.step = Step::BlockStart;
                    return Some(self.event("messageStart", MessageStart { role: "assistant" }));
                }
                Step::BlockStart => {
                    if let Some(event) = self.start_block() {
                        return Some(event);
                    }
                }
                Step::Delta(from) => {
                    if let Some(event) = self.delta(from) {
                        return Some(event);
                    }
                }
                Step::Signature => {
                    self.step = Step::BlockStop;
                    if let Some(event) = self.signature() {
                        return Some(event);
                    }
                }
                Step::BlockStop => {
                    let event = self.event("contentBlockStop", self.in_block(Nothing {}));
                    self.block += 1;
                    self.step = Step::BlockStart;
                    return Some(event);
                }
                Step::MessageStop => {
                    self.step = Step::Metadata;
                    let stop = MessageStop {
                        stop_reason: self.completion.answer.stop_reason.as_str(),
                        additional_model_response_fields: additional_fields(&self.completion),
                    };
                    return Some(self.event("messageStop", stop));
                }
                Step::Metadata => {
                    self.step = Step::End;
                    return Some(self.event("metadata", Metadata::new(&self.completion)));
                }
                Step::End => return None,
            }
        }
    }
}

impl Stepper {
    /// Enters the next block. Only tool calls announce themselves; text and reasoning start with a delta.
    fn start_block(&mut self) -> Option<Event> {
        let Some(block) = self.completion.answer.blocks.get_mut(self.block) else {
            self.step = Step::MessageStop;
            return None;
        };
        self.step = Step::Delta(0);
        self.said = 0;
        self.text = match block {
            AnswerBlock::Text(text) | AnswerBlock::Reasoning { text, .. } => std::mem::take(text),
            AnswerBlock::ToolUse { input, .. } => input.to_string(),
        };
        match self.completion.answer.blocks.get(self.block)? {
            AnswerBlock::ToolUse { id, name, .. } => {
                let start = self.in_block(StartOf { start: Start::ToolUse { id, name } });
                Some(self.event("contentBlockStart", start))
            }
            _ => None,
        }
    }

    /// The next piece of the block under way.
    fn delta(&mut self, from: usize) -> Option<Event> {
        let rest = self.text.get(from..).unwrap_or_default();
        let block = self.completion.answer.blocks.get(self.block)?;
        if rest.is_empty() {
            self.step = Step::Signature;
            return None;
        }
        let (piece, delta): (&str, fn(&str) -> Delta<'_>) = match block {
            AnswerBlock::ToolUse { .. } => (piece_of_input(rest), |input| Delta::ToolUse { input }),
            AnswerBlock::Text(_) => (word_of(rest), |text| Delta::Text(text)),
            AnswerBlock::Reasoning { .. } => {
                (word_of(rest), |text| Delta::ReasoningContent(ReasoningDelta::Text(text)))
            }
        };
        let mut event = self.event("contentBlockDelta", self.in_block(DeltaOf { delta: delta(piece) }));
        event.tokens = tokens_of(piece);
        self.step = Step::Delta(from + piece.len());
        Some(event)
    }

    fn signature(&self) -> Option<Event> {
        let AnswerBlock::Reasoning { signature, .. } = self.completion.answer.blocks.get(self.block)? else {
            return None;
        };
        let delta = Delta::ReasoningContent(ReasoningDelta::Signature(signature));
        Some(self.event("contentBlockDelta", self.in_block(DeltaOf { delta })))
    }

    fn in_block<T>(&self, payload: T) -> BlockEvent<T> {
        BlockEvent { payload, content_block_index: self.block }
    }

    fn event(&self, name: &'static str, payload: impl Serialize) -> Event {
        let p = PADDING.get(..1 + self.number * 7 % (PADDING.len() - 1)).unwrap_or(PADDING);
        let mut bytes = Vec::with_capacity(192);
        // Fails only for maps whose keys are no strings, of which there are none.
        if serde_json::to_writer(&mut bytes, &Padded { payload, p }).is_err() {
            bytes.clear();
        }
        Event { name: Cow::Borrowed(name), payload: Bytes::from(bytes), tokens: 0.0 }
    }
}

/// The share of a piece in the answer's tokens, which are counted by bytes.
fn tokens_of(piece: &str) -> f64 {
    f64::from(u32::try_from(piece.len()).unwrap_or(u32::MAX)) / 4.0
}

/// The next word with the space before it, as tokens are.
fn word_of(rest: &str) -> &str {
    let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
    let after = rest.get(word..).unwrap_or_default();
    let end = after.find(char::is_whitespace).map_or(rest.len(), |length| word + length);
    rest.get(..end).unwrap_or(rest)
}

fn piece_of_input(rest: &str) -> &str {
    rest.get(..rest.ceil_char_boundary(TOOL_INPUT_PIECE)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_text_add_up_to_the_text() {
        for text in ["one  two\nthree ", " leading", "", "\u{e9}t\u{e9} \u{1f600}"] {
            let (mut rest, mut joined) = (text, String::new());
            while !rest.is_empty() {
                let word = word_of(rest);
                joined.push_str(word);
                rest = &rest[word.len()..];
            }
            assert_eq!(joined, text);
        }
    }
}
