//! The end of the corridor: a call to wire bytes, the upstream's bytes to events.

use std::collections::VecDeque;
use std::sync::Arc;

use bedrock_inference_adapters::contract::{Event, Grammar, Mode, Piece, StreamDecoder, Wire};
use bedrock_inference_proto::v1::Route;
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{FutureExt, Stream};
use tower::service_fn;

use crate::call::{Call, CallService, Reply};
use crate::error::{Error, Reason};
use crate::upstream::{Bedrock, Body, Frame, Operation, Request};

/// The innermost service: one call, one attempt at its first target.
#[must_use]
pub fn invoke(bedrock: Arc<dyn Bedrock>) -> CallService {
    CallService::new(service_fn(move |call| attempt(Arc::clone(&bedrock), call)))
}

async fn attempt(bedrock: Arc<dyn Bedrock>, call: Call) -> Result<Reply, Error> {
    let target = call.target()?;
    let encoded = target.entry.adapter.encode(&target.entry.model, &call.converse)?;
    let Wire::Converse { body } = encoded.wire;
    call.report.route(Route::Converse, "the family has no native adapter yet");
    let operation = match call.converse.mode {
        Mode::Unary => Operation::Converse,
        Mode::Stream => Operation::ConverseStream,
    };
    let request =
        Request { operation, model_id: target.model_id.clone(), region: target.region.clone(), body };
    let response = bedrock.send(request).await?;
    if let Some(id) = &response.request_id {
        call.report.aws_request_id(id);
    }
    let mut reading = Reading::new(encoded.decoder);
    match response.body {
        Body::Whole(body) => {
            reading.feed(Piece::Whole(body))?;
            reading.end()?;
            Ok(Reply::new(stream::iter(reading.ready.into_iter().map(Ok))))
        }
        Body::Frames(frames) => Ok(Reply::new(events(frames, reading))),
    }
}

/// What has been read of a reply.
struct Reading {
    decoder: Box<dyn StreamDecoder>,
    grammar: Grammar,
    ready: VecDeque<Event>,
}

impl Reading {
    fn new(decoder: Box<dyn StreamDecoder>) -> Self {
        Self { decoder, grammar: Grammar::default(), ready: VecDeque::new() }
    }

    fn feed(&mut self, piece: Piece<'_>) -> Result<(), Error> {
        let mut events = Vec::new();
        self.decoder.feed(piece, &mut events)?;
        for event in events {
            self.grammar.accept(&event)?;
            self.ready.push_back(event);
        }
        Ok(())
    }

    /// The upstream has nothing more.
    fn end(&self) -> Result<(), Error> {
        if self.grammar.is_complete() {
            return Ok(());
        }
        let context = "the stream ended before messageStop and metadata";
        Err(Error::new(Reason::UpstreamStreamTruncated, context))
    }
}

type Frames = BoxStream<'static, Result<Frame, Error>>;

fn events(frames: Frames, reading: Reading) -> impl Stream<Item = Result<Event, Error>> {
    stream::unfold(Some((frames, reading)), |state| async move {
        let (mut frames, mut reading) = state?;
        loop {
            if let Some(event) = reading.ready.pop_front() {
                return Some((Ok(event), Some((frames, reading))));
            }
            if reading.grammar.is_complete() {
                // The end of the body is usually there already; having read it, the connection can be kept.
                let _ = frames.next().now_or_never();
                return None;
            }
            let fed = match frames.next().await {
                Some(Ok(Frame { event, payload })) => reading.feed(Piece::Frame { event: &event, payload }),
                Some(Err(error)) => Err(error),
                None => reading.end(),
            };
            if let Err(error) = fed {
                return Some((Err(error), None));
            }
        }
    })
}
