//! Ends an answer early: at the first stop sequence, or at the token limit.

use super::{Answer, AnswerBlock, StopReason};
use crate::tokens::BYTES_PER_TOKEN;

/// Cuts the texts at the stop sequence that comes first; the sequence itself is not said.
pub(super) fn at_stop_sequence(mut answer: Answer, sequences: &[String]) -> Answer {
    if sequences.is_empty() {
        return answer;
    }
    let found = answer.blocks.iter_mut().enumerate().find_map(|(index, block)| {
        let text = block.said_mut()?;
        first_of(text, sequences).map(|(at, sequence)| (index, at, sequence))
    });
    let Some((index, at, sequence)) = found else { return answer };
    answer.blocks.truncate(index + 1);
    if let Some(text) = answer.blocks.last_mut().and_then(AnswerBlock::said_mut) {
        text.truncate(at);
    }
    drop_empty_end(&mut answer);
    answer.stop_reason = StopReason::StopSequence;
    answer.stop_sequence = Some(sequence.to_owned());
    answer
}

fn first_of<'s>(text: &str, sequences: &'s [String]) -> Option<(usize, &'s str)> {
    let found = sequences
        .iter()
        .filter_map(|sequence| text.find(sequence.as_str()).map(|at| (at, sequence.as_str())));
    found.min_by_key(|(at, _)| *at)
}

/// Cuts the answer so that it has at most the given number of tokens. A tool call is kept whole or not at
/// all: half a call would not be JSON, and half of redacted reasoning would be no reasoning.
pub(super) fn at_max_tokens(mut answer: Answer, max_tokens: u32) -> Answer {
    let mut left = max_tokens;
    for index in 0..answer.blocks.len() {
        let Some(block) = answer.blocks.get_mut(index) else { break };
        let tokens = block.tokens();
        if tokens <= left {
            left -= tokens;
            continue;
        }
        match block {
            AnswerBlock::Text(text) | AnswerBlock::Cited { text, .. } => truncate(text, left),
            // Without its end the reasoning has another signature than the whole would have.
            AnswerBlock::Reasoning { text, signature } => {
                truncate(text, left);
                if signature.is_some() {
                    *signature = Some(super::signature_of(text));
                }
            }
            AnswerBlock::ToolUse { .. } | AnswerBlock::RedactedReasoning(_) => {
                answer.blocks.truncate(index);
                answer.stop_reason = StopReason::MaxTokens;
                return answer;
            }
        }
        answer.blocks.truncate(index + 1);
        drop_empty_end(&mut answer);
        answer.stop_reason = StopReason::MaxTokens;
        answer.stop_sequence = None;
        return answer;
    }
    answer
}

fn truncate(text: &mut String, tokens: u32) {
    let limit = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN);
    text.truncate(text.floor_char_boundary(limit));
}

fn drop_empty_end(answer: &mut Answer) {
    let text = answer.blocks.last_mut().and_then(AnswerBlock::text_mut);
    if text.is_some_and(|text| text.is_empty()) {
        answer.blocks.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer {
            blocks: vec![AnswerBlock::Text(text.to_owned())],
            stop_reason: StopReason::EndTurn,
            stop_sequence: None,
        }
    }

    #[test]
    fn the_earliest_stop_sequence_wins() {
        let stops = ["THREE".to_owned(), "TWO".to_owned()];
        let cut = at_stop_sequence(answer("one TWO THREE"), &stops);
        assert_eq!(cut.blocks, answer("one ").blocks);
        assert_eq!(cut.stop_sequence.as_deref(), Some("TWO"));
        assert_eq!(at_stop_sequence(answer("none"), &stops), answer("none"));
    }

    #[test]
    fn the_limit_cuts_on_a_character_boundary() {
        let cut = at_max_tokens(answer("abc\u{e9}\u{e9}\u{e9}"), 1);
        assert_eq!(cut.blocks, answer("abc").blocks);
        assert_eq!(cut.stop_reason, StopReason::MaxTokens);
        assert_eq!(at_max_tokens(answer("four"), 1).stop_reason, StopReason::EndTurn);
    }

    #[test]
    fn a_stop_at_the_first_byte_leaves_nothing() {
        assert_eq!(at_stop_sequence(answer("STOP it"), &["STOP".to_owned()]).blocks, []);
    }
}
