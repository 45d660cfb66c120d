//! ConverseStream: one message an event, and the call report as the last one.

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::v1::converse_stream_response::Event as Message;
use bedrock_inference_proto::v1::{ConverseStreamRequest, ConverseStreamResponse};
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status};

use super::Gateway;
use super::ending::Ending;
use crate::call::Events;
use crate::error::{Error, Reason};

/// The messages of one stream.
pub(super) type Messages = BoxStream<'static, Result<ConverseStreamResponse, Status>>;

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<ConverseStreamRequest>,
) -> Result<Response<Messages>, Status> {
    let (ending, reply) = gateway.begin(request).await?;
    let messages = stream::unfold(Some((reply.events, ending)), |state| async move {
        let (mut events, ending) = state?;
        match next(&mut events, &ending).await {
            Ok(Some(message)) => Some((Ok(message), Some((events, ending)))),
            Ok(None) => Some((Ok(Message::Call(ending.answered())), None)),
            Err(error) => Some((Err(ending.failed(&error)), None)),
        }
    });
    let messages = messages.map(|message| message.map(|event| ConverseStreamResponse { event: Some(event) }));
    Ok(Response::new(messages.boxed()))
}

async fn next(events: &mut Events, ending: &Ending) -> Result<Option<Message>, Error> {
    loop {
        let event = events.next().await.transpose()?;
        return Ok(Some(match event {
            None => return Ok(None),
            Some(Event::Warning(warning)) => {
                ending.report().warn(warning);
                continue;
            }
            Some(Event::MessageStart(event)) => Message::MessageStart(event),
            Some(Event::ContentBlockStart(event)) => Message::ContentBlockStart(event),
            Some(Event::ContentBlockDelta(event)) => Message::ContentBlockDelta(event),
            Some(Event::ContentBlockStop(event)) => Message::ContentBlockStop(event),
            Some(Event::MessageStop(event)) => Message::MessageStop(*event),
            Some(Event::Metadata(event)) => Message::Metadata(*event),
            Some(event @ (Event::Block { .. } | Event::Head(_) | Event::Raw(_))) => {
                let context = format!("a stream cannot carry the event {}", event.name());
                return Err(Error::new(Reason::Panic, context));
            }
        }));
    }
}
