//! Reads the chunks of Nova's streams: Converse's events, each as the one member of an object.

use bedrock_inference_proto::v1::{
    ContentBlockStartEvent, ConverseStreamMetadataEvent, ConverseStreamMetrics, MessageStartEvent,
};

use super::decode::{Context, IGNORED};
use super::meter;
use crate::contract::{AdapterError, Event, Members};

/// Adds the events of a chunk, in the order of the grammar should it ever hold several.
pub(super) fn chunk(payload: &[u8], context: &Context, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let mut members = Members::read(payload)?;
    if let Some(start) = members.shape::<MessageStartEvent>("messageStart", events)? {
        let role = start.role.or_else(|| Some("assistant".to_owned()));
        events.push(Event::MessageStart(MessageStartEvent { role }));
    }
    if let Some(start) = members.shape::<ContentBlockStartEvent>("contentBlockStart", events)?
        && start.start.as_ref().is_some_and(|start| start.kind.is_some())
    {
        events.push(Event::ContentBlockStart(start));
    }
    let delta = members.shape("contentBlockDelta", events)?;
    events.extend(delta.map(Event::ContentBlockDelta));
    let stop = members.shape("contentBlockStop", events)?;
    events.extend(stop.map(Event::ContentBlockStop));
    let stop = members.shape("messageStop", events)?;
    events.extend(stop.map(|stop| Event::MessageStop(Box::new(stop))));
    metadata(&mut members, context, events)?;
    members.warn(&[], events);
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
        performance_config: context.performance_config(),
        service_tier: context.service_tier(),
    })));
    Ok(())
}
