//! What Bedrock adds to every family's native reply: invocation metrics and the guardrail's verdict.

use serde_json::{Map, Value, json};

use crate::guardrail::Trace;
use crate::operations::completion::Completion;

/// Adds what the last chunk of every stream carries.
pub(super) fn add_to_last_chunk(chunk: &mut Value, completion: &Completion) {
    let usage = completion.usage;
    let first = completion.pace.first_token.as_millis();
    let mut metrics = Map::from_iter([
        ("inputTokenCount".to_owned(), usage.input.plain.into()),
        ("outputTokenCount".to_owned(), usage.output.into()),
        ("invocationLatency".to_owned(), completion.latency_ms().into()),
        ("firstByteLatency".to_owned(), u64::try_from(first).unwrap_or(u64::MAX).into()),
    ]);
    if completion.caches() {
        metrics.insert("cacheReadInputTokenCount".to_owned(), usage.input.read.into());
        metrics.insert("cacheWriteInputTokenCount".to_owned(), usage.input.written().into());
    }
    chunk["amazon-bedrock-invocationMetrics"] = Value::Object(metrics);
    add_verdict(chunk, completion);
}

/// Adds the guardrail's verdict, when a guardrail was applied.
pub(in crate::operations) fn add_verdict(body: &mut Value, completion: &Completion) {
    let Some(verdict) = &completion.verdict else { return };
    let action = if verdict.intervened { "INTERVENED" } else { "NONE" };
    body["amazon-bedrock-guardrailAction"] = action.into();
    if let Some(trace) = &verdict.trace {
        body["amazon-bedrock-trace"] = json!({"guardrail": Trace::invoke(trace)});
    }
}
