//! Options that this version cannot honour: refused where ignoring them would cost money or break a promise,
//! else named in the report.

use std::collections::BTreeMap;

use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{CachePolicy, CallOptions, OnDisconnect, Priority, Route};

use super::Report;
use crate::config::{LABEL, is_label};
use crate::principal::Policy;

/// The most labels of a call.
const MOST_LABELS: usize = 16;

/// The most fallback models of a call.
const MOST_FALLBACKS: usize = 5;

/// Checks the options of one call; gives those that cannot be honoured.
pub(super) fn check(options: &CallOptions, report: &Report) -> Vec<Violation> {
    let mut mistakes = Vec::new();
    let mut refuse = |refused: bool, path: &str, description: String| {
        if refused {
            mistakes.push(Violation { path: path.to_owned(), description });
        }
    };
    let unknown = [
        ("options.route", options.route, Route::try_from(options.route).is_err()),
        ("options.cachePolicy", options.cache_policy, CachePolicy::try_from(options.cache_policy).is_err()),
        (
            "options.onDisconnect",
            options.on_disconnect,
            OnDisconnect::try_from(options.on_disconnect).is_err(),
        ),
        ("options.priority", options.priority, Priority::try_from(options.priority).is_err()),
    ];
    for (path, value, unknown) in unknown {
        refuse(unknown, path, format!("is {value}, which this version does not know"));
    }
    let description = "is negative; 0 and more are accepted".to_owned();
    refuse(options.cost_cap_pico_usd.is_some_and(|cap| cap < 0), "options.costCapPicoUsd", description);
    let count = options.labels.len();
    let description = format!("has {count} entries; at most {MOST_LABELS} are accepted");
    refuse(count > MOST_LABELS, "options.labels", description);
    let wrong = options.labels.iter().any(|(name, value)| !is_label(name, value));
    refuse(wrong, "options.labels", format!("holds something else: {LABEL}"));
    let description = "is CACHE_POLICY_ONLY; this version has no cache yet".to_owned();
    refuse(options.cache_policy() == CachePolicy::Only, "options.cachePolicy", description);
    let ignored = [
        ("options.cachePolicy", matches!(options.cache_policy(), CachePolicy::Use | CachePolicy::Refresh)),
        ("options.cacheTtl", options.cache_ttl.is_some()),
    ];
    for (path, _) in ignored.iter().filter(|(_, set)| *set) {
        report.unsupported_option(path, "this version does not act on it yet");
    }
    mistakes
}

/// What becomes of paid work, and who goes first, where the caller says nothing of it.
pub(super) fn usual(options: &CallOptions) -> (OnDisconnect, Priority) {
    let on_disconnect = match options.on_disconnect() {
        OnDisconnect::Cancel => OnDisconnect::Cancel,
        OnDisconnect::Unspecified | OnDisconnect::Drain => OnDisconnect::Drain,
    };
    let priority = match options.priority() {
        Priority::Batch => Priority::Batch,
        Priority::Unspecified | Priority::Interactive => Priority::Interactive,
    };
    (on_disconnect, priority)
}

/// The labels of a call: the tenant's, which the operator has given it, go before the caller's own.
pub(super) fn labels(options: &CallOptions, policy: &Policy) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> = options.labels.clone().into_iter().collect();
    labels.extend(policy.labels().clone());
    labels
}

/// The fallback models that there may be, with their places; the others are mistakes, and nobody looks for them.
pub(super) fn fallbacks(asked: &[String], mistakes: &mut Vec<Violation>) -> Vec<(usize, String)> {
    let count = asked.len();
    if count > MOST_FALLBACKS {
        let description = format!("has {count} entries; at most {MOST_FALLBACKS} are accepted");
        mistakes.push(Violation { path: "options.fallbackModels".to_owned(), description });
        return Vec::new();
    }
    let mut fallbacks = Vec::with_capacity(count);
    for (at, id) in asked.iter().enumerate() {
        let mistake = if id.is_empty() { Some("is empty".to_owned()) } else { super::too_long(id) };
        match mistake {
            Some(description) => mistakes.push(Violation { path: fallback_path(at), description }),
            None => fallbacks.push((at, id.clone())),
        }
    }
    fallbacks
}

/// The path of a fallback model.
#[must_use]
pub fn fallback_path(at: usize) -> String {
    format!("options.fallbackModels[{at}]")
}
