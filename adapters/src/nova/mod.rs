//! The Nova family of Amazon: bodies of the schema messages-v1, nearly Converse's own.

mod decode;
mod encode;
mod meter;
mod stream;

use serde::Deserialize;

use crate::contract::{
    AdapterError, Capability, ConverseCall, Encoded, Family, Model, ModelAdapter, UsageMeter,
};
use decode::NovaDecoder;
use meter::NovaMeter;

/// The family and its models.
pub const FAMILY: Family = Family { adapter: &NovaAdapter, models: include_str!("models.toml") };

/// Speaks for the family.
#[derive(Debug, Clone, Copy)]
pub struct NovaAdapter;

impl ModelAdapter for NovaAdapter {
    fn family(&self) -> &'static str {
        "nova"
    }

    fn encode(&self, model: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError> {
        let wire = encode::wire(model, &call.request)?;
        Ok(Encoded { wire, decoder: Box::new(NovaDecoder::new(caches(model))) })
    }

    fn asked_output(&self, _: &Model, body: &[u8]) -> Option<i64> {
        serde_json::from_slice::<Asked>(body).ok()?.config?.max_tokens
    }

    fn meter(&self, model: &Model) -> Box<dyn UsageMeter> {
        Box::new(NovaMeter::new(caches(model)))
    }
}

/// The limit of a native body.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "inferenceConfig")]
    config: Option<AskedConfig>,
}

#[derive(Deserialize)]
struct AskedConfig {
    #[serde(rename = "maxTokens")]
    max_tokens: Option<i64>,
}

/// Whether Converse would report cache counts for the model.
fn caches(model: &Model) -> bool {
    model.can(Capability::PromptCaching)
}
