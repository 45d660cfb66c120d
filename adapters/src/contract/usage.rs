//! Token counts by disjoint class, whatever AWS's usage counts where.

use bedrock_inference_proto::v1::{CacheDetail, TokenCounts, TokenUsage};

/// The disjoint classes of a Converse usage.
///
/// Converse keeps cache reads and writes out of `inputTokens`. Writes without `cacheDetails` are five-minute
/// writes, Bedrock's default; `cacheDetails` without their sum are counted as they stand.
#[must_use]
pub fn token_counts(usage: &TokenUsage) -> TokenCounts {
    let tokens = |detail: &CacheDetail| i64::from(detail.input_tokens.unwrap_or(0));
    let details: i64 = usage.cache_details.iter().map(tokens).sum();
    let is_hour = |detail: &&CacheDetail| detail.ttl.as_deref() == Some("1h");
    let hour: i64 = usage.cache_details.iter().filter(is_hour).map(tokens).sum();
    let write = usage.cache_write_input_tokens.map_or(details, i64::from);
    TokenCounts {
        input: i64::from(usage.input_tokens.unwrap_or(0)),
        cache_read: i64::from(usage.cache_read_input_tokens.unwrap_or(0)),
        cache_write_5m: (write - hour).max(0),
        cache_write_1h: hour,
        output: i64::from(usage.output_tokens.unwrap_or(0)),
    }
}
