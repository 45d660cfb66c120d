//! Frames of `application/vnd.amazon.eventstream`, with a size limit that the SDK's decoder lacks.

use std::pin::Pin;

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::event_stream::{HeaderValue, Message};
use base64::Engine;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;

use super::Frame;
use super::said::Said;
use crate::error::{Error, Reason, Refusal, refusal};

/// The largest frame: Bedrock's own limit for a chunk is 1,000,000 bytes before base64.
const MAX_FRAME: usize = 8 * 1024 * 1024;

/// The smallest frame: prelude, its checksum, and the message's checksum.
const MIN_FRAME: usize = 16;

/// Reads a body as frames. After an error there is nothing more.
pub(super) fn frames(body: SdkBody) -> BoxStream<'static, Result<Frame, Error>> {
    let reader = Reader { body: Box::pin(body), buffer: BytesMut::new() };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(frame)) => Some((Ok(frame), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Reader {
    body: Pin<Box<SdkBody>>,
    buffer: BytesMut,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(message) = self.take()? {
                return read(&message).map(Some);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(truncated("the connection was lost")),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(truncated("the stream ended inside a frame")),
            }
        }
    }

    /// The next whole message, if its bytes are there.
    fn take(&mut self) -> Result<Option<Message>, Error> {
        let Some(prelude) = self.buffer.get(..4) else { return Ok(None) };
        let length = usize::try_from(Bytes::copy_from_slice(prelude).get_u32()).unwrap_or(usize::MAX);
        if !(MIN_FRAME..=MAX_FRAME).contains(&length) {
            return Err(corrupt(format!(
                "a frame claims {length} bytes; {MIN_FRAME} to {MAX_FRAME} are accepted"
            )));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let frame = self.buffer.split_to(length).freeze();
        read_message_from(frame).map(Some).map_err(|error| corrupt("a frame is damaged").with_source(error))
    }
}

fn read(message: &Message) -> Result<Frame, Error> {
    match header(message, ":message-type").as_deref() {
        Some("event") => {
            let event = header(message, ":event-type");
            let event = event.ok_or_else(|| corrupt("an event frame has no :event-type"))?;
            let payload = match event.as_str() {
                "chunk" => chunk(message.payload())?,
                _ => message.payload().clone(),
            };
            Ok(Frame { event, payload: payload.into() })
        }
        Some("exception") => {
            let said = Said::read(message.payload());
            Err(refusal(&Refusal {
                code: &header(message, ":exception-type").unwrap_or_default(),
                message: &said.message,
                original_status: said.original_status,
                ..Refusal::default()
            }))
        }
        Some("error") => Err(refusal(&Refusal {
            code: &header(message, ":error-code").unwrap_or_default(),
            message: &header(message, ":error-message").unwrap_or_default(),
            ..Refusal::default()
        })),
        _ => Err(corrupt("a frame has no known :message-type")),
    }
}

/// The native bytes inside a chunk of InvokeModelWithResponseStream.
fn chunk(payload: &Bytes) -> Result<Bytes, Error> {
    #[derive(serde::Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        bytes: std::borrow::Cow<'a, str>,
    }
    let unreadable = || Error::new(Reason::UpstreamProtocol, "a chunk is not JSON with base64 in `bytes`");
    let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|_| unreadable())?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(chunk.bytes.as_ref());
    bytes.map(Bytes::from).map_err(|_| unreadable())
}

fn header(message: &Message, name: &str) -> Option<String> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    match header.value() {
        HeaderValue::String(value) => Some(value.as_str().to_owned()),
        _ => None,
    }
}

fn truncated(context: &str) -> Error {
    Error::new(Reason::UpstreamStreamTruncated, format!("{context} before the answer was complete"))
}

fn corrupt(context: impl Into<String>) -> Error {
    Error::new(Reason::UpstreamCorrupt, context)
}
