//! Reads the chunks of a streamed message.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decode::{IGNORED, failure, identifier, missing, required};
use super::reply::{Reply, Served};
use crate::contract::{AdapterError, Event, Members, unknown_member};

/// Adds the events of the next chunk.
///
/// # Errors
/// `Protocol` where the chunk is not of the format, `Corrupt` where it may not stand here, `Upstream` where
/// it says that the model failed.
pub(super) fn chunk(
    json: &[u8],
    reply: &mut Reply,
    served: &Served,
    events: &mut Vec<Event>,
) -> Result<(), AdapterError> {
    let mut chunk = Members::read(json)?;
    let kind: String = required(&mut chunk, "type")?;
    match kind.as_str() {
        "ping" => return Ok(()),
        "error" => return Err(failure(chunk)),
        "message_start" => message_start(&mut chunk, reply, events)?,
        "content_block_start" => {
            reply.expect_open(&kind)?;
            let index = required(&mut chunk, "index")?;
            let block = chunk.object("content_block")?.ok_or_else(|| missing("content_block"))?;
            reply.start(index, block, &kind, || raw_block(json), events)?;
        }
        "content_block_delta" => {
            reply.expect_open(&kind)?;
            let index = required(&mut chunk, "index")?;
            let delta = chunk.object("delta")?.ok_or_else(|| missing("delta"))?;
            reply.delta(index, delta, events)?;
        }
        "content_block_stop" => {
            reply.expect_open(&kind)?;
            reply.stop(required(&mut chunk, "index")?, events)?;
        }
        "message_delta" => {
            reply.expect_open(&kind)?;
            message_delta(&mut chunk, reply, events)?;
        }
        "message_stop" => {
            reply.expect_open(&kind)?;
            let metrics = chunk.invocation_metrics();
            let guardrail_action = chunk.take("amazon-bedrock-guardrailAction")?;
            reply.end(served, metrics, guardrail_action, events)?;
        }
        other => {
            events.push(unknown_member(identifier(other)));
            return Ok(());
        }
    }
    chunk.warn(&["context_management"], events);
    Ok(())
}

fn message_start(
    chunk: &mut Members<'_>,
    reply: &mut Reply,
    events: &mut Vec<Event>,
) -> Result<(), AdapterError> {
    reply.expect_nothing()?;
    let mut message = chunk.object("message")?.ok_or_else(|| missing("message"))?;
    reply.begin(required(&mut message, "role")?, events);
    if let Some(usage) = message.object("usage")? {
        reply.counts.update(usage, events)?;
    }
    if !message.take::<Vec<&RawValue>>("content")?.unwrap_or_default().is_empty() {
        events.push(unknown_member("message_start.message.content".to_owned()));
    }
    message.warn(&IGNORED, events);
    Ok(())
}

fn message_delta(
    chunk: &mut Members<'_>,
    reply: &mut Reply,
    events: &mut Vec<Event>,
) -> Result<(), AdapterError> {
    if let Some(mut delta) = chunk.object("delta")? {
        reply.stop_because(delta.take("stop_reason")?);
        delta.warn(&IGNORED, events);
    }
    if let Some(usage) = chunk.object("usage")? {
        reply.counts.update(usage, events)?;
    }
    Ok(())
}

/// The block of a chunk as it stands there.
fn raw_block(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Chunk<'j> {
        #[serde(borrow)]
        content_block: &'j RawValue,
    }
    serde_json::from_slice::<Chunk<'_>>(json).ok().map(|chunk| chunk.content_block.get().to_owned())
}
