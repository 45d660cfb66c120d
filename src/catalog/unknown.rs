//! Models that the catalogue does not know, where the configuration lets them pass.

use bedrock_inference_adapters::contract::{Capability, Lifecycle, Limits, Model, RouteRule};
use bedrock_inference_adapters::generic;
use bedrock_inference_proto::codec::beside;

use super::Entry;
use super::id::ModelId;

/// Whether Bedrock could have a model by this id: it is of AWS's form.
pub(super) fn may_be_one(id: &str) -> bool {
    beside::CONVERSATIONAL_MODEL_ID.check_text("modelId", id).is_none()
}

/// An entry for it: called by the ways that every model may have, its conversations by Converse.
pub(super) fn entry(id: &ModelId<'_>) -> Entry {
    let model = Model {
        id: id.base.to_owned(),
        provider: id.base.split_once('.').map(|(provider, _)| provider).unwrap_or_default().to_owned(),
        profiles: Vec::new(),
        on_demand: true,
        limits: Limits::default(),
        capabilities: vec![Capability::Converse, Capability::Invoke, Capability::Streaming],
        unconfirmed: Vec::new(),
        refuses: Vec::new(),
        lifecycle: Lifecycle { status: "unknown".to_owned(), eol_date: None },
        route: Some(RouteRule::Converse),
        prices: Vec::new(),
    };
    Entry { model, adapter: generic::FAMILY.adapter, known: false }
}
