//! Models without an adapter of their own: conversations go by Converse, native bodies pass as they are.

mod meter;

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

    fn meter(&self, _: &Model) -> Box<dyn UsageMeter> {
        Box::new(GenericMeter::default())
    }
}
