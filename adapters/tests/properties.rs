//! Properties of fold, unfold, grammar and decoder over arbitrary replies, events and bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "properties/replies.rs"]
mod replies;

use bedrock_inference_adapters::contract::{Event, Fold, Grammar, Piece, StreamDecoder, unfold};
use bedrock_inference_adapters::converse::ConverseDecoder;
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{
    ContentBlockDelta, ContentBlockDeltaEvent, ConverseResponse, Warning, content_block_delta,
};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use replies::reply;

const EVENTS: [&str; 7] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "newEvent",
];

fn unfolded(reply: ConverseResponse) -> Vec<Event> {
    let mut events = Vec::new();
    unfold(reply, &mut events).unwrap();
    events
}

fn folded(events: impl IntoIterator<Item = Event>) -> (ConverseResponse, Vec<Warning>) {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.add(event));
    fold.finish()
}

/// Cuts every text delta in two, as a stream would.
fn in_smaller_pieces(events: Vec<Event>) -> Vec<Event> {
    let halves = |event| {
        let Event::ContentBlockDelta(ContentBlockDeltaEvent {
            delta: Some(ContentBlockDelta { kind: Some(content_block_delta::Kind::Text(text)), .. }),
            content_block_index,
        }) = &event
        else {
            return vec![event];
        };
        let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        let (start, end) = text.split_at(middle);
        let half = |text: &str| {
            let kind = Some(content_block_delta::Kind::Text(text.to_owned()));
            let delta = Some(ContentBlockDelta { kind, tool_result: Vec::new() });
            Event::ContentBlockDelta(ContentBlockDeltaEvent {
                delta,
                content_block_index: *content_block_index,
            })
        };
        vec![half(start), half(end)]
    };
    events.into_iter().flat_map(halves).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_what_was_unfolded_gives_the_same_reply(reply in reply()) {
        prop_assert_eq!(folded(unfolded(reply.clone())).0, reply.clone());
        prop_assert_eq!(folded(in_smaller_pieces(unfolded(reply.clone()))).0, reply);
    }

    #[test]
    fn unfolded_events_satisfy_the_grammar_at_their_end_and_not_before(reply in reply()) {
        let mut grammar = Grammar::default();
        for event in unfolded(reply) {
            prop_assert!(!grammar.is_complete());
            prop_assert!(grammar.accept(&event).is_ok(), "{event:?}");
        }
        prop_assert!(grammar.is_complete());
    }

    #[test]
    fn a_reply_comes_through_decoder_and_fold_as_the_codec_reads_it(reply in reply()) {
        // What AWS's JSON cannot say (an unknown block, an empty union) is refused, which is not the point.
        let Ok(body) = codec::write(&reply) else { return Ok(()) };
        let mut events = Vec::new();
        ConverseDecoder.feed(Piece::Whole(body.clone().into()), &mut events).unwrap();
        prop_assert_eq!(folded(events).0, codec::read::<ConverseResponse>(&body).unwrap().value);
    }

    #[test]
    fn a_reply_without_what_it_must_have_is_refused(reply in reply(), missing in 0..3) {
        let mut reply = reply;
        match missing {
            0 => reply.output = None,
            1 => reply.stop_reason = None,
            _ => reply.usage = None,
        }
        prop_assert!(unfold(reply, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_lost_repeated_or_misplaced_event_never_panics(
        one in reply(), other in reply(), drops in any::<Vec<Index>>(), swaps in any::<Vec<(Index, Index)>>(),
    ) {
        let mut events = unfolded(one);
        events.extend(unfolded(other));
        for drop in drops.into_iter().take(events.len() - 1) {
            events.remove(drop.index(events.len()));
        }
        for (one, other) in swaps {
            let (one, other) = (one.index(events.len()), other.index(events.len()));
            events.swap(one, other);
            let again = events[one].clone();
            events.push(again);
        }
        let mut grammar = Grammar::default();
        for event in &events {
            let _ = grammar.accept(event);
        }
        let _ = folded(events);
    }

    #[test]
    fn a_lost_border_event_is_never_taken_for_a_whole_reply(reply in reply(), which in 0..3_usize) {
        let mut events = unfolded(reply);
        let last = events.len() - 1;
        events.remove([0, last - 1, last][which]);
        let mut grammar = Grammar::default();
        let accepted = events.iter().all(|event| grammar.accept(event).is_ok());
        prop_assert!(!(accepted && grammar.is_complete()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..8_usize) {
        let mut events = Vec::new();
        let body = Bytes::from(bytes);
        let piece = match EVENTS.get(which) {
            Some(event) => Piece::Frame { event, payload: body.into() },
            None => Piece::Whole(body.into()),
        };
        let _ = ConverseDecoder.feed(piece, &mut events);
        let _ = folded(events);
    }

    #[test]
    fn a_damaged_reply_is_decoded_or_refused(reply in reply(), at: Index, byte: u8, cut: bool) {
        let Ok(mut body) = codec::write(&reply) else { return Ok(()) };
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let mut events = Vec::new();
        let end = ConverseDecoder.feed(Piece::Whole(body.into()), &mut events);
        prop_assert!(!cut || end.is_err());
        let _ = folded(events);
    }

    #[test]
    fn a_damaged_event_is_decoded_or_refused(delta in ".{0,10}", at: Index, byte: u8, which in 0..7_usize) {
        let body = serde_json::json!({"contentBlockIndex": 0, "start": {"toolUse": {"name": delta}},
            "delta": {"toolUse": {"input": delta}}, "stopReason": delta, "usage": {"inputTokens": 1}, "p": "abc"});
        let mut body = body.to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let mut events = Vec::new();
        let _ = ConverseDecoder.feed(Piece::Frame { event: EVENTS[which], payload: body.into() }, &mut events);
        let _ = folded(events);
    }
}
