//! A reply under way: native blocks and their pieces to Converse's events.

use std::collections::BTreeMap;

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    ContentBlockStart, ContentBlockStartEvent, ContentBlockStopEvent, ConverseStreamMetadataEvent,
    ConverseStreamMetrics, MessageStartEvent, MessageStopEvent, ToolUseBlockStart, content_block_delta,
    content_block_start, reasoning_content_block_delta,
};
use serde_json::value::RawValue;

use super::citation;
use super::decode::{identifier, missing, redacted, required};
use super::piece::{input, piece, reasoning, text, thought};
use super::usage::Counts;
use crate::contract::{AdapterError, Event, InvocationMetrics, Members, ReplyHead, unknown_member};

/// What is known of the reply from outside its body.
pub(super) struct Served {
    /// Whether the model has a prompt cache.
    pub(super) caching: bool,
    pub(super) head: ReplyHead,
}

/// What of a reply has come so far.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) counts: Counts,
    stage: Stage,
    stop_reason: Option<String>,
    /// The blocks that have begun and not ended.
    open: BTreeMap<i32, Open>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Under,
    Over,
}

/// A block under way.
enum Open {
    /// Text, and whether any of it has come.
    Text(bool),
    /// Reasoning, and whether any of its text has come.
    Thinking(bool),
    Redacted,
    /// A tool call, with the input that stood in its start; none once pieces have come.
    Tool(Option<String>),
    /// A block that was handed on as it began, and whether more of it came.
    Passed(bool),
}

impl Reply {
    /// # Errors
    /// `Corrupt` where the reply has begun.
    pub(super) fn expect_nothing(&self) -> Result<(), AdapterError> {
        match self.stage {
            Stage::Before => Ok(()),
            Stage::Under | Stage::Over => Err(AdapterError::corrupt("message_start stands twice")),
        }
    }

    /// # Errors
    /// `Corrupt` where the reply has not begun or is over.
    pub(super) fn expect_open(&self, chunk: &str) -> Result<(), AdapterError> {
        match self.stage {
            Stage::Under => Ok(()),
            Stage::Before => Err(AdapterError::corrupt(format!("{chunk} stands before message_start"))),
            Stage::Over => Err(AdapterError::corrupt(format!("{chunk} stands after message_stop"))),
        }
    }

    pub(super) fn begin(&mut self, role: String, events: &mut Vec<Event>) {
        self.stage = Stage::Under;
        events.push(Event::MessageStart(MessageStartEvent { role: Some(role) }));
    }

    /// A block begins, with as much of its content as stands there. `raw` is the block's JSON.
    pub(super) fn start(
        &mut self,
        index: i32,
        mut block: Members<'_>,
        place: &str,
        raw: impl FnOnce() -> Option<String>,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        let kind: String = required(&mut block, "type")?;
        let unknown = |events: &mut Vec<Event>| {
            events.push(unknown_member(format!("{place}.{}", identifier(&kind))));
            let value = raw().and_then(|json| document_from_json(&json).ok()).and_then(|(value, _)| value);
            events.push(piece(index, content_block_delta::Kind::Unknown(value.unwrap_or_default())));
            Open::Passed(false)
        };
        let open = match kind.as_str() {
            "text" => start_text(index, &mut block, events)?,
            "thinking" => start_thinking(index, &mut block, events)?,
            "redacted_thinking" => match redacted(&required::<String>(&mut block, "data")?) {
                Some(bytes) => {
                    let kind = reasoning_content_block_delta::Kind::RedactedContent(bytes);
                    events.push(reasoning(index, kind));
                    Open::Redacted
                }
                None => unknown(events),
            },
            "tool_use" => start_tool(index, &mut block, None, events)?,
            "server_tool_use" => start_tool(index, &mut block, Some(kind), events)?,
            _ => unknown(events),
        };
        if !matches!(open, Open::Passed(_)) {
            block.warn(&["caller", "cache_control"], events);
        }
        match self.open.insert(index, open) {
            None => Ok(()),
            Some(_) => Err(AdapterError::corrupt("a block begins twice")),
        }
    }

    /// A block goes on. Text and reasoning may do so without having begun.
    pub(super) fn delta(
        &mut self,
        index: i32,
        mut delta: Members<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        let kind: String = required(&mut delta, "type")?;
        let unknown = || unknown_member(format!("content_block_delta.{}", identifier(&kind)));
        if let Some(Open::Passed(more)) = self.open.get_mut(&index) {
            let first = !std::mem::replace(more, true);
            events.extend(first.then(unknown));
            return Ok(());
        }
        let open = match kind.as_str() {
            "text_delta" | "citations_delta" => self.open.entry(index).or_insert(Open::Text(false)),
            "thinking_delta" | "signature_delta" => self.open.entry(index).or_insert(Open::Thinking(false)),
            "input_json_delta" => match self.open.get_mut(&index) {
                Some(open) => open,
                None => return Err(AdapterError::corrupt("a block goes on that has not begun")),
            },
            _ => {
                events.push(unknown());
                return Ok(());
            }
        };
        match (kind.as_str(), open) {
            ("text_delta", Open::Text(begun)) => {
                *begun = true;
                events.push(text(index, required(&mut delta, "text")?));
            }
            ("citations_delta", Open::Text(_)) => {
                let cited = delta.object("citation")?.ok_or_else(|| missing("citation"))?;
                let cited = content_block_delta::Kind::Citation(citation::read(cited, events)?);
                events.push(piece(index, cited));
            }
            ("thinking_delta", Open::Thinking(begun)) => {
                *begun = true;
                events.push(thought(index, required(&mut delta, "thinking")?));
            }
            ("signature_delta", Open::Thinking(begun)) => {
                let signature = required(&mut delta, "signature")?;
                sign(index, begun, signature, events);
            }
            ("input_json_delta", Open::Tool(whole)) => {
                *whole = None;
                events.push(input(index, required(&mut delta, "partial_json")?));
            }
            _ => return Err(AdapterError::corrupt(format!("{kind} stands in a block of another kind"))),
        }
        delta.warn(&[], events);
        Ok(())
    }

    /// A block ends. What had no piece gets an empty one, for Converse's stream has no other sign of it.
    pub(super) fn stop(&mut self, index: i32, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        match self.open.remove(&index) {
            None => return Err(AdapterError::corrupt("a block ends that has not begun")),
            Some(Open::Text(false)) => events.push(text(index, String::new())),
            Some(Open::Thinking(false)) => events.push(thought(index, String::new())),
            Some(Open::Tool(Some(whole))) => events.push(input(index, whole)),
            Some(
                Open::Text(true) | Open::Thinking(true) | Open::Redacted | Open::Tool(None) | Open::Passed(_),
            ) => {}
        }
        events.push(Event::ContentBlockStop(ContentBlockStopEvent { content_block_index: Some(index) }));
        Ok(())
    }

    /// Why the model stopped; the latest word holds. Anthropic's names are Converse's, and those that
    /// Converse lacks (`refusal`, `pause_turn`) pass as they are.
    pub(super) fn stop_because(&mut self, reason: Option<String>) {
        self.stop_reason = reason.or(self.stop_reason.take());
    }

    /// The message is over.
    ///
    /// # Errors
    /// `Corrupt` where a block has not ended, or where there is no stop reason or no usage.
    pub(super) fn end(
        &mut self,
        served: &Served,
        metrics: Option<InvocationMetrics>,
        guardrail_action: Option<String>,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        if !self.open.is_empty() {
            return Err(AdapterError::corrupt("the message ends within a block"));
        }
        // Only a guardrail that the account enforces can have done it: the native route asks for none.
        let intervened = guardrail_action.as_deref() == Some("INTERVENED");
        let reason =
            if intervened { Some("guardrail_intervened".to_owned()) } else { self.stop_reason.take() };
        let reason = reason.ok_or_else(|| AdapterError::corrupt("the message ends without a stop_reason"))?;
        let measured = metrics.unwrap_or_default().or(served.head.metrics());
        let usage = self.counts.usage(&measured, served.caching);
        // Content that was blocked on its way in never reached the model: such a reply has no usage.
        let usage = usage.or_else(|| intervened.then(|| Counts::none(served.caching)));
        let usage = usage.ok_or_else(|| AdapterError::corrupt("the message ends without its usage"))?;
        self.stage = Stage::Over;
        let stop = MessageStopEvent { stop_reason: Some(reason), ..MessageStopEvent::default() };
        events.push(Event::MessageStop(Box::new(stop)));
        events.push(Event::Metadata(Box::new(ConverseStreamMetadataEvent {
            usage: Some(usage),
            metrics: measured.invocation_latency.map(|ms| ConverseStreamMetrics { latency_ms: Some(ms) }),
            trace: None,
            performance_config: served.head.performance_config(),
            service_tier: served.head.tier(),
        })));
        Ok(())
    }
}

fn start_text(index: i32, block: &mut Members<'_>, events: &mut Vec<Event>) -> Result<Open, AdapterError> {
    let begun: String = required(block, "text")?;
    let has_begun = !begun.is_empty();
    events.extend(has_begun.then(|| text(index, begun)));
    for cited in block.objects("citations")? {
        let cited = content_block_delta::Kind::Citation(citation::read(cited, events)?);
        events.push(piece(index, cited));
    }
    Ok(Open::Text(has_begun))
}

fn start_thinking(
    index: i32,
    block: &mut Members<'_>,
    events: &mut Vec<Event>,
) -> Result<Open, AdapterError> {
    let begun: String = required(block, "thinking")?;
    let mut has_begun = !begun.is_empty();
    events.extend(has_begun.then(|| thought(index, begun)));
    sign(index, &mut has_begun, block.take("signature")?.unwrap_or_default(), events);
    Ok(Open::Thinking(has_begun))
}

fn start_tool(
    index: i32,
    block: &mut Members<'_>,
    r#type: Option<String>,
    events: &mut Vec<Event>,
) -> Result<Open, AdapterError> {
    let tool = ToolUseBlockStart {
        tool_use_id: Some(required(block, "id")?),
        name: Some(required(block, "name")?),
        r#type,
    };
    let kind = content_block_start::Kind::ToolUse(tool);
    events.push(Event::ContentBlockStart(ContentBlockStartEvent {
        start: Some(ContentBlockStart { kind: Some(kind) }),
        content_block_index: Some(index),
    }));
    let whole = block.take::<&RawValue>("input")?.map(|input| input.get().to_owned());
    Ok(Open::Tool(whole.filter(|input| input != "{}")))
}

/// Signs reasoning. Converse needs the text that is signed, and Anthropic may withhold it.
fn sign(index: i32, begun: &mut bool, signature: String, events: &mut Vec<Event>) {
    if signature.is_empty() {
        return;
    }
    if !*begun {
        *begun = true;
        events.push(thought(index, String::new()));
    }
    events.push(reasoning(index, reasoning_content_block_delta::Kind::Signature(signature)));
}
