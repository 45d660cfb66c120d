//! What the fuzzer and the replay of its corpus run: any bytes into any decoder and meter.
//!
//! The first byte chooses family and form; the rest is a whole reply, or chunks a line.

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{
    ConverseCall, Fold, Grammar, Mode, Piece, ReplyHead, StreamDecoder,
};
use bedrock_inference_adapters::converse::ConverseDecoder;
use bytes::Bytes;

/// Converse's events, in the order in which lines take their names.
const EVENTS: [&str; 6] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];

/// Feeds the bytes. The only way to fail is to panic, or to call a reply complete that has no end.
pub(crate) fn decode(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let streaming = choice & 1 == 1;
    let family = FAMILIES.get(usize::from(choice >> 1));
    let Some(family) = family else {
        return feed(&mut ConverseDecoder, data, streaming, &EVENTS);
    };
    let Some(model) = family.read_models().unwrap_or_default().into_iter().next() else { return };
    let mut meter = family.adapter.meter(&model);
    for piece in pieces(data, streaming, &["chunk"]) {
        meter.feed(&piece);
    }
    let _ = meter.usage();
    let call = ConverseCall { request: Default::default(), mode: Mode::Stream };
    if let Ok(mut encoded) = family.adapter.encode(&model, &call) {
        feed(&mut *encoded.decoder, data, streaming, &["chunk"]);
    }
}

fn feed(decoder: &mut dyn StreamDecoder, data: &[u8], streaming: bool, names: &[&str]) {
    let (mut grammar, mut fold) = (Grammar::default(), Fold::default());
    let mut events = Vec::new();
    let _ = decoder.feed(Piece::Head(&ReplyHead::default()), &mut events);
    for piece in pieces(data, streaming, names) {
        if decoder.feed(piece, &mut events).is_err() {
            break;
        }
    }
    for event in events {
        if grammar.accept(&event).is_err() {
            break;
        }
        fold.add(event);
    }
    let (reply, _) = fold.finish();
    assert!(!grammar.is_complete() || (reply.stop_reason.is_some() && reply.usage.is_some()));
}

/// One whole body, or a frame a line under names that take turns.
fn pieces<'p>(data: &[u8], streaming: bool, names: &'p [&str]) -> Vec<Piece<'p>> {
    if !streaming {
        return vec![Piece::Whole(Bytes::copy_from_slice(data).into())];
    }
    let names = names.iter().copied().cycle();
    let lines = data.split(|byte| *byte == b'\n').zip(names);
    lines.map(|(line, event)| Piece::Frame { event, payload: Bytes::copy_from_slice(line).into() }).collect()
}
