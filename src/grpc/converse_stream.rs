//! ConverseStream: one message an event, and the call report as the last one.

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::v1::converse_stream_response::Event as Message;
use bedrock_inference_proto::v1::{ConverseStreamRequest, ConverseStreamResponse};
use tonic::{Request, Response, Status};

use super::Live;
use super::stream::{self, messages};
use crate::error::{Error, Reason};

/// The messages of one stream.
pub(super) type Messages = stream::Messages<ConverseStreamResponse>;

pub(super) async fn answer(
    live: &Live,
    request: Request<ConverseStreamRequest>,
) -> Result<Response<Messages>, Status> {
    let (ending, reply) = live.begin(request).await?;
    let last = |report| response(Message::Call(report));
    Ok(Response::new(messages(reply.events, ending, message, last)))
}

fn message(event: Event) -> Result<Option<ConverseStreamResponse>, Error> {
    let message = match event {
        Event::MessageStart(event) => Message::MessageStart(event),
        Event::ContentBlockStart(event) => Message::ContentBlockStart(event),
        Event::ContentBlockDelta(event) => Message::ContentBlockDelta(event),
        Event::ContentBlockStop(event) => Message::ContentBlockStop(event),
        Event::MessageStop(event) => Message::MessageStop(*event),
        Event::Metadata(event) => Message::Metadata(*event),
        Event::Block { .. } | Event::Head(_) | Event::Raw(_) | Event::Warning(_) => {
            let context = format!("a stream cannot carry the event {}", event.name());
            return Err(Error::new(Reason::Panic, context));
        }
    };
    Ok(Some(response(message)))
}

fn response(message: Message) -> ConverseStreamResponse {
    ConverseStreamResponse { event: Some(message) }
}
