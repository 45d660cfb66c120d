//! Token counts, as Anthropic writes them and as Converse does.

use bedrock_inference_proto::v1::{CacheDetail, TokenUsage};

use crate::contract::{AdapterError, Event, InvocationMetrics, Members};

/// Members of `usage` that are known and have no place in Converse's.
const IGNORED: [&str; 5] =
    ["service_tier", "server_tool_use", "inference_geo", "output_tokens_details", "iterations"];

/// What a reply has counted so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    input: Option<u32>,
    output: Option<u32>,
    cache_read: Option<u32>,
    cache_write: Option<u32>,
    cache_write_5m: Option<u32>,
    cache_write_1h: Option<u32>,
}

impl Counts {
    /// Takes what a `usage` says, which counts from the reply's beginning: the latest word holds.
    ///
    /// # Errors
    /// `Protocol` where a count is no count.
    pub(super) fn update(
        &mut self,
        mut usage: Members<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), AdapterError> {
        self.input = usage.take("input_tokens")?.or(self.input);
        self.output = usage.take("output_tokens")?.or(self.output);
        self.cache_read = usage.take("cache_read_input_tokens")?.or(self.cache_read);
        self.cache_write = usage.take("cache_creation_input_tokens")?.or(self.cache_write);
        if let Some(mut writes) = usage.object("cache_creation")? {
            self.cache_write_5m = writes.take("ephemeral_5m_input_tokens")?.or(self.cache_write_5m);
            self.cache_write_1h = writes.take("ephemeral_1h_input_tokens")?.or(self.cache_write_1h);
            writes.warn(&[], events);
        }
        usage.warn(&IGNORED, events);
        Ok(())
    }

    /// The same in Converse's terms, with what Bedrock itself measured where the body is silent; `None`
    /// without both counts.
    ///
    /// Converse reports the prompt cache for every model that has one, used or not, and for no other.
    pub(super) fn usage(&self, measured: &InvocationMetrics, caching: bool) -> Option<TokenUsage> {
        let input = self.input.map(tokens).or(measured.input_token_count)?;
        let output = self.output.map(tokens).or(measured.output_token_count)?;
        let read = self.cache_read.map(tokens).or(measured.cache_read_input_token_count);
        let write = self.cache_write.map(tokens).or(measured.cache_write_input_token_count);
        let reported = |count: Option<i32>| match count {
            None | Some(0) => caching.then_some(0),
            count => count,
        };
        let parts = [Some(input), Some(output), read, write];
        let details = [("1h", self.cache_write_1h), ("5m", self.cache_write_5m)];
        let details = details.into_iter().filter_map(|(ttl, count)| {
            let count = count.filter(|count| *count > 0)?;
            Some(CacheDetail { ttl: Some(ttl.to_owned()), input_tokens: Some(tokens(count)) })
        });
        Some(TokenUsage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            total_tokens: Some(parts.into_iter().flatten().fold(0, i32::saturating_add)),
            cache_read_input_tokens: reported(read),
            cache_write_input_tokens: reported(write),
            cache_details: details.collect(),
        })
    }
}

impl Counts {
    /// The usage of a call that did not reach the model.
    pub(super) fn none(caching: bool) -> TokenUsage {
        TokenUsage {
            input_tokens: Some(0),
            output_tokens: Some(0),
            total_tokens: Some(0),
            cache_read_input_tokens: caching.then_some(0),
            cache_write_input_tokens: caching.then_some(0),
            cache_details: Vec::new(),
        }
    }
}

fn tokens(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
