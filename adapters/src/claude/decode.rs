//! Reads whole replies of the messages format, and hands chunks to `stream.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::reply::{Reply, Served};
use super::stream;
use crate::contract::{
    AdapterError, AdapterErrorKind, Event, Members, Piece, ReplyHead, StreamDecoder, unknown_member,
};

/// Members of a message that are known and have no place in Converse's.
pub(super) const IGNORED: [&str; 8] = [
    "id",
    "type",
    "model",
    "stop_reason",
    "stop_sequence",
    "stop_details",
    "container",
    "context_management",
];

/// Turns a native reply into events, whole or chunk by chunk.
pub(super) struct ClaudeDecoder {
    served: Served,
    reply: Reply,
}

impl ClaudeDecoder {
    /// `caching`: whether the model has a prompt cache.
    pub(super) fn new(caching: bool) -> Self {
        Self { served: Served { caching, head: ReplyHead::default() }, reply: Reply::default() }
    }

    /// A whole message is a stream in which every block begins with all that it holds.
    fn whole(&mut self, body: &Bytes, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        let mut message = Members::read(body)?;
        match required::<String>(&mut message, "type")?.as_str() {
            "message" => {}
            "error" => return Err(failure(message)),
            _ => return Err(AdapterError::protocol("the body is of a type other than message")),
        }
        let role = required(&mut message, "role")?;
        if !message.has("content") {
            return Err(missing("content"));
        }
        let content = message.objects("content")?;
        let stop_reason = message.take("stop_reason")?;
        self.reply.begin(role, events);
        for (index, block) in (0..).zip(content) {
            let place = format!("content[{index}]");
            self.reply.start(index, block, &place, || raw_block(body, index), events)?;
            self.reply.stop(index, events)?;
        }
        if let Some(usage) = message.object("usage")? {
            self.reply.counts.update(usage, events)?;
        }
        self.reply.stop_because(stop_reason);
        let guardrail_action = message.take("amazon-bedrock-guardrailAction")?;
        let end = self.reply.end(&self.served, None, guardrail_action, events);
        // Nothing can be lost on the way of a whole body: it was not right from the beginning.
        end.map_err(|error| AdapterError::protocol(error.context))?;
        message.warn(&IGNORED, events);
        Ok(())
    }
}

impl StreamDecoder for ClaudeDecoder {
    fn feed(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        match piece {
            Piece::Head(head) => self.served.head = head.clone(),
            Piece::Whole(body) => self.whole(&body, events)?,
            Piece::Frame { event: "chunk", payload } => {
                stream::chunk(&payload, &mut self.reply, &self.served, events)?;
            }
            Piece::Frame { event, .. } => events.push(unknown_member(identifier(event))),
        }
        Ok(())
    }
}

/// A block of a whole message as it stands there.
fn raw_block(body: &[u8], index: i32) -> Option<String> {
    #[derive(Deserialize)]
    struct Message<'j> {
        #[serde(borrow)]
        content: Vec<&'j serde_json::value::RawValue>,
    }
    let message: Message<'_> = serde_json::from_slice(body).ok()?;
    let block = message.content.get(usize::try_from(index).ok()?)?;
    Some(block.get().to_owned())
}

/// Takes a member that must be there.
pub(super) fn required<'j, T: Deserialize<'j>>(
    members: &mut Members<'j>,
    name: &str,
) -> Result<T, AdapterError> {
    members.take(name)?.ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> AdapterError {
    AdapterError::protocol(format!("the member {name} is missing"))
}

/// A name that Bedrock sent, fit for a warning: whatever does not look like a name is not shown.
pub(super) fn identifier(name: &str) -> String {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let good = (1..=64).contains(&name.len()) && name.bytes().all(fit);
    if good { name.to_owned() } else { "(no name)".to_owned() }
}

/// The bytes that Converse has for encrypted reasoning; `None` where they would not go back as they came.
pub(super) fn redacted(data: &str) -> Option<Bytes> {
    STANDARD.decode(data).ok().map(Bytes::from)
}

/// The error in `{"type":"error","error":{"type":...}}`: Anthropic's own form, where AWS has exceptions.
pub(super) fn failure(mut body: Members<'_>) -> AdapterError {
    let error = body.object("error").ok().flatten();
    let name = error.and_then(|mut error| error.take::<String>("type").ok().flatten()).unwrap_or_default();
    let exception = match name.as_str() {
        "overloaded_error" => "ServiceUnavailableException",
        "rate_limit_error" => "ThrottlingException",
        "timeout_error" => "ModelTimeoutException",
        "api_error" => "InternalServerException",
        "invalid_request_error" | "request_too_large" => "ValidationException",
        _ => "ModelStreamErrorException",
    };
    let context = format!("the model ended its reply with the error {}", identifier(&name));
    AdapterError { kind: AdapterErrorKind::Upstream(exception), context }
}
