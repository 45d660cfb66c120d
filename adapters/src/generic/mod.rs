//! Models that only InvokeModel can call; their bodies pass as they are.

use crate::contract::{
    AdapterError, BedrockMeter, ConverseCall, Encoded, Family, Model, ModelAdapter, Refusals, UsageMeter,
};

/// The family and its models.
pub const FAMILY: Family = Family { adapter: &GenericAdapter, models: include_str!("models.toml") };

/// Speaks for the family.
#[derive(Debug, Clone, Copy)]
pub struct GenericAdapter;

impl ModelAdapter for GenericAdapter {
    fn family(&self) -> &'static str {
        "generic"
    }

    fn encode(&self, _: &Model, _: &ConverseCall) -> Result<Encoded, AdapterError> {
        let description =
            "names a model without a native form of conversations; call it by Converse or with InvokeModel";
        Err(Refusals::only("modelId", description))
    }

    fn meter(&self, _: &Model) -> Box<dyn UsageMeter> {
        Box::new(BedrockMeter::default())
    }
}
