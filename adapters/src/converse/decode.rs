//! Reads replies of Converse and frames of ConverseStream.

use bedrock_inference_proto::codec::{self, Decoded, Shape};
use bedrock_inference_proto::v1::ConverseResponse;
use bytes::Bytes;

use crate::contract::{AdapterError, Event, Piece, StreamDecoder, unfold, unknown_member};

/// Bedrock pads events with a member of this name, so that lengths do not give content away.
const PADDING: &str = "p";

/// Turns Converse's own JSON into events.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConverseDecoder;

impl StreamDecoder for ConverseDecoder {
    fn feed(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        match piece {
            Piece::Head(_) => Ok(()),
            Piece::Whole(body) => whole(&body, events),
            Piece::Frame { event, payload } => frame(event, &payload, events),
        }
    }
}

fn whole(body: &Bytes, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let Decoded { value, unknown } = codec::read::<ConverseResponse>(body)?;
    events.extend(unknown.into_iter().map(unknown_member));
    unfold(value, events)
}

fn frame(event: &str, payload: &Bytes, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let next = match event {
        "messageStart" => Event::MessageStart(read(event, payload, events)?),
        "contentBlockStart" => Event::ContentBlockStart(read(event, payload, events)?),
        "contentBlockDelta" => Event::ContentBlockDelta(read(event, payload, events)?),
        "contentBlockStop" => Event::ContentBlockStop(read(event, payload, events)?),
        "messageStop" => Event::MessageStop(Box::new(read(event, payload, events)?)),
        "metadata" => Event::Metadata(Box::new(read(event, payload, events)?)),
        other => unknown_member(other.to_owned()),
    };
    events.push(next);
    Ok(())
}

fn read<T: Shape>(event: &str, payload: &Bytes, events: &mut Vec<Event>) -> Result<T, AdapterError> {
    let Decoded { value, unknown } = codec::read::<T>(payload)
        .map_err(|error| AdapterError::protocol(format!("in event {event}: {error}")))?;
    let unknown = unknown.into_iter().filter(|path| path != PADDING);
    events.extend(unknown.map(|path| unknown_member(format!("{event}.{path}"))));
    Ok(value)
}
