//! Past: the answer of a call that has ended, in the bytes that are stored.

use bedrock_inference_adapters::contract::{Event, ReplyHead};
use bedrock_inference_proto::v1::CallReport;
use prost::Message;
use prost::bytes::{Buf, BufMut};

/// The first byte. What was stored in another form is not read.
const FORM: u8 = 1;

/// A call that has ended well.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Past {
    /// What its flight reported.
    pub(super) report: CallReport,
    /// Its answer.
    pub(super) events: Vec<Event>,
}

/// A [`ReplyHead`] as it is stored.
#[derive(Clone, PartialEq, Eq, Message)]
struct Head {
    #[prost(string, optional, tag = "1")]
    content_type: Option<String>,
    #[prost(string, optional, tag = "2")]
    performance_config_latency: Option<String>,
    #[prost(string, optional, tag = "3")]
    service_tier: Option<String>,
    #[prost(int32, optional, tag = "4")]
    input_tokens: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    output_tokens: Option<i32>,
    #[prost(int32, optional, tag = "6")]
    cache_read_input_tokens: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    cache_write_input_tokens: Option<i32>,
    #[prost(int64, optional, tag = "8")]
    latency_ms: Option<i64>,
}

impl Past {
    /// The form, then the report, then each event: a byte for its kind, its length in four bytes, and its message.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        put(&mut bytes, 0, &self.report.encode_to_vec());
        for event in &self.events {
            match event {
                Event::MessageStart(event) => put(&mut bytes, 1, &event.encode_to_vec()),
                Event::ContentBlockStart(event) => put(&mut bytes, 2, &event.encode_to_vec()),
                Event::ContentBlockDelta(event) => put(&mut bytes, 3, &event.encode_to_vec()),
                Event::ContentBlockStop(event) => put(&mut bytes, 4, &event.encode_to_vec()),
                Event::Block { index, block } => {
                    let mut indexed = index.to_be_bytes().to_vec();
                    indexed.extend(block.encode_to_vec());
                    put(&mut bytes, 5, &indexed);
                }
                Event::MessageStop(event) => put(&mut bytes, 6, &event.encode_to_vec()),
                Event::Metadata(event) => put(&mut bytes, 7, &event.encode_to_vec()),
                Event::Head(head) => put(&mut bytes, 8, &Head::of(head).encode_to_vec()),
                Event::Raw(body) => put(&mut bytes, 9, body),
                Event::Warning(warning) => put(&mut bytes, 10, &warning.encode_to_vec()),
            }
        }
        bytes
    }

    /// Reads what [`Past::encode`] has written; `None` for anything else.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.try_get_u8().ok()? != FORM {
            return None;
        }
        let (0, report) = take(&mut bytes)? else { return None };
        let report = CallReport::decode(report).ok()?;
        let mut events = Vec::new();
        while bytes.has_remaining() {
            let (kind, message) = take(&mut bytes)?;
            events.push(event(kind, message)?);
        }
        Some(Self { report, events })
    }
}

fn put(bytes: &mut Vec<u8>, kind: u8, message: &[u8]) {
    bytes.put_u8(kind);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(message);
}

fn take<'b>(bytes: &mut &'b [u8]) -> Option<(u8, &'b [u8])> {
    let kind = bytes.try_get_u8().ok()?;
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    let (message, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((kind, message))
}

fn event(kind: u8, mut message: &[u8]) -> Option<Event> {
    Some(match kind {
        1 => Event::MessageStart(read(message)?),
        2 => Event::ContentBlockStart(read(message)?),
        3 => Event::ContentBlockDelta(read(message)?),
        4 => Event::ContentBlockStop(read(message)?),
        5 => {
            let index = message.try_get_i32().ok()?;
            Event::Block { index, block: Box::new(read(message)?) }
        }
        6 => Event::MessageStop(Box::new(read(message)?)),
        7 => Event::Metadata(Box::new(read(message)?)),
        8 => Event::Head(Box::new(read::<Head>(message)?.into())),
        9 => Event::Raw(message.to_vec().into()),
        10 => Event::Warning(read(message)?),
        _ => return None,
    })
}

fn read<M: Message + Default>(message: &[u8]) -> Option<M> {
    M::decode(message).ok()
}

impl Head {
    fn of(head: &ReplyHead) -> Self {
        let ReplyHead {
            content_type,
            performance_config_latency,
            service_tier,
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_write_input_tokens,
            latency_ms,
        } = head.clone();
        Self {
            content_type,
            performance_config_latency,
            service_tier,
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_write_input_tokens,
            latency_ms,
        }
    }
}

impl From<Head> for ReplyHead {
    fn from(head: Head) -> Self {
        Self {
            content_type: head.content_type,
            performance_config_latency: head.performance_config_latency,
            service_tier: head.service_tier,
            input_tokens: head.input_tokens,
            output_tokens: head.output_tokens,
            cache_read_input_tokens: head.cache_read_input_tokens,
            cache_write_input_tokens: head.cache_write_input_tokens,
            latency_ms: head.latency_ms,
        }
    }
}

#[cfg(test)]
mod tests;
