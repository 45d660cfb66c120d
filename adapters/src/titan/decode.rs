//! Reads Titan's replies: a whole one here, a stream's chunks in its own room.

use bedrock_inference_proto::v1::{
    ContentBlock, ConverseMetrics, ConverseOutput, ConverseResponse, Message, content_block, converse_output,
};

use super::meter;
use super::stream::TitanStream;
use crate::contract::{
    AdapterError, Event, Members, Piece, ReplyHead, StreamDecoder, unfold, unknown_member,
};

/// Converse's stop reason where a guardrail cut in.
pub(super) const GUARDRAIL_INTERVENED: &str = "guardrail_intervened";

/// Turns Titan's replies into events.
#[derive(Default)]
pub(super) struct TitanDecoder {
    head: ReplyHead,
    stream: TitanStream,
}

impl StreamDecoder for TitanDecoder {
    fn feed(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError> {
        match piece {
            Piece::Head(head) => self.head = head.clone(),
            Piece::Whole(body) => whole(&body, &self.head, events)?,
            Piece::Frame { event: "chunk", payload } => self.stream.chunk(&payload, &self.head, events)?,
            Piece::Frame { event, .. } => events.push(unknown_member(event.to_owned())),
        }
        Ok(())
    }
}

/// Several results are one answer; the last one says why it ended.
fn whole(body: &[u8], head: &ReplyHead, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let mut members = Members::read(body)?;
    let bedrock = members.invocation_metrics().unwrap_or_default();
    let mut results = members.objects("results")?;
    let counts = meter::whole_counts(&mut members, &mut results)?.or(bedrock).or(head.metrics());
    let intervened = intervened(&mut members)?;
    members.warn(&[], events);
    let (mut text, mut stop_reason) = (None::<String>, None);
    for mut result in results {
        if let Some(piece) = result.take::<String>("outputText")? {
            text.get_or_insert_default().push_str(&piece);
        }
        stop_reason = result.take::<String>("completionReason")?.map(converse_stop_reason);
        result.warn(&["index"], events);
    }
    if intervened {
        stop_reason = Some(GUARDRAIL_INTERVENED.to_owned());
    }
    let content = text.map(|text| ContentBlock { kind: Some(content_block::Kind::Text(text)) });
    let message = Message { role: Some("assistant".to_owned()), content: content.into_iter().collect() };
    let reply = ConverseResponse {
        output: Some(ConverseOutput { kind: Some(converse_output::Kind::Message(message)) }),
        stop_reason,
        usage: counts.usage(),
        metrics: counts.invocation_latency.map(|latency| ConverseMetrics { latency_ms: Some(latency) }),
        performance_config: head.performance_config(),
        service_tier: head.tier(),
        ..ConverseResponse::default()
    };
    unfold(reply, events)
}

/// Converse's word for Titan's; a reason that Converse has no word for stays as it is.
pub(super) fn converse_stop_reason(reason: String) -> String {
    let known = match reason.as_str() {
        "FINISHED" => "end_turn",
        "LENGTH" => "max_tokens",
        "STOP_CRITERIA_MET" => "stop_sequence",
        "CONTENT_FILTERED" => "content_filtered",
        _ => return reason,
    };
    known.to_owned()
}

/// Whether a guardrail that the account enforces cut in; the model's own stop reason does not tell.
///
/// # Errors
/// `Protocol` where the member is no text.
pub(super) fn intervened(members: &mut Members<'_>) -> Result<bool, AdapterError> {
    let action: Option<String> = members.take("amazon-bedrock-guardrailAction")?;
    Ok(action.as_deref() == Some("INTERVENED"))
}
