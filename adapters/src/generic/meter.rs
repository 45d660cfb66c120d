//! Reads the usage of any family's replies: Bedrock's metrics, else the headers, else the counts that OpenAI's chat
//! form and Llama have in their bodies.

use bedrock_inference_proto::v1::TokenUsage;
use serde::Deserialize;

use crate::contract::{BedrockMeter, InvocationMetrics, Piece, UsageMeter};

/// The counts in a body, whichever of the two forms it has. A chunk may have one of Llama's alone.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    usage: Option<ChatUsage>,
    prompt_token_count: Option<i32>,
    generation_token_count: Option<i32>,
}

/// `usage` of OpenAI's chat form. Its prompt tokens hold those that were read from the cache.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChatUsage {
    prompt_tokens: Option<i32>,
    completion_tokens: Option<i32>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<i32>,
}

impl Body {
    fn counts(self) -> InvocationMetrics {
        let chat = self.usage.unwrap_or_default();
        let cached = chat.prompt_tokens_details.and_then(|details| details.cached_tokens);
        let fresh = chat.prompt_tokens.map(|prompt| prompt.saturating_sub(cached.unwrap_or(0)));
        InvocationMetrics {
            input_token_count: fresh.or(self.prompt_token_count),
            output_token_count: chat.completion_tokens.or(self.generation_token_count),
            cache_read_input_token_count: cached,
            ..InvocationMetrics::default()
        }
    }
}

/// Meters raw replies. A stream is complete with Bedrock's metrics, which end every family's.
#[derive(Debug, Default)]
pub(super) struct GenericMeter {
    bedrock: BedrockMeter,
    own: InvocationMetrics,
}

impl UsageMeter for GenericMeter {
    fn feed(&mut self, piece: &Piece<'_>) {
        self.bedrock.feed(piece);
        let (Piece::Whole(body) | Piece::Frame { payload: body, .. }) = piece else { return };
        // An embedding is long, and Bedrock has counted it.
        if self.bedrock.usage().is_none()
            && let Ok(body) = serde_json::from_slice::<Body>(body)
        {
            self.own = body.counts().or(std::mem::take(&mut self.own));
        }
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.bedrock.usage().or_else(|| self.own.usage())
    }

    fn is_complete(&self) -> bool {
        self.bedrock.is_complete()
    }
}
