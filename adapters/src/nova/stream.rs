//! Reads the chunks of Nova's streams: Converse's events, each as the one member of an object.

use bedrock_inference_proto::v1::{
    ConverseStreamMetadataEvent, ConverseStreamMetrics, MessageStartEvent, MessageStopEvent,
};

use super::decode::{Context, GUARDRAIL_INTERVENED, IGNORED, intervened};
use super::meter;
use crate::contract::{AdapterError, Event, Members};

/// The members that must not come between messageStop and metadata.
const MESSAGE: [&str; 5] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop"];

/// One stream so far.
#[derive(Default)]
pub(super) struct NovaStream {
    /// Held back until the metadata, beside which Bedrock tells whether a guardrail cut in.
    stop: Option<MessageStopEvent>,
    intervened: bool,
}

impl NovaStream {
    /// Adds the events of a chunk, in the order of the grammar should it ever hold several.
    pub(super) fn chunk(
        &mut self,
        payload: &[u8],
        context: &Context,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        let mut members = Members::read(payload)?;
        self.intervened |= intervened(&mut members)?;
        if MESSAGE.iter().any(|name| members.has(name)) {
            // The grammar is to see that the message goes on after its end.
            self.end_message(events);
        }
        message(&mut members, events)?;
        if let Some(stop) = members.shape("messageStop", events)? {
            self.stop = Some(stop);
        }
        if members.has("metadata") {
            self.end_message(events);
        }
        metadata(&mut members, context, events)?;
        members.warn(&[], events);
        Ok(())
    }

    fn end_message(&mut self, events: &mut Vec<Event>) {
        let Some(mut stop) = self.stop.take() else { return };
        if self.intervened {
            stop.stop_reason = Some(GUARDRAIL_INTERVENED.to_owned());
        }
        events.push(Event::MessageStop(Box::new(stop)));
    }
}

/// The message up to its end.
fn message(members: &mut Members<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    if let Some(start) = members.shape::<MessageStartEvent>("messageStart", events)? {
        let role = start.role.or_else(|| Some("assistant".to_owned()));
        events.push(Event::MessageStart(MessageStartEvent { role }));
    }
    let start = members.shape("contentBlockStart", events)?;
    events.extend(start.map(Event::ContentBlockStart));
    let delta = members.shape("contentBlockDelta", events)?;
    events.extend(delta.map(Event::ContentBlockDelta));
    let stop = members.shape("contentBlockStop", events)?;
    events.extend(stop.map(Event::ContentBlockStop));
    Ok(())
}

/// Bedrock's metrics stand beside the metadata, in the same chunk.
fn metadata(
    members: &mut Members<'_>,
    context: &Context,
    events: &mut Vec<Event>,
) -> Result<(), AdapterError> {
    let bedrock = members.invocation_metrics().unwrap_or_default();
    let Some(mut metadata) = members.object("metadata")? else { return Ok(()) };
    let counts = meter::counts(&mut metadata, events)?.or(bedrock).or(context.head.metrics());
    metadata.warn(&IGNORED, events);
    let usage = meter::usage(&counts, context.caches);
    let metrics =
        counts.invocation_latency.map(|latency| ConverseStreamMetrics { latency_ms: Some(latency) });
    events.push(Event::Metadata(Box::new(ConverseStreamMetadataEvent {
        usage: Some(usage.ok_or_else(|| AdapterError::protocol("metadata has no usage"))?),
        metrics,
        trace: None,
        performance_config: context.head.performance_config(),
        service_tier: context.head.tier(),
    })));
    Ok(())
}
