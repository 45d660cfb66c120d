//! Reads the usage of Nova's replies: its own, else Bedrock's metrics, else the headers.

use bedrock_inference_proto::v1::TokenUsage;

use crate::contract::{AdapterError, Event, InvocationMetrics, Members, Piece, UsageMeter};

/// Takes `usage` out of a whole reply or a stream's metadata.
///
/// Nova's native names for the cache counts are not Converse's; either is read.
///
/// # Errors
/// `Protocol` where a count is no count.
pub(super) fn counts(
    members: &mut Members<'_>,
    events: &mut Vec<Event>,
) -> Result<InvocationMetrics, AdapterError> {
    let Some(mut usage) = members.object("usage")? else { return Ok(InvocationMetrics::default()) };
    let (read, write) = (usage.take("cacheReadInputTokenCount")?, usage.take("cacheWriteInputTokenCount")?);
    let counts = InvocationMetrics {
        input_token_count: usage.take("inputTokens")?,
        output_token_count: usage.take("outputTokens")?,
        cache_read_input_token_count: read.or(usage.take("cacheReadInputTokens")?),
        cache_write_input_token_count: write.or(usage.take("cacheWriteInputTokens")?),
        invocation_latency: None,
    };
    // The total is made of the counts, as Converse makes it.
    usage.warn(&["totalTokens"], events);
    Ok(counts)
}

/// The same as Converse reports it: cache counts where Bedrock sent them, else 0 where the model has a cache.
pub(super) fn usage(counts: &InvocationMetrics, caches: bool) -> Option<TokenUsage> {
    let cached = |count: Option<i32>| count.or(caches.then_some(0));
    let counts = InvocationMetrics {
        cache_read_input_token_count: cached(counts.cache_read_input_token_count),
        cache_write_input_token_count: cached(counts.cache_write_input_token_count),
        ..counts.clone()
    };
    counts.usage()
}

/// Meters raw replies; a stream is complete with its metadata, or with Bedrock's metrics.
#[derive(Debug)]
pub(super) struct NovaMeter {
    counts: InvocationMetrics,
    /// Whether the model has a prompt cache.
    caches: bool,
    complete: bool,
}

impl NovaMeter {
    pub(super) fn new(caches: bool) -> Self {
        Self { counts: InvocationMetrics::default(), caches, complete: false }
    }

    fn read(&mut self, mut members: Members<'_>) {
        let bedrock = members.invocation_metrics().unwrap_or_default();
        let own = counts(&mut members, &mut Vec::new()).unwrap_or_default();
        self.counts = own.or(bedrock).or(std::mem::take(&mut self.counts));
    }

    fn read_chunk(&mut self, mut members: Members<'_>) {
        let bedrock = members.invocation_metrics();
        let metadata = members.object("metadata").ok().flatten();
        self.complete |= bedrock.is_some() || metadata.is_some();
        let bedrock = bedrock.unwrap_or_default();
        self.counts = bedrock.or(std::mem::take(&mut self.counts));
        if let Some(metadata) = metadata {
            self.read(metadata);
        }
    }
}

impl UsageMeter for NovaMeter {
    fn feed(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Head(head) => self.counts = head.metrics(),
            Piece::Whole(body) => {
                self.complete = true;
                Members::read(body).into_iter().for_each(|members| self.read(members));
            }
            Piece::Frame { payload, .. } => {
                Members::read(payload).into_iter().for_each(|members| self.read_chunk(members));
            }
        }
    }

    fn usage(&self) -> Option<TokenUsage> {
        usage(&self.counts, self.caches)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
