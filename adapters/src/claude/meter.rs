//! Reads the usage of a raw native reply as it passes.

use bedrock_inference_proto::v1::TokenUsage;

use super::usage::Counts;
use crate::contract::{AdapterError, InvocationMetrics, Members, Piece, ReplyHead, UsageMeter};

/// Watches for `usage` in the body, and for what Bedrock adds to it and to its headers.
#[derive(Debug)]
pub(super) struct ClaudeMeter {
    caching: bool,
    counts: Counts,
    measured: InvocationMetrics,
    /// A guardrail stepped in.
    intervened: bool,
    complete: bool,
}

impl ClaudeMeter {
    /// `caching`: whether the model has a prompt cache.
    pub(super) fn new(caching: bool) -> Self {
        Self {
            caching,
            counts: Counts::default(),
            measured: InvocationMetrics::default(),
            intervened: false,
            complete: false,
        }
    }

    fn head(&mut self, head: &ReplyHead) {
        self.measured = head.metrics();
    }

    fn body(&mut self, json: &[u8]) -> Result<(), AdapterError> {
        let mut body = Members::read(json)?;
        if let Some(metrics) = body.invocation_metrics() {
            self.measured = metrics.or(std::mem::take(&mut self.measured));
            self.complete = true;
        }
        let action: Option<String> = body.take("amazon-bedrock-guardrailAction")?;
        self.intervened |= action.as_deref() == Some("INTERVENED");
        self.complete |= body.take::<String>("type")?.as_deref() == Some("message_stop");
        let within = body.object("message").ok().flatten();
        for mut counted in [within, Some(body)].into_iter().flatten() {
            if let Ok(Some(usage)) = counted.object("usage") {
                self.counts.update(usage, &mut Vec::new())?;
            }
        }
        Ok(())
    }
}

impl UsageMeter for ClaudeMeter {
    fn feed(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Head(head) => self.head(head),
            Piece::Whole(body) => {
                // What is no message counts nothing; passing it on is not the meter's to judge.
                let _ = self.body(body);
                self.complete = true;
            }
            Piece::Frame { payload, .. } => {
                let _ = self.body(payload);
            }
        }
    }

    fn usage(&self) -> Option<TokenUsage> {
        let counted = self.counts.usage(&self.measured, self.caching);
        // Content that was blocked on its way in never reached the model.
        let blocked = self.intervened && self.complete;
        counted.or_else(|| blocked.then(|| Counts::none(self.caching)))
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
