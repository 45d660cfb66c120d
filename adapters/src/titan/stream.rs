//! Reads the chunks of Titan's streams, which carry neither a start nor ends of their own.

use bedrock_inference_proto::v1::{
    ContentBlockDelta, ContentBlockDeltaEvent, ContentBlockStopEvent, ConverseStreamMetadataEvent,
    ConverseStreamMetrics, MessageStartEvent, MessageStopEvent, content_block_delta,
};

use super::decode::{GUARDRAIL_INTERVENED, converse_stop_reason, intervened};
use super::meter;
use crate::contract::{AdapterError, Event, InvocationMetrics, Members, ReplyHead};

/// Titan's only block.
const TEXT: Option<i32> = Some(0);

/// One stream so far.
#[derive(Default)]
pub(super) struct TitanStream {
    stage: Stage,
    /// Whether the text block has begun.
    block: bool,
    counts: InvocationMetrics,
    /// Held back until the usage, for the chunk with Bedrock's metrics also tells whether a guardrail cut in.
    stop_reason: Option<String>,
    intervened: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Empty,
    Started,
    /// The completion reason came, the usage not yet.
    Stopped,
    Complete,
}

impl TitanStream {
    /// Adds the events of a chunk.
    pub(super) fn chunk(
        &mut self,
        payload: &[u8],
        head: &ReplyHead,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        let mut members = Members::read(payload)?;
        let text: Option<String> = members.take("outputText")?;
        let reason: Option<String> = members.take("completionReason")?;
        self.intervened |= intervened(&mut members)?;
        let bedrock = members.invocation_metrics().unwrap_or_default();
        let counts = meter::chunk_counts(&mut members)?;
        self.counts = counts.or(bedrock).or(std::mem::take(&mut self.counts));
        members.warn(&["index"], events);
        if text.is_some() || reason.is_some() {
            self.go_on(text, reason, events)?;
        }
        self.complete(head, events);
        Ok(())
    }

    fn go_on(
        &mut self,
        text: Option<String>,
        reason: Option<String>,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        match self.stage {
            Stage::Empty => {
                self.stage = Stage::Started;
                events.push(Event::MessageStart(MessageStartEvent { role: Some("assistant".to_owned()) }));
            }
            Stage::Started => {}
            Stage::Stopped | Stage::Complete => {
                return Err(AdapterError::corrupt("a chunk with text follows the one with completionReason"));
            }
        }
        if let Some(text) = text {
            self.block = true;
            events.push(delta(text));
        }
        if let Some(reason) = reason {
            self.stage = Stage::Stopped;
            if self.block {
                events.push(Event::ContentBlockStop(ContentBlockStopEvent { content_block_index: TEXT }));
            }
            self.stop_reason = Some(converse_stop_reason(reason));
        }
        Ok(())
    }

    /// Ends a stopped stream as soon as its usage is known, be it in a later chunk.
    fn complete(&mut self, head: &ReplyHead, events: &mut Vec<Event>) {
        let counts = self.counts.clone().or(head.metrics());
        let Some(usage) = counts.usage().filter(|_| self.stage == Stage::Stopped) else { return };
        self.stage = Stage::Complete;
        let intervened = self.intervened.then(|| GUARDRAIL_INTERVENED.to_owned());
        events.push(Event::MessageStop(Box::new(MessageStopEvent {
            stop_reason: intervened.or(self.stop_reason.take()),
            ..MessageStopEvent::default()
        })));
        let latency = counts.invocation_latency;
        events.push(Event::Metadata(Box::new(ConverseStreamMetadataEvent {
            usage: Some(usage),
            metrics: latency.map(|latency| ConverseStreamMetrics { latency_ms: Some(latency) }),
            trace: None,
            performance_config: head.performance_config(),
            service_tier: head.tier(),
        })));
    }
}

fn delta(text: String) -> Event {
    Event::ContentBlockDelta(ContentBlockDeltaEvent {
        delta: Some(ContentBlockDelta {
            kind: Some(content_block_delta::Kind::Text(text)),
            tool_result: Vec::new(),
        }),
        content_block_index: TEXT,
    })
}
