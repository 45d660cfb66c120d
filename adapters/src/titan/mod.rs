//! The Titan Text family of Amazon: one text in, one text out.

mod decode;
mod encode;
mod meter;
mod stream;

use serde::Deserialize;

use crate::contract::{AdapterError, ConverseCall, Encoded, Family, Model, ModelAdapter, UsageMeter};
use decode::TitanDecoder;
use meter::TitanMeter;

/// The family and its models.
pub const FAMILY: Family = Family { adapter: &TitanAdapter, models: include_str!("models.toml") };

/// Speaks for the family.
#[derive(Debug, Clone, Copy)]
pub struct TitanAdapter;

impl ModelAdapter for TitanAdapter {
    fn family(&self) -> &'static str {
        "titan"
    }

    fn encode(&self, model: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError> {
        let wire = encode::wire(model, &call.request)?;
        Ok(Encoded { wire, decoder: Box::new(TitanDecoder::default()) })
    }

    fn asked_output(&self, _: &Model, body: &[u8]) -> Option<i64> {
        serde_json::from_slice::<Asked>(body).ok()?.config?.max_token_count
    }

    fn meter(&self, _: &Model) -> Box<dyn UsageMeter> {
        Box::new(TitanMeter::default())
    }
}

/// The limit of a native body.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "textGenerationConfig")]
    config: Option<AskedConfig>,
}

#[derive(Deserialize)]
struct AskedConfig {
    #[serde(rename = "maxTokenCount")]
    max_token_count: Option<i64>,
}
