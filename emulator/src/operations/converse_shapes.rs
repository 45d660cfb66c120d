//! The JSON shapes that Converse and ConverseStream have in common.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::completion::Completion;
use crate::answer::{AnswerBlock, Citation, CitedPlace, Usage};
use crate::guardrail::Trace;

/// One content block of a response: a union with exactly one member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Content<'a> {
    Text(&'a str),
    ToolUse(ToolUse<'a>),
    ReasoningContent(ReasoningContent<'a>),
    #[serde(rename = "citationsContent")]
    Cited {
        content: [TextPart<'a>; 1],
        citations: [Value; 1],
    },
}

/// A union with exactly one member.
#[derive(Serialize)]
pub(super) struct TextPart<'a> {
    text: &'a str,
}

/// A tool call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    tool_use_id: &'a str,
    name: &'a str,
    input: &'a Value,
}

/// Reasoning: a union with exactly one member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReasoningContent<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    RedactedContent(&'a str),
}

impl<'a> From<&'a AnswerBlock> for Content<'a> {
    fn from(block: &'a AnswerBlock) -> Self {
        match block {
            AnswerBlock::Text(text) => Self::Text(text),
            AnswerBlock::Cited { text, citation } => {
                Self::Cited { content: [TextPart { text }], citations: [citation_shape(citation)] }
            }
            AnswerBlock::ToolUse { id, name, input } => {
                Self::ToolUse(ToolUse { tool_use_id: id, name, input })
            }
            AnswerBlock::Reasoning { text, signature } => {
                Self::ReasoningContent(ReasoningContent::ReasoningText {
                    text,
                    signature: signature.as_deref(),
                })
            }
            AnswerBlock::RedactedReasoning(data) => {
                Self::ReasoningContent(ReasoningContent::RedactedContent(data))
            }
        }
    }
}

/// A `Citation`.
pub(super) fn citation_shape(citation: &Citation) -> Value {
    let location = match &citation.place {
        CitedPlace::Characters { document, end } => {
            json!({"documentChar": {"documentIndex": document, "start": 0, "end": end}})
        }
        CitedPlace::Page { document } => {
            json!({"documentPage": {"documentIndex": document, "start": 1, "end": 2}})
        }
        CitedPlace::Chunk { document } => {
            json!({"documentChunk": {"documentIndex": document, "start": 0, "end": 1}})
        }
        CitedPlace::SearchResult { index, .. } => {
            json!({"searchResultLocation": {"searchResultIndex": index, "start": 0, "end": 1}})
        }
    };
    let content = json!([{"text": citation.cited_text}]);
    match &citation.place {
        CitedPlace::SearchResult { source, .. } => {
            json!({"title": citation.title, "source": source, "sourceContent": content, "location": location})
        }
        _ => json!({"title": citation.title, "sourceContent": content, "location": location}),
    }
}

/// The `stopReason`, which also tells whether a guardrail intervened.
pub(super) fn stop_reason(completion: &Completion) -> &'static str {
    if completion.intervened() { "guardrail_intervened" } else { completion.answer.stop_reason.as_str() }
}

/// The `usage` member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageShape {
    input_tokens: u32,
    output_tokens: u32,
    total_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_input_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_details: Vec<CacheDetail>,
}

/// What was written to the cache with one TTL.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: &'static str,
    input_tokens: u32,
}

impl UsageShape {
    /// The shape of a usage; models without prompt caching have no cache members.
    fn new(usage: &Usage, caches: bool) -> Self {
        let input = usage.input;
        let details = [("1h", input.written_1h), ("5m", input.written_5m)];
        let details = details.into_iter().filter(|(_, tokens)| *tokens > 0);
        Self {
            input_tokens: input.plain,
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_input_tokens: caches.then_some(input.read),
            cache_write_input_tokens: caches.then_some(input.written()),
            cache_details: details.map(|(ttl, input_tokens)| CacheDetail { ttl, input_tokens }).collect(),
        }
    }
}

/// The `metrics` member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    latency_ms: u64,
}

/// The `trace` member.
#[derive(Serialize)]
struct TraceShape {
    guardrail: Value,
}

/// The `performanceConfig` member.
#[derive(Serialize)]
struct Performance<'a> {
    latency: &'a str,
}

/// The `serviceTier` member.
#[derive(Serialize)]
struct ServiceTier<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

/// What both a unary response and the `metadata` event tell beside the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    usage: UsageShape,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performance_config: Option<Performance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<ServiceTier<'a>>,
}

impl<'a> Metadata<'a> {
    /// The metadata of a completion.
    pub(super) fn new(completion: &'a Completion) -> Self {
        let prompt = &completion.prompt;
        let trace = completion.verdict.as_ref().and_then(|verdict| verdict.trace.as_ref());
        Self {
            usage: UsageShape::new(&completion.usage, completion.caches()),
            metrics: Metrics { latency_ms: completion.latency_ms() },
            trace: trace.map(Trace::converse).map(|guardrail| TraceShape { guardrail }),
            performance_config: prompt.latency.as_deref().map(|latency| Performance { latency }),
            service_tier: prompt.service_tier.as_deref().map(|kind| ServiceTier { kind }),
        }
    }
}

/// The members of the native response that the caller asked for. Paths that lead nowhere are left out.
pub(super) fn additional_fields(completion: &Completion) -> Option<Value> {
    if completion.prompt.response_paths.is_empty() {
        return None;
    }
    let native = json!({
        "stop_reason": completion.answer.stop_reason.as_str(),
        "stop_sequence": completion.answer.stop_sequence,
    });
    let mut fields = Map::new();
    for path in &completion.prompt.response_paths {
        if let (Some(name), Some(value)) = (path.strip_prefix('/'), native.pointer(path)) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}
