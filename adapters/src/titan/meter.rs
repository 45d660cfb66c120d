//! Reads the usage of Titan's replies: its own, else Bedrock's metrics, else the headers.

use bedrock_inference_proto::v1::TokenUsage;

use crate::contract::{AdapterError, InvocationMetrics, Members, Piece, UsageMeter};

/// Takes the counts out of a whole reply. The answer's count is the sum over its results.
///
/// # Errors
/// `Protocol` where a count is no count.
pub(super) fn whole_counts(
    members: &mut Members<'_>,
    results: &mut [Members<'_>],
) -> Result<InvocationMetrics, AdapterError> {
    let input_token_count = members.take("inputTextTokenCount")?;
    let counts = results.iter_mut().map(|result| result.take("tokenCount"));
    let counts: Vec<Option<i32>> = counts.collect::<Result<_, _>>()?;
    // A sum that lacks a part would be too low; no results have no sum.
    let sum = counts.into_iter().reduce(|sum, count| Some(sum?.saturating_add(count?)));
    Ok(InvocationMetrics {
        input_token_count,
        output_token_count: sum.flatten(),
        ..InvocationMetrics::default()
    })
}

/// Takes the counts out of a chunk; the answer's is a running total.
///
/// # Errors
/// `Protocol` where a count is no count.
pub(super) fn chunk_counts(members: &mut Members<'_>) -> Result<InvocationMetrics, AdapterError> {
    Ok(InvocationMetrics {
        input_token_count: members.take("inputTextTokenCount")?,
        output_token_count: members.take("totalOutputTextTokenCount")?,
        ..InvocationMetrics::default()
    })
}

/// Meters raw replies; a stream is complete with its completion reason and counts, or with Bedrock's metrics.
#[derive(Debug, Default)]
pub(super) struct TitanMeter {
    counts: InvocationMetrics,
    /// Whether the completion reason came; the counts may follow it.
    stopped: bool,
    complete: bool,
}

impl TitanMeter {
    fn whole(&mut self, mut members: Members<'_>) {
        let bedrock = members.invocation_metrics().unwrap_or_default();
        let mut results = members.objects("results").unwrap_or_default();
        let own = whole_counts(&mut members, &mut results).unwrap_or_default();
        self.counts = own.or(bedrock).or(std::mem::take(&mut self.counts));
    }

    fn chunk(&mut self, mut members: Members<'_>) {
        let bedrock = members.invocation_metrics();
        self.complete |= bedrock.is_some();
        self.stopped |= members.has("completionReason");
        let own = chunk_counts(&mut members).unwrap_or_default();
        self.counts = own.or(bedrock.unwrap_or_default()).or(std::mem::take(&mut self.counts));
    }
}

impl UsageMeter for TitanMeter {
    fn feed(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Head(head) => self.counts = head.metrics(),
            Piece::Whole(body) => {
                self.complete = true;
                Members::read(body).into_iter().for_each(|members| self.whole(members));
            }
            Piece::Frame { payload, .. } => {
                Members::read(payload).into_iter().for_each(|members| self.chunk(members));
            }
        }
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.counts.usage()
    }

    fn is_complete(&self) -> bool {
        self.complete || self.stopped && self.counts.usage().is_some()
    }
}
