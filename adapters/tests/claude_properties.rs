//! Properties of the Claude adapter over arbitrary calls, arbitrary bytes and damaged fixtures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "claude_properties/calls.rs"]
mod calls;

use std::path::Path;
use std::sync::LazyLock;

use bedrock_inference_adapters::claude::FAMILY;
use bedrock_inference_adapters::contract::{
    AdapterError, ConverseCall, Event, Fold, Grammar, InvokeHeaders, Mode, Model, Piece, StreamDecoder, Wire,
};
use bedrock_inference_proto::v1::ConverseStreamRequest;
use bytes::Bytes;
use calls::call;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let models = FAMILY.read_models().unwrap();
    models.into_iter().find(|model| model.id.contains("sonnet-4-5")).unwrap()
});

/// The chunks of every fixture's stream.
static STREAMS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    let texts = fixtures("stream.jsonl");
    texts.into_iter().map(|text| text.lines().map(str::to_owned).collect()).collect()
});

static REPLIES: LazyLock<Vec<String>> = LazyLock::new(|| fixtures("reply.json"));

fn fixtures(file: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/claude/fixtures");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().filter_map(|folder| std::fs::read_to_string(folder.join(file)).ok()).collect()
}

fn encode(request: &ConverseStreamRequest, mode: Mode) -> (Wire, Box<dyn StreamDecoder>) {
    let call = ConverseCall { request: request.clone(), mode };
    let encoded = FAMILY.adapter.encode(&MODEL, &call).unwrap();
    (encoded.wire, encoded.decoder)
}

/// What came of a reply in these pieces.
struct Outcome {
    end: Result<(), AdapterError>,
    complete: bool,
    meter_is_complete: bool,
    events: Vec<Event>,
}

fn run<'p>(pieces: impl IntoIterator<Item = Piece<'p>>) -> Outcome {
    let (_, mut decoder) = encode(&ConverseStreamRequest::default(), Mode::Stream);
    let mut meter = FAMILY.adapter.meter(&MODEL);
    let (mut grammar, mut fold, mut events) = (Grammar::default(), Fold::default(), Vec::new());
    let mut end = Ok(());
    for piece in pieces {
        meter.feed(&piece);
        end = end.and_then(|()| decoder.feed(piece, &mut events));
    }
    for event in &events {
        end = end.and_then(|()| grammar.accept(event));
        fold.add(event.clone());
    }
    let _ = (fold.finish(), meter.usage());
    let complete = end.is_ok() && grammar.is_complete();
    Outcome { end, complete, meter_is_complete: meter.is_complete(), events }
}

fn frames(chunks: &[String]) -> impl Iterator<Item = Piece<'static>> {
    chunks.iter().map(|chunk| Piece::Frame {
        event: "chunk",
        payload: Bytes::copy_from_slice(chunk.as_bytes()).into(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_body_says_all_that_the_call_says_and_always_in_the_same_bytes(call in call()) {
        let Wire::Invoke { body, headers } = encode(&call.converse, Mode::Unary).0 else { panic!("converse") };
        prop_assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), call.native);
        prop_assert_eq!(&headers, &InvokeHeaders::default());
        prop_assert_eq!(encode(&call.converse, Mode::Stream).0, Wire::Invoke { body, headers });
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4), whole: bool,
    ) {
        let pieces = bodies.into_iter().map(|body| match whole {
            true => Piece::Whole(body.into()),
            false => Piece::Frame { event: "chunk", payload: body.into() },
        });
        let outcome = run(pieces);
        prop_assert!(!outcome.complete && (whole || !outcome.meter_is_complete));
    }

    #[test]
    fn a_damaged_chunk_is_decoded_or_refused(which: Index, chunk: Index, at: Index, byte: u8, cut: bool) {
        let mut chunks = STREAMS[which.index(STREAMS.len())].clone();
        let chunk = chunk.index(chunks.len());
        let mut bytes = std::mem::take(&mut chunks[chunk]).into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let pieces = frames(&chunks[..chunk]);
        let damaged = Piece::Frame { event: "chunk", payload: bytes.into() };
        let outcome = run(pieces.chain([damaged]).chain(frames(&chunks[chunk + 1..])));
        prop_assert!(!cut || outcome.end.is_err() && !outcome.complete);
    }

    #[test]
    fn a_damaged_reply_is_decoded_or_refused(which: Index, at: Index, byte: u8, cut: bool) {
        let mut bytes = REPLIES[which.index(REPLIES.len())].trim_end().to_owned().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let outcome = run([Piece::Whole(bytes.into())]);
        prop_assert!(!cut || outcome.end.is_err() && !outcome.complete);
    }

    #[test]
    fn chunks_that_are_lost_repeated_or_swapped_never_panic_and_lose_no_border(
        which: Index, drops in any::<Vec<Index>>(), swaps in any::<Vec<(Index, Index)>>(),
    ) {
        let whole = &STREAMS[which.index(STREAMS.len())];
        let mut chunks = whole.clone();
        for drop in drops.into_iter().take(chunks.len() - 1) {
            chunks.remove(drop.index(chunks.len()));
        }
        for (one, other) in swaps {
            let count = chunks.len();
            chunks.swap(one.index(count), other.index(count));
        }
        let outcome = run(frames(&chunks));
        let has = |name: &str| chunks.iter().any(|chunk| chunk.contains(&format!("{{\"type\":\"{name}\"")));
        let borders = has("message_start") && has("message_delta") && has("message_stop");
        prop_assert!(borders || !outcome.complete);
        let stops = outcome.events.iter().filter(|event| matches!(event, Event::MessageStop(_))).count();
        prop_assert!(stops <= 1);
    }

    #[test]
    fn a_stream_that_is_cut_is_not_complete(which: Index, end: Index) {
        let chunks = &STREAMS[which.index(STREAMS.len())];
        let outcome = run(frames(&chunks[..end.index(chunks.len())]));
        prop_assert!(!outcome.complete || run(frames(chunks)).end.is_err());
    }
}
