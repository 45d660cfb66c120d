//! Models without an adapter of their own: conversations go by Converse, native bodies pass as they are.

mod meter;

use serde::Deserialize;

use crate::contract::{
    AdapterError, ConverseCall, Encoded, Family, Model, ModelAdapter, Refusals, UsageMeter,
};
use meter::GenericMeter;

/// The family and its models.
pub const FAMILY: Family = Family { adapter: &GenericAdapter, models: include_str!("models.toml") };

/// Speaks for the family.
#[derive(Debug, Clone, Copy)]
pub struct GenericAdapter;

impl ModelAdapter for GenericAdapter {
    fn family(&self) -> &'static str {
        "generic"
    }

    fn converses(&self) -> bool {
        false
    }

    fn encode(&self, _: &Model, _: &ConverseCall) -> Result<Encoded, AdapterError> {
        let description =
            "names a model without a native form of conversations; call it by Converse or with InvokeModel";
        Err(Refusals::only("modelId", description))
    }

    fn asked_output(&self, model: &Model, body: &[u8]) -> Option<i64> {
        let asked: Asked = serde_json::from_slice(body).ok()?;
        let one = match model.provider.as_str() {
            "meta" => asked.max_gen_len,
            // Of two names, nobody has said which one wins.
            "openai" | "qwen" | "mistral" | "deepseek" => asked.max_tokens.max(asked.max_completion_tokens),
            _ => None,
        };
        Some(one?.saturating_mul(asked.n.unwrap_or(1)))
    }

    fn meter(&self, _: &Model) -> Box<dyn UsageMeter> {
        Box::new(GenericMeter::default())
    }
}

/// The limits of native bodies, Llama's and those of OpenAI's form, and how many answers there shall be.
#[derive(Deserialize)]
struct Asked {
    max_gen_len: Option<i64>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    n: Option<i64>,
}
