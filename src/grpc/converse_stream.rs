//! ConverseStream: one message an event, and the call report as the last one.

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::v1::converse_stream_response::Event as Message;
use bedrock_inference_proto::v1::{ConverseStreamRequest, ConverseStreamResponse};
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status};

use super::{Gateway, ended};
use crate::call::{Events, Report};
use crate::error::{Error, Reason};

/// The messages of one stream.
pub(super) type Messages = BoxStream<'static, Result<ConverseStreamResponse, Status>>;

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<ConverseStreamRequest>,
) -> Result<Response<Messages>, Status> {
    let (report, reply) = gateway.begin(request).await?;
    let messages = stream::unfold(Some((reply.events, report)), |state| async move {
        let (mut events, report) = state?;
        match next(&mut events, &report).await {
            Ok(Some(message)) => Some((Ok(message), Some((events, report)))),
            Ok(None) => {
                ended(&report, None);
                Some((Ok(Message::Call(report.finish())), None))
            }
            Err(error) => Some((Err(ended(&report, Some(&error))), None)),
        }
    });
    let messages = messages.map(|message| message.map(|event| ConverseStreamResponse { event: Some(event) }));
    let mut response = Response::new(messages.boxed());
    // Deltas are small, and each would be compressed on its own.
    response.disable_compression();
    Ok(response)
}

async fn next(events: &mut Events, report: &Report) -> Result<Option<Message>, Error> {
    loop {
        let event = events.next().await.transpose()?;
        return Ok(Some(match event {
            None => return Ok(None),
            Some(Event::Warning(warning)) => {
                report.warn(warning);
                continue;
            }
            Some(Event::MessageStart(event)) => Message::MessageStart(event),
            Some(Event::ContentBlockStart(event)) => Message::ContentBlockStart(event),
            Some(Event::ContentBlockDelta(event)) => Message::ContentBlockDelta(event),
            Some(Event::ContentBlockStop(event)) => Message::ContentBlockStop(event),
            Some(Event::MessageStop(event)) => Message::MessageStop(*event),
            Some(Event::Metadata(event)) => Message::Metadata(*event),
            Some(event @ (Event::Block { .. } | Event::Raw(_))) => {
                let context = format!("a stream cannot carry the event {}", event.name());
                return Err(Error::new(Reason::Panic, context));
            }
        }));
    }
}
