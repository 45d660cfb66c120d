//! Token counts by disjoint class, whatever AWS's usage counts where.

use bedrock_inference_proto::v1::{TokenCounts, TokenUsage};

/// The disjoint classes of a Converse usage.
///
/// Converse keeps cache reads and writes out of `inputTokens`. Writes without `cacheDetails` are five-minute
/// writes, Bedrock's default.
#[must_use]
pub fn token_counts(usage: &TokenUsage) -> TokenCounts {
    let write = i64::from(usage.cache_write_input_tokens.unwrap_or(0));
    let hour: i64 = usage
        .cache_details
        .iter()
        .filter(|detail| detail.ttl.as_deref() == Some("1h"))
        .map(|detail| i64::from(detail.input_tokens.unwrap_or(0)))
        .sum();
    TokenCounts {
        input: i64::from(usage.input_tokens.unwrap_or(0)),
        cache_read: i64::from(usage.cache_read_input_tokens.unwrap_or(0)),
        cache_write_5m: (write - hour).max(0),
        cache_write_1h: hour,
        output: i64::from(usage.output_tokens.unwrap_or(0)),
    }
}
