//! Reads Nova's replies: a whole one here, a stream's chunks in its own room.

use bedrock_inference_proto::v1::{ConverseMetrics, ConverseOutput, ConverseResponse, converse_output};

use super::meter;
use super::stream::NovaStream;
use crate::contract::{
    AdapterError, Event, Members, Piece, ReplyHead, StreamDecoder, unfold, unknown_member,
};

/// Members that say nothing which the events would carry; Bedrock's own metrics hold the latency.
pub(super) const IGNORED: [&str; 2] = ["metrics", "trace"];

/// Converse's stop reason where a guardrail cut in.
pub(super) const GUARDRAIL_INTERVENED: &str = "guardrail_intervened";

/// Turns Nova's replies into events.
pub(super) struct NovaDecoder {
    context: Context,
    stream: NovaStream,
}

/// What is known of a reply beside its body.
pub(super) struct Context {
    pub(super) head: ReplyHead,
    /// Whether the model has a prompt cache.
    pub(super) caches: bool,
}

impl NovaDecoder {
    pub(super) fn new(caches: bool) -> Self {
        Self { context: Context { head: ReplyHead::default(), caches }, stream: NovaStream::default() }
    }
}

impl StreamDecoder for NovaDecoder {
    fn feed(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        match piece {
            Piece::Head(head) => self.context.head = head.clone(),
            Piece::Whole(body) => whole(&body, &self.context, events)?,
            Piece::Frame { event: "chunk", payload } => self.stream.chunk(&payload, &self.context, events)?,
            Piece::Frame { event, .. } => events.push(unknown_member(event.to_owned())),
        }
        Ok(())
    }
}

fn whole(body: &[u8], context: &Context, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let mut members = Members::read(body)?;
    let mut output: Option<ConverseOutput> = members.shape("output", events)?;
    if let Some(converse_output::Kind::Message(message)) =
        output.as_mut().and_then(|output| output.kind.as_mut())
    {
        message.role.get_or_insert_with(|| "assistant".to_owned());
    }
    let mut stop_reason = members.take("stopReason")?;
    if intervened(&mut members)? {
        stop_reason = Some(GUARDRAIL_INTERVENED.to_owned());
    }
    let bedrock = members.invocation_metrics().unwrap_or_default();
    let counts = meter::counts(&mut members, events)?.or(bedrock).or(context.head.metrics());
    members.warn(&IGNORED, events);
    let reply = ConverseResponse {
        output,
        stop_reason,
        usage: meter::usage(&counts, context.caches),
        metrics: counts.invocation_latency.map(|latency| ConverseMetrics { latency_ms: Some(latency) }),
        performance_config: context.head.performance_config(),
        service_tier: context.head.tier(),
        ..ConverseResponse::default()
    };
    unfold(reply, events)
}

/// Whether a guardrail that the account enforces cut in; the model's own stop reason does not tell.
///
/// # Errors
/// `Protocol` where the member is no text.
pub(super) fn intervened(members: &mut Members<'_>) -> Result<bool, AdapterError> {
    let action: Option<String> = members.take("amazon-bedrock-guardrailAction")?;
    Ok(action.as_deref() == Some("INTERVENED"))
}
