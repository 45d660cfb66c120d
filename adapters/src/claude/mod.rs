//! The Claude family of Anthropic: the messages format inside InvokeModel.
//!
//! - `encode`: calls to native bodies, and what those cannot say.
//! - `decode`, `stream`, `reply`, `piece`, `citation`: native replies to events, whole or chunk by chunk.
//! - `usage`, `meter`: token counts, for decoded and for raw replies alike.

mod citation;
mod decode;
mod encode;
mod meter;
mod piece;
mod reply;
mod stream;
mod usage;

use serde::Deserialize;

use crate::contract::{
    AdapterError, Capability, ConverseCall, Encoded, Family, Model, ModelAdapter, Refusals, UsageMeter,
};
use decode::ClaudeDecoder;
use meter::ClaudeMeter;

/// The family and its models.
pub const FAMILY: Family = Family { adapter: &ClaudeAdapter, models: include_str!("models.toml") };

/// Speaks for the family.
#[derive(Debug, Clone, Copy)]
pub struct ClaudeAdapter;

impl ModelAdapter for ClaudeAdapter {
    fn family(&self) -> &'static str {
        "claude"
    }

    fn encode(&self, model: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError> {
        if !speaks_messages(model) {
            return Err(Refusals::only("modelId", "names a model without the native messages format"));
        }
        let wire = encode::encode(model, call)?;
        let decoder = Box::new(ClaudeDecoder::new(model.can(Capability::PromptCaching)));
        Ok(Encoded { wire, decoder })
    }

    fn asked_output(&self, model: &Model, body: &[u8]) -> Option<i64> {
        let asked: Asked = serde_json::from_slice(body).ok()?;
        if speaks_messages(model) { asked.max_tokens } else { asked.max_tokens_to_sample }
    }

    fn meter(&self, model: &Model) -> Box<dyn UsageMeter> {
        Box::new(ClaudeMeter::new(model.can(Capability::PromptCaching)))
    }
}

/// The limits of a native body: of the messages format, and of completions.
#[derive(Deserialize)]
struct Asked {
    max_tokens: Option<i64>,
    max_tokens_to_sample: Option<i64>,
}

/// Claude 1, 2 and Instant know only text completions, and some models are not to be had with InvokeModel.
fn speaks_messages(model: &Model) -> bool {
    let completions = ["anthropic.claude-v", "anthropic.claude-instant"];
    model.can(Capability::Invoke) && !completions.iter().any(|prefix| model.id.starts_with(prefix))
}
