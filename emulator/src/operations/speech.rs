//! An answer spoken step by step: what every stream says, in order, whatever its wire format.

use super::completion::Completion;
use crate::answer::AnswerBlock;
use crate::event_body::Event;

/// Bytes of tool input in one delta.
const TOOL_INPUT_PIECE: usize = 12;

/// One step of a stream. A wire format renders it as one event, or passes over it.
#[derive(Debug)]
pub(super) enum Moment<'a> {
    Start,
    BlockStart {
        index: usize,
        block: &'a AnswerBlock,
    },
    /// Nothing is said, once, after the first block has started.
    Ping,
    /// A piece of text, of reasoning, or of tool input.
    Delta {
        index: usize,
        block: &'a AnswerBlock,
        piece: &'a str,
    },
    /// What comes after the last piece of a block: a signature, a citation, or redacted reasoning.
    Seal {
        index: usize,
        block: &'a AnswerBlock,
    },
    BlockStop {
        index: usize,
    },
    Stop,
    Metadata,
}

/// The events of a completion, each rendered when it is asked for.
pub(super) fn events<R>(completion: Completion, render: R) -> impl Iterator<Item = Event>
where
    R: FnMut(&Completion, Moment<'_>) -> Option<Event>,
{
    Speech { completion, render, step: Step::Start, block: 0, text: String::new() }
}

/// Where the stream is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start,
    BlockStart,
    Ping,
    /// The rest of the block's text from this byte on.
    Delta(usize),
    BlockStop,
    Metadata,
    End,
}

struct Speech<R> {
    completion: Completion,
    render: R,
    step: Step,
    /// The index of the block under way.
    block: usize,
    /// What the block under way says: text, reasoning, or tool input.
    text: String,
}

impl<R> Iterator for Speech<R>
where
    R: FnMut(&Completion, Moment<'_>) -> Option<Event>,
{
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while !matches!(self.step, Step::End) {
            if let Some(event) = self.take_step() {
                return Some(event);
            }
        }
        None
    }
}

impl<R> Speech<R>
where
    R: FnMut(&Completion, Moment<'_>) -> Option<Event>,
{
    fn take_step(&mut self) -> Option<Event> {
        let index = self.block;
        if matches!(self.step, Step::BlockStart) {
            self.enter_block();
        }
        let mut tokens = 0.0;
        let (moment, next) = match (self.step, self.completion.answer.blocks.get(index)) {
            (Step::Start, _) => (Moment::Start, Step::BlockStart),
            (Step::BlockStart, Some(block)) => {
                let next = if index == 0 { Step::Ping } else { Step::Delta(0) };
                (Moment::BlockStart { index, block }, next)
            }
            (Step::Ping, _) => (Moment::Ping, Step::Delta(0)),
            (Step::Delta(from), Some(block)) => {
                let piece = piece_of(block, self.text.get(from..).unwrap_or_default());
                if piece.is_empty() {
                    (Moment::Seal { index, block }, Step::BlockStop)
                } else {
                    tokens = tokens_of(piece);
                    (Moment::Delta { index, block, piece }, Step::Delta(from + piece.len()))
                }
            }
            (Step::BlockStop, _) => {
                self.block += 1;
                (Moment::BlockStop { index }, Step::BlockStart)
            }
            (Step::Metadata, _) => (Moment::Metadata, Step::End),
            // Also when there is no further block to start.
            (Step::BlockStart | Step::Delta(_) | Step::End, _) => (Moment::Stop, Step::Metadata),
        };
        self.step = next;
        let mut event = (self.render)(&self.completion, moment)?;
        event.tokens = tokens;
        Some(event)
    }

    /// Takes the words of the block out of the answer: they are said once.
    fn enter_block(&mut self) {
        self.text = match self.completion.answer.blocks.get_mut(self.block) {
            Some(AnswerBlock::ToolUse { input, .. }) => input.to_string(),
            Some(block) => block.text_mut().map(std::mem::take).unwrap_or_default(),
            None => String::new(),
        };
    }
}

fn piece_of<'t>(block: &AnswerBlock, rest: &'t str) -> &'t str {
    match block {
        AnswerBlock::ToolUse { .. } => rest.get(..rest.ceil_char_boundary(TOOL_INPUT_PIECE)).unwrap_or(rest),
        _ => word_of(rest),
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
