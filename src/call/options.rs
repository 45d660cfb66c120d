//! Options that this version cannot honour: refused where ignoring them would cost money or break a promise,
//! else named in the report.

use bedrock_inference_proto::v1::{CachePolicy, CallOptions, OnDisconnect, Route};

use super::Report;
use crate::error::Error;

/// Checks the options of one call.
///
/// # Errors
/// `INVALID_REQUEST` with the option that cannot be honoured.
pub(super) fn check(options: &CallOptions, report: &Report) -> Result<(), Error> {
    let unknown = [
        ("options.route", options.route, Route::try_from(options.route).is_err()),
        ("options.cachePolicy", options.cache_policy, CachePolicy::try_from(options.cache_policy).is_err()),
        (
            "options.onDisconnect",
            options.on_disconnect,
            OnDisconnect::try_from(options.on_disconnect).is_err(),
        ),
    ];
    if let Some((path, value, _)) = unknown.iter().find(|(.., unknown)| *unknown) {
        return Err(Error::invalid(*path, format!("is {value}, which this version does not know")));
    }
    if options.cost_cap_pico_usd.is_some() {
        return Err(Error::invalid("options.costCapPicoUsd", "is set; this version keeps no accounts yet"));
    }
    if options.cache_policy() == CachePolicy::Only {
        return Err(Error::invalid(
            "options.cachePolicy",
            "is CACHE_POLICY_ONLY; this version has no cache yet",
        ));
    }
    let ignored = [
        ("options.cachePolicy", matches!(options.cache_policy(), CachePolicy::Use | CachePolicy::Refresh)),
        ("options.cacheTtl", options.cache_ttl.is_some()),
        ("options.fallbackModels", !options.fallback_models.is_empty()),
        ("options.priority", options.priority != 0),
        ("options.labels", !options.labels.is_empty()),
    ];
    for (path, _) in ignored.iter().filter(|(_, set)| *set) {
        report.unsupported_option(path, "this version does not act on it yet");
    }
    Ok(())
}
