//! What has been read of a reply, and whether all of it is there.

use std::collections::VecDeque;

use bedrock_inference_adapters::contract::{
    Event, Grammar, Piece, StreamDecoder, UsageMeter, unknown_member,
};
use bedrock_inference_proto::v1::ConverseStreamMetadataEvent;
use serde::de::IgnoredAny;

use crate::error::{Error, Reason};

/// The reader of one reply.
pub(super) struct Reading {
    kind: Kind,
    ready: VecDeque<Event>,
}

enum Kind {
    /// Bytes become events, and the grammar says when all have come.
    Decoded { decoder: Box<dyn StreamDecoder>, grammar: Grammar },
    /// Bytes pass as they are, and a meter reads along.
    Raw { meter: Box<dyn UsageMeter>, json: bool, whole: bool, ended: bool },
}

impl Reading {
    /// Of a reply that is translated.
    pub(super) fn decoded(decoder: Box<dyn StreamDecoder>) -> Self {
        Self { kind: Kind::Decoded { decoder, grammar: Grammar::default() }, ready: VecDeque::new() }
    }

    /// Of a reply that passes as it is; `json` where a whole one has to be JSON, or is none.
    pub(super) fn raw(meter: Box<dyn UsageMeter>, json: bool) -> Self {
        Self { kind: Kind::Raw { meter, json, whole: false, ended: false }, ready: VecDeque::new() }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The piece is not what its format says, or may not stand here.
    pub(super) fn feed(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        match &mut self.kind {
            Kind::Decoded { decoder, grammar } => {
                let mut events = Vec::new();
                decoder.feed(piece.clone(), &mut events)?;
                for event in events {
                    grammar.accept(&event)?;
                    self.ready.push_back(event);
                }
            }
            Kind::Raw { meter, json, whole, .. } => {
                if let Piece::Whole(body) = piece
                    && *json
                {
                    must_be_json(body)?;
                }
                meter.feed(piece);
                *whole |= matches!(piece, Piece::Whole(_));
                self.ready.push_back(match piece {
                    Piece::Head(head) => Event::Head(Box::new((*head).clone())),
                    Piece::Frame { event, .. } if *event != "chunk" => unknown_member((*event).to_owned()),
                    Piece::Whole(bytes) | Piece::Frame { payload: bytes, .. } => Event::Raw(bytes.clone()),
                });
            }
        }
        Ok(())
    }

    /// The upstream has nothing more.
    ///
    /// # Errors
    /// Something is missing: `UPSTREAM_STREAM_TRUNCATED`.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        let missing = match &mut self.kind {
            Kind::Decoded { grammar, .. } if grammar.is_complete() => return Ok(()),
            Kind::Decoded { .. } => "messageStop and metadata",
            Kind::Raw { meter, whole, ended, .. } if *whole || meter.is_complete() => {
                *ended = true;
                self.ready.extend(metered(&**meter));
                return Ok(());
            }
            Kind::Raw { .. } => "the family's own end",
        };
        let context = format!("the stream ended before {missing}");
        Err(Error::new(Reason::UpstreamStreamTruncated, context))
    }

    /// Whether nothing more is to come. A raw stream is only known to be over when its bytes are.
    pub(super) fn is_complete(&self) -> bool {
        match &self.kind {
            Kind::Decoded { grammar, .. } => grammar.is_complete(),
            Kind::Raw { ended, .. } => *ended,
        }
    }

    /// The next event that is ready.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// Every event that is ready.
    pub(super) fn into_ready(self) -> impl Iterator<Item = Event> + Send + 'static {
        self.ready.into_iter()
    }
}

/// A whole reply has no end of its own: half of one, or a page of a proxy, shows in that it is no JSON.
fn must_be_json(body: &[u8]) -> Result<(), Error> {
    let read: Result<IgnoredAny, _> = serde_json::from_slice(body);
    read.map(drop).map_err(|_| Error::new(Reason::UpstreamProtocol, "bedrock's reply is no JSON"))
}

/// What the meter read, as the event that the layers look for.
fn metered(meter: &dyn UsageMeter) -> Option<Event> {
    let usage = Some(meter.usage()?);
    Some(Event::Metadata(Box::new(ConverseStreamMetadataEvent { usage, ..Default::default() })))
}
