//! The chunks of InvokeModelWithResponseStream: native JSON, wrapped as bytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Rendering;
use super::completion::Completion;
use super::invoke;
use super::native::{claude_stream, nova_stream, titan};
use super::padding::padding;
use super::speech::{self, Moment};
use crate::event_body::Event;
use crate::models::Family;
use crate::reply::JSON;

/// The name of the one event the stream has.
pub(super) const CHUNK: &str = "chunk";

/// The stream.
pub(super) fn rendering(completion: Completion) -> Rendering {
    let pace = completion.pace;
    let mut headers = headers();
    headers.extend(invoke::echoes(&completion));
    let mut number = 0;
    // Tokens said so far: Titan counts them in every chunk.
    let mut said = 0;
    let events = speech::events(completion, move |completion, moment| {
        if let Moment::Delta { piece, .. } = &moment {
            said += piece.len();
        }
        let payload = match completion.prompt.model.family {
            Family::Claude => claude_stream::chunk(completion, &moment),
            Family::Nova => nova_stream::chunk(completion, &moment),
            Family::TitanText => titan::chunk(completion, &moment, said),
            // Refused when the body was read.
            Family::Other => None,
        };
        number += 1;
        Some(chunk(&payload?, number))
    });
    Rendering::Stream { events: Box::new(events), headers, pace }
}

/// The header that tells what the chunks hold.
pub(super) fn headers() -> HeaderMap {
    let name = HeaderName::from_static("x-amzn-bedrock-content-type");
    HeaderMap::from_iter([(name, HeaderValue::from_static(JSON))])
}

/// One chunk as an event.
pub(super) fn chunk(payload: &Value, number: usize) -> Event {
    let bytes = STANDARD.encode(payload.to_string());
    let payload = json!({"bytes": bytes, "p": padding(number)}).to_string();
    Event { name: Cow::Borrowed(CHUNK), payload: payload.into(), tokens: 0.0 }
}
