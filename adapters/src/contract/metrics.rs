//! What Bedrock itself reports on native replies, whatever the family: headers, and the metrics in a stream's last
//! chunk.

use bedrock_inference_proto::v1::{PerformanceConfiguration, ServiceTier, TokenUsage};
use serde::Deserialize;

use super::{Piece, ReplyHead, UsageMeter};

/// `amazon-bedrock-invocationMetrics` of a stream's last chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InvocationMetrics {
    /// Input tokens beside those of the prompt cache.
    pub input_token_count: Option<i32>,
    /// Output tokens.
    pub output_token_count: Option<i32>,
    /// Tokens read from the prompt cache.
    pub cache_read_input_token_count: Option<i32>,
    /// Tokens written to the prompt cache.
    pub cache_write_input_token_count: Option<i32>,
    /// How long the model took, in milliseconds.
    pub invocation_latency: Option<i64>,
}

#[derive(Deserialize)]
struct LastChunk {
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<InvocationMetrics>,
}

impl InvocationMetrics {
    /// The metrics of this chunk; `None` where it has none, which is every chunk but the last.
    #[must_use]
    pub fn of(chunk: &[u8]) -> Option<Self> {
        serde_json::from_slice::<LastChunk>(chunk).ok()?.metrics
    }

    /// The same in Converse's terms; `None` without both counts.
    #[must_use]
    pub fn usage(&self) -> Option<TokenUsage> {
        usage(
            self.input_token_count,
            self.output_token_count,
            self.cache_read_input_token_count,
            self.cache_write_input_token_count,
        )
    }

    /// These, and where one is unset, that of `fallback`.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            input_token_count: self.input_token_count.or(fallback.input_token_count),
            output_token_count: self.output_token_count.or(fallback.output_token_count),
            cache_read_input_token_count: self
                .cache_read_input_token_count
                .or(fallback.cache_read_input_token_count),
            cache_write_input_token_count: self
                .cache_write_input_token_count
                .or(fallback.cache_write_input_token_count),
            invocation_latency: self.invocation_latency.or(fallback.invocation_latency),
        }
    }
}

impl ReplyHead {
    /// The latency class that served, as Converse says it.
    #[must_use]
    pub fn performance_config(&self) -> Option<PerformanceConfiguration> {
        let latency = self.performance_config_latency.clone()?;
        Some(PerformanceConfiguration { latency: Some(latency) })
    }

    /// The tier that served, as Converse says it.
    #[must_use]
    pub fn tier(&self) -> Option<ServiceTier> {
        Some(ServiceTier { r#type: Some(self.service_tier.clone()?) })
    }

    /// What the headers report, as the last chunk of a stream would.
    #[must_use]
    pub fn metrics(&self) -> InvocationMetrics {
        InvocationMetrics {
            input_token_count: self.input_tokens,
            output_token_count: self.output_tokens,
            cache_read_input_token_count: self.cache_read_input_tokens,
            cache_write_input_token_count: self.cache_write_input_tokens,
            invocation_latency: self.latency_ms,
        }
    }

    /// The usage that the headers report; `None` without an input count. Embeddings have no output count.
    #[must_use]
    pub fn usage(&self) -> Option<TokenUsage> {
        let output = self.output_tokens.or(Some(0));
        usage(self.input_tokens, output, self.cache_read_input_tokens, self.cache_write_input_tokens)
    }
}

/// A Converse usage of these counts.
fn usage(
    input: Option<i32>,
    output: Option<i32>,
    read: Option<i32>,
    write: Option<i32>,
) -> Option<TokenUsage> {
    let (input, output) = (input?, output?);
    let total = [Some(input), Some(output), read, write].into_iter().flatten().fold(0, i32::saturating_add);
    Some(TokenUsage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        total_tokens: Some(total),
        cache_read_input_tokens: read,
        cache_write_input_tokens: write,
        cache_details: Vec::new(),
    })
}

/// Meters by what Bedrock reports alone: enough where a family's bodies carry no usage.
#[derive(Debug, Default)]
pub struct BedrockMeter {
    usage: Option<TokenUsage>,
    complete: bool,
}

impl UsageMeter for BedrockMeter {
    fn feed(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Head(head) => self.usage = head.usage(),
            Piece::Whole(_) => self.complete = true,
            Piece::Frame { payload, .. } => {
                if let Some(metrics) = InvocationMetrics::of(payload) {
                    self.usage = metrics.usage().or(self.usage.take());
                    self.complete = true;
                }
            }
        }
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.usage.clone()
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
