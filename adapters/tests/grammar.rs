//! The grammar of events: what may follow what, and that nothing cut off counts as complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bedrock_inference_adapters::contract::{AdapterErrorKind, Event, Grammar};
use bedrock_inference_proto::v1::{
    ContentBlock, ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent,
    ConverseStreamMetadataEvent, MessageStartEvent, MessageStopEvent, TokenUsage, Warning,
};

/// Events from words: `message`, `start:0`, `delta:0`, `stop:0`, `block:0`, `end`, `usage`, `raw`, `warning`.
/// `start:?` has no index, `end:?` no stop reason, `usage:?` no usage.
fn events(words: &str) -> Vec<Event> {
    words.split_whitespace().map(event).collect()
}

fn event(word: &str) -> Event {
    let (name, argument) = word.split_once(':').unwrap_or((word, "0"));
    let content_block_index = argument.parse::<i32>().ok();
    match name {
        "message" => Event::MessageStart(MessageStartEvent::default()),
        "start" => Event::ContentBlockStart(ContentBlockStartEvent { start: None, content_block_index }),
        "delta" => Event::ContentBlockDelta(ContentBlockDeltaEvent { delta: None, content_block_index }),
        "stop" => Event::ContentBlockStop(ContentBlockStopEvent { content_block_index }),
        "block" => {
            Event::Block { index: content_block_index.unwrap(), block: Box::new(ContentBlock::default()) }
        }
        "end" => {
            let stop_reason = content_block_index.map(|_| "end_turn".to_owned());
            Event::MessageStop(Box::new(MessageStopEvent { stop_reason, ..Default::default() }))
        }
        "usage" => {
            let usage = content_block_index.map(|_| TokenUsage::default());
            Event::Metadata(Box::new(ConverseStreamMetadataEvent { usage, ..Default::default() }))
        }
        "raw" => Event::Raw(bytes::Bytes::from_static(b"{}").into()),
        "warning" => Event::Warning(Warning::default()),
        other => panic!("no event is called {other}"),
    }
}

/// The place of the first event that is refused, and whether what stands before it is complete.
fn judge(words: &str) -> (Option<usize>, bool) {
    let mut grammar = Grammar::default();
    let refused = events(words).iter().position(|event| match grammar.accept(event) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind, AdapterErrorKind::Corrupt);
            true
        }
    });
    (refused, grammar.is_complete())
}

const COMPLETE: [&str; 10] = [
    "message end usage",
    "message delta:0 stop:0 end usage",
    "message start:0 stop:0 end usage",
    "message start:0 delta:0 delta:0 stop:0 end usage",
    "message delta:0 stop:0 start:1 delta:1 stop:1 end usage",
    "message start:0 start:1 delta:1 delta:0 stop:1 delta:0 stop:0 end usage",
    "message delta:7 stop:7 delta:3 stop:3 end usage",
    "message block:0 block:1 end usage",
    "message start:0 block:1 delta:0 stop:0 end usage",
    "warning message warning start:0 warning delta:0 warning stop:0 warning end warning usage warning",
];

#[test]
fn whole_replies_are_accepted_and_complete() {
    for words in COMPLETE {
        assert_eq!(judge(words), (None, true), "{words}");
    }
}

#[test]
fn nothing_cut_off_is_complete() {
    for words in COMPLETE {
        let all: Vec<_> = words.split_whitespace().collect();
        let last = all.iter().rposition(|word| *word != "warning").unwrap();
        for length in 0..=last {
            let cut = all[..length].join(" ");
            assert_eq!(judge(&cut), (None, false), "{cut}");
        }
    }
}

#[test]
fn events_out_of_order_are_refused_where_they_stand() {
    let cases = [
        // Before the message begins.
        ("delta:0", 0),
        ("start:0", 0),
        ("stop:0", 0),
        ("block:0", 0),
        ("end", 0),
        ("usage", 0),
        ("warning delta:0", 1),
        // Twice.
        ("message message", 1),
        ("message delta:0 message", 2),
        ("message end end", 2),
        ("message end usage usage", 3),
        ("message end usage message", 3),
        // Blocks that end before they begin, begin twice, or go on after their end.
        ("message stop:0", 1),
        ("message start:0 stop:1", 2),
        ("message start:0 start:0", 2),
        ("message delta:0 start:0", 2),
        ("message start:0 delta:0 start:0", 3),
        ("message start:0 stop:0 stop:0", 3),
        ("message start:0 stop:0 delta:0", 3),
        ("message delta:0 stop:0 delta:0", 3),
        ("message start:0 stop:0 start:0", 3),
        // Whole blocks have their index for themselves.
        ("message block:0 block:0", 2),
        ("message block:0 start:0", 2),
        ("message block:0 delta:0", 2),
        ("message block:0 stop:0", 2),
        ("message delta:0 block:0", 2),
        // After the message has ended.
        ("message end start:0", 2),
        ("message end delta:0", 2),
        ("message end stop:0", 2),
        ("message end block:0", 2),
        ("message end message", 2),
        ("message end usage delta:0", 3),
        ("message end usage end", 3),
        // Usage before its place.
        ("message usage", 1),
        ("message delta:0 stop:0 usage end", 3),
        // Raw stands alone.
        ("raw", 0),
        ("warning raw", 1),
        ("message raw", 1),
        ("message end raw", 2),
        ("message end usage raw", 3),
    ];
    for (words, place) in cases {
        assert_eq!(judge(words).0, Some(place), "{words}");
    }
}

#[test]
fn events_without_what_they_must_have_are_refused() {
    let cases = [
        ("message start:?", 1),
        ("message delta:?", 1),
        ("message delta:0 stop:?", 2),
        ("message end:?", 1),
        ("message end usage:?", 2),
    ];
    for (words, place) in cases {
        assert_eq!(judge(words), (Some(place), false), "{words}");
    }
}

#[test]
fn content_begins_with_the_first_thing_to_read() {
    let content = ["start:0", "delta:0", "block:0", "end", "raw"];
    let none = ["message", "stop:0", "usage", "warning"];
    assert!(content.iter().all(|word| event(word).is_content()));
    assert!(!none.iter().any(|word| event(word).is_content()));
}
