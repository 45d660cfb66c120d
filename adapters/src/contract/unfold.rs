//! Unfolding: a whole reply to the events that would have streamed it.

use bedrock_inference_proto::codec::document_to_json;
use bedrock_inference_proto::v1::{
    CitationSourceContentDelta, CitationsContentBlock, CitationsDelta, ContentBlock, ContentBlockDelta,
    ContentBlockDeltaEvent, ContentBlockStart, ContentBlockStartEvent, ContentBlockStopEvent,
    ConverseResponse, ConverseStreamMetadataEvent, ConverseStreamMetrics, ConverseStreamTrace,
    MessageStartEvent, MessageStopEvent, ReasoningContentBlock, ReasoningContentBlockDelta, ToolUseBlock,
    ToolUseBlockDelta, ToolUseBlockStart, citation_generated_content, citation_source_content, content_block,
    content_block_delta, content_block_start, converse_output, reasoning_content_block,
    reasoning_content_block_delta,
};

use super::fold::fold_block;
use super::{AdapterError, Event};

/// Adds the events of a whole reply.
///
/// [`super::Fold`] makes the same reply of them again. A block that AWS's stream could not carry without
/// loss becomes [`Event::Block`].
///
/// # Errors
/// `Protocol` where the reply lacks its message, its stop reason or its usage.
pub fn unfold(reply: ConverseResponse, events: &mut Vec<Event>) -> Result<(), AdapterError> {
    let Some(converse_output::Kind::Message(message)) = reply.output.and_then(|output| output.kind) else {
        return Err(AdapterError::protocol("the reply has no output.message"));
    };
    if reply.stop_reason.is_none() {
        return Err(AdapterError::protocol("the reply has no stopReason"));
    }
    if reply.usage.is_none() {
        return Err(AdapterError::protocol("the reply has no usage"));
    }
    events.push(Event::MessageStart(MessageStartEvent { role: message.role }));
    for (index, block) in (0..).zip(message.content) {
        unfold_block(index, block, events);
    }
    events.push(Event::MessageStop(Box::new(MessageStopEvent {
        stop_reason: reply.stop_reason,
        additional_model_response_fields: reply.additional_model_response_fields,
        additional_model_response_fields_text: reply.additional_model_response_fields_text,
    })));
    events.push(Event::Metadata(Box::new(ConverseStreamMetadataEvent {
        usage: reply.usage,
        metrics: reply.metrics.map(|metrics| ConverseStreamMetrics { latency_ms: metrics.latency_ms }),
        trace: reply.trace.map(|trace| ConverseStreamTrace {
            guardrail: trace.guardrail,
            prompt_router: trace.prompt_router,
        }),
        performance_config: reply.performance_config,
        service_tier: reply.service_tier,
    })));
    Ok(())
}

fn unfold_block(index: i32, block: ContentBlock, events: &mut Vec<Event>) {
    let (start, deltas) = pieces(&block);
    let mut streamed = Vec::with_capacity(deltas.len() + 2);
    streamed.extend(start.map(|kind| {
        Event::ContentBlockStart(ContentBlockStartEvent {
            start: Some(ContentBlockStart { kind: Some(kind) }),
            content_block_index: Some(index),
        })
    }));
    streamed.extend(deltas.into_iter().map(|kind| {
        Event::ContentBlockDelta(ContentBlockDeltaEvent {
            delta: Some(ContentBlockDelta { kind: Some(kind), tool_result: Vec::new() }),
            content_block_index: Some(index),
        })
    }));
    if fold_block(&streamed).as_ref() == Some(&block) {
        events.append(&mut streamed);
        events.push(Event::ContentBlockStop(ContentBlockStopEvent { content_block_index: Some(index) }));
    } else {
        events.push(Event::Block { index, block: Box::new(block) });
    }
}

type Pieces = (Option<content_block_start::Kind>, Vec<content_block_delta::Kind>);

/// The pieces that would stream this block; nothing for blocks that cannot be streamed.
fn pieces(block: &ContentBlock) -> Pieces {
    match &block.kind {
        Some(content_block::Kind::Text(text)) => (None, vec![content_block_delta::Kind::Text(text.clone())]),
        Some(content_block::Kind::ToolUse(tool)) => tool_use(tool),
        Some(content_block::Kind::ReasoningContent(reasoning)) => (None, reasoning_deltas(reasoning)),
        Some(content_block::Kind::CitationsContent(cited)) => (None, citation_deltas(cited)),
        _ => (None, Vec::new()),
    }
}

fn tool_use(tool: &ToolUseBlock) -> Pieces {
    let start = content_block_start::Kind::ToolUse(ToolUseBlockStart {
        tool_use_id: tool.tool_use_id.clone(),
        name: tool.name.clone(),
        r#type: tool.r#type.clone(),
    });
    let text = tool.input_text.clone().or_else(|| tool.input.as_ref().map(document_to_json));
    let input = content_block_delta::Kind::ToolUse(ToolUseBlockDelta { input: text });
    (Some(start), vec![input])
}

fn reasoning_deltas(reasoning: &ReasoningContentBlock) -> Vec<content_block_delta::Kind> {
    use reasoning_content_block_delta::Kind;
    let pieces = match &reasoning.kind {
        Some(reasoning_content_block::Kind::ReasoningText(block)) => {
            let text = block.text.clone().map(Kind::Text);
            text.into_iter().chain(block.signature.clone().map(Kind::Signature)).collect()
        }
        Some(reasoning_content_block::Kind::RedactedContent(bytes)) => {
            vec![Kind::RedactedContent(bytes.clone())]
        }
        None => Vec::new(),
    };
    let delta = |kind| ReasoningContentBlockDelta { kind: Some(kind) };
    pieces.into_iter().map(|kind| content_block_delta::Kind::ReasoningContent(delta(kind))).collect()
}

fn citation_deltas(cited: &CitationsContentBlock) -> Vec<content_block_delta::Kind> {
    let texts = cited.content.iter().filter_map(|content| {
        let citation_generated_content::Kind::Text(text) = content.kind.as_ref()?;
        Some(content_block_delta::Kind::Text(text.clone()))
    });
    let citations = cited.citations.iter().map(|citation| {
        content_block_delta::Kind::Citation(CitationsDelta {
            title: citation.title.clone(),
            source: citation.source.clone(),
            source_content: citation
                .source_content
                .iter()
                .map(|content| match &content.kind {
                    Some(citation_source_content::Kind::Text(text)) => {
                        CitationSourceContentDelta { text: Some(text.clone()) }
                    }
                    None => CitationSourceContentDelta { text: None },
                })
                .collect(),
            location: citation.location.clone(),
        })
    });
    texts.chain(citations).collect()
}
