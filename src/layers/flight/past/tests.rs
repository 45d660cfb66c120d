//! What is stored is read as it was.

use bedrock_inference_proto::v1;
use fastrand::Rng;

use super::*;

/// Some bytes, often of none, of UTF-8 and of none.
fn bytes(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(0..40);
    (0..length).map(|_| random.u8(..)).collect()
}

fn text(random: &mut Rng) -> String {
    let length = random.usize(0..20);
    (0..length).map(|_| random.char(..)).collect()
}

fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if random.bool() { Some(make(random)) } else { None }
}

/// A message of whatever fields these bytes happen to be, those included that it does not know.
fn block(random: &mut Rng) -> v1::ContentBlock {
    use v1::content_block::Kind;
    let kind = match random.u8(0..4) {
        0 => None,
        1 => Some(Kind::Text(text(random))),
        2 => Some(Kind::ToolUse(v1::ToolUseBlock {
            tool_use_id: maybe(random, text),
            name: maybe(random, text),
            ..v1::ToolUseBlock::default()
        })),
        _ => Some(Kind::ToolResult(v1::ToolResultBlock {
            tool_use_id: maybe(random, text),
            ..v1::ToolResultBlock::default()
        })),
    };
    v1::ContentBlock { kind }
}

fn head(random: &mut Rng) -> ReplyHead {
    ReplyHead {
        content_type: maybe(random, text),
        performance_config_latency: maybe(random, text),
        service_tier: maybe(random, text),
        input_tokens: maybe(random, |random| random.i32(..)),
        output_tokens: maybe(random, |random| random.i32(..)),
        cache_read_input_tokens: maybe(random, |random| random.i32(..)),
        cache_write_input_tokens: maybe(random, |random| random.i32(..)),
        latency_ms: maybe(random, |random| random.i64(..)),
    }
}

fn some_event(random: &mut Rng) -> Event {
    let index = maybe(random, |random| random.i32(..));
    match random.u8(0..10) {
        0 => Event::MessageStart(v1::MessageStartEvent { role: maybe(random, text) }),
        1 => Event::ContentBlockStart(v1::ContentBlockStartEvent {
            content_block_index: index,
            ..v1::ContentBlockStartEvent::default()
        }),
        2 => {
            let delta = v1::ContentBlockDelta {
                kind: Some(v1::content_block_delta::Kind::Text(text(random))),
                ..v1::ContentBlockDelta::default()
            };
            Event::ContentBlockDelta(v1::ContentBlockDeltaEvent {
                content_block_index: index,
                delta: maybe(random, |_| delta),
            })
        }
        3 => Event::ContentBlockStop(v1::ContentBlockStopEvent { content_block_index: index }),
        4 => Event::Block { index: random.i32(..), block: Box::new(block(random)) },
        5 => Event::MessageStop(Box::new(v1::MessageStopEvent {
            stop_reason: maybe(random, text),
            ..v1::MessageStopEvent::default()
        })),
        6 => Event::Metadata(Box::new(v1::ConverseStreamMetadataEvent {
            usage: maybe(random, |random| v1::TokenUsage {
                input_tokens: maybe(random, |random| random.i32(..)),
                ..v1::TokenUsage::default()
            }),
            ..v1::ConverseStreamMetadataEvent::default()
        })),
        7 => Event::Head(Box::new(head(random))),
        8 => Event::Raw(bytes(random).into()),
        _ => {
            Event::Warning(v1::Warning { kind: random.i32(0..9), path: text(random), message: text(random) })
        }
    }
}

fn past(random: &mut Rng) -> Past {
    let report = CallReport {
        request_id: text(random),
        model: text(random),
        attempts: (0..random.usize(0..3))
            .map(|_| v1::Attempt { region: text(random), ..v1::Attempt::default() })
            .collect(),
        tokens: maybe(random, |random| v1::TokenCounts {
            input: random.i64(..),
            ..v1::TokenCounts::default()
        }),
        ..CallReport::default()
    };
    Past { report, events: (0..random.usize(0..20)).map(|_| some_event(random)).collect() }
}

#[test]
fn what_is_written_is_read_as_it_was() {
    for seed in 0..2_000 {
        let past = past(&mut Rng::with_seed(seed));
        assert!(Past::decode(&past.encode()).as_ref() == Some(&past), "{seed}");
    }
}

/// What is cut off is nothing, or fewer events; what is damaged may be something else, and no panic.
#[test]
fn what_is_damaged_is_never_a_panic() {
    for seed in 0..2_000 {
        let mut random = Rng::with_seed(seed);
        let past = past(&mut random);
        let mut bytes = past.encode();
        let cut = bytes.get(..random.usize(0..bytes.len())).unwrap_or_default().to_vec();
        if let Some(read) = Past::decode(&cut) {
            assert!(past.events.starts_with(&read.events), "{seed}");
        }
        for _ in 0..3 {
            let at = random.usize(0..bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        drop(Past::decode(&bytes));
    }
    assert_eq!(Past::decode(&[]), None);
    assert_eq!(Past::decode(&[FORM + 1, 0, 0, 0, 0, 0]), None);
}
