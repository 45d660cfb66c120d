//! The JSON shapes that Converse and ConverseStream have in common.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Completion;
use crate::answer::{AnswerBlock, Usage};

/// One content block of a response: a union with exactly one member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Content<'a> {
    Text(&'a str),
    ToolUse(ToolUse<'a>),
    ReasoningContent(ReasoningContent<'a>),
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
    ReasoningText { text: &'a str, signature: &'a str },
}

impl<'a> From<&'a AnswerBlock> for Content<'a> {
    fn from(block: &'a AnswerBlock) -> Self {
        match block {
            AnswerBlock::Text(text) => Self::Text(text),
            AnswerBlock::ToolUse { id, name, input } => {
                Self::ToolUse(ToolUse { tool_use_id: id, name, input })
            }
            AnswerBlock::Reasoning { text, signature } => {
                Self::ReasoningContent(ReasoningContent::ReasoningText { text, signature })
            }
        }
    }
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
        let written = input.written_5m.saturating_add(input.written_1h);
        let details = [("1h", input.written_1h), ("5m", input.written_5m)];
        let details = details.into_iter().filter(|(_, tokens)| *tokens > 0);
        Self {
            input_tokens: input.plain,
            output_tokens: usage.output,
            total_tokens: input
                .plain
                .saturating_add(usage.output)
                .saturating_add(input.read)
                .saturating_add(written),
            cache_read_input_tokens: caches.then_some(input.read),
            cache_write_input_tokens: caches.then_some(written),
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
struct Trace<'a> {
    guardrail: &'a Value,
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
    trace: Option<Trace<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performance_config: Option<Performance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<ServiceTier<'a>>,
}

impl<'a> Metadata<'a> {
    /// The metadata of a completion.
    pub(super) fn new(completion: &'a Completion) -> Self {
        let prompt = &completion.prompt;
        Self {
            usage: UsageShape::new(&completion.usage, prompt.model.supports.prompt_caching),
            metrics: Metrics { latency_ms: completion.latency_ms() },
            trace: completion.guardrail_trace.as_ref().map(|guardrail| Trace { guardrail }),
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
