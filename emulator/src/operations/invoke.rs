//! The response of InvokeModel: the native body of the model's family, and what the headers tell beside it.

use std::fmt::Display;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::Rendering;
use super::completion::Completion;
use super::native::{self, metrics};
use crate::models::Family;
use crate::prompt::{PERFORMANCE_LATENCY, SERVICE_TIER};

/// The response, due when the whole answer has been said.
pub(super) fn rendering(completion: &Completion) -> Rendering {
    let mut body = match completion.prompt.model.family {
        Family::Claude => native::claude::body(completion),
        Family::Nova => native::nova::body(completion),
        Family::TitanText => native::titan::body(completion),
        // Refused when the body was read.
        Family::Other => Value::Null,
    };
    metrics::add_verdict(&mut body, completion);
    let mut headers = echoes(completion);
    headers.extend(counts(completion));
    Rendering::Whole { body: body.to_string().into_bytes(), headers, due: completion.due() }
}

/// The settings that were asked for, as headers of the same names.
pub(super) fn echoes(completion: &Completion) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let prompt = &completion.prompt;
    for (name, asked) in [(PERFORMANCE_LATENCY, &prompt.latency), (SERVICE_TIER, &prompt.service_tier)] {
        if let Some(asked) = asked {
            insert(&mut headers, name, asked);
        }
    }
    headers
}

/// What was used, for families whose bodies do not tell; the API reference does not list these headers.
fn counts(completion: &Completion) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let usage = completion.usage;
    insert(&mut headers, "x-amzn-bedrock-input-token-count", usage.input.plain);
    insert(&mut headers, "x-amzn-bedrock-output-token-count", usage.output);
    if completion.caches() {
        insert(&mut headers, "x-amzn-bedrock-cache-read-input-token-count", usage.input.read);
        insert(&mut headers, "x-amzn-bedrock-cache-write-input-token-count", usage.input.written());
    }
    insert(&mut headers, "x-amzn-bedrock-invocation-latency", completion.latency_ms());
    headers
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
