//! What the headers of InvokeModel say beside the native body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::errors::{Failure, Outcome};
use crate::prompt::{GuardrailRequest, TraceLevel, parameters};

/// The header with the metadata for invocation logs, a JSON object.
pub(crate) const REQUEST_METADATA: &str = "x-amzn-bedrock-request-metadata";
/// The header with the latency mode, in requests and in responses.
pub(crate) const PERFORMANCE_LATENCY: &str = "x-amzn-bedrock-performanceconfig-latency";
/// The header with the service tier, in requests and in responses.
pub(crate) const SERVICE_TIER: &str = "x-amzn-bedrock-service-tier";

const GUARDRAIL_IDENTIFIER: &str = "x-amzn-bedrock-guardrailidentifier";
const GUARDRAIL_VERSION: &str = "x-amzn-bedrock-guardrailversion";
const TRACE: &str = "x-amzn-bedrock-trace";

/// The most characters of the metadata.
const MAX_METADATA_CHARACTERS: usize = 8_500;

/// The settings of one invocation.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    pub(crate) guardrail: Option<GuardrailRequest>,
    pub(crate) latency: Option<String>,
    pub(crate) service_tier: Option<String>,
}

impl Invocation {
    /// Reads and checks the headers.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Outcome<Self> {
        if let Some(metadata) = text(headers, REQUEST_METADATA)? {
            check_metadata(metadata)?;
        }
        Ok(Self {
            guardrail: guardrail(headers)?,
            latency: word(headers, PERFORMANCE_LATENCY, &["standard", "optimized"])?.map(str::to_owned),
            service_tier: word(headers, SERVICE_TIER, &["priority", "default", "flex", "reserved"])?
                .map(str::to_owned),
        })
    }
}

fn guardrail(headers: &HeaderMap) -> Outcome<Option<GuardrailRequest>> {
    let trace = match word(headers, TRACE, &["ENABLED", "DISABLED", "ENABLED_FULL"])? {
        Some("ENABLED") => TraceLevel::Enabled,
        Some("ENABLED_FULL") => TraceLevel::Full,
        _ => TraceLevel::Disabled,
    };
    let (identifier, version) = (text(headers, GUARDRAIL_IDENTIFIER)?, text(headers, GUARDRAIL_VERSION)?);
    let (identifier, version) = match (identifier, version) {
        (None, None) => return Ok(None),
        (Some(identifier), Some(version)) => (identifier.to_owned(), version.to_owned()),
        _ => {
            return Err(Failure::validation(
                "Both guardrailIdentifier and guardrailVersion are required when a guardrail is applied.",
            ));
        }
    };
    // The guardrail has to find the text in the body, so the body must be known to be JSON.
    let json = text(headers, CONTENT_TYPE.as_str())?.is_some_and(|kind| kind.starts_with("application/json"));
    if !json {
        return Err(Failure::validation(
            "The content type must be application/json when a guardrail is applied.",
        ));
    }
    Ok(Some(GuardrailRequest { identifier, version, trace, asynchronous: false }))
}

fn check_metadata(text: &str) -> Outcome<()> {
    if text.len() > MAX_METADATA_CHARACTERS {
        return Err(Failure::validation(format!(
            "1 validation error detected: Value at 'requestMetadata' failed to satisfy constraint: Member must \
             have length less than or equal to {MAX_METADATA_CHARACTERS}"
        )));
    }
    let metadata: Value = serde_json::from_str(text)
        .map_err(|_| Failure::validation("The value at requestMetadata must be a JSON object."))?;
    parameters::check_metadata(&metadata)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Outcome<Option<&'h str>> {
    let unreadable = |_| Failure::validation(format!("The header {name} must be ASCII text."));
    headers.get(name).map(|value| value.to_str().map_err(unreadable)).transpose()
}

fn word<'h>(headers: &'h HeaderMap, name: &str, words: &[&str]) -> Outcome<Option<&'h str>> {
    match text(headers, name)? {
        Some(found) if !words.contains(&found) => Err(Failure::validation(format!(
            "1 validation error detected: Value '{found}' at '{name}' failed to satisfy constraint: Member must \
             satisfy enum value set: [{}]",
            words.join(", ")
        ))),
        found => Ok(found),
    }
}
