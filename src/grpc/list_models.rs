//! ListModels: the catalogue, a page at a time.

use std::sync::Arc;

use bedrock_inference_adapters::contract::{Capability, PlacePrices, TokenPrice};
use bedrock_inference_proto::v1::{
    ListModelsRequest, ListModelsResponse, Model, ModelCapabilities, ModelLifecycle, ModelLimits, ModelPrice,
};
use tonic::{Request, Response, Status};

use super::Live;
use crate::catalog::Entry;
use crate::edge::Arrival;
use crate::error::Error;
use crate::principal;

/// Models on a page where the request does not say.
const DEFAULT_PAGE: usize = 100;

/// Models on a page at most.
const LARGEST_PAGE: usize = 1000;

pub(super) fn answer(
    live: &Live,
    request: &Request<ListModelsRequest>,
) -> Result<Response<ListModelsResponse>, Status> {
    let (report, extensions, request) =
        (Arrival::report(request.extensions()), request.extensions(), request.get_ref());
    let size = match usize::try_from(request.page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) => size.min(LARGEST_PAGE),
        Err(_) => {
            let error = Error::invalid("pageSize", "is negative; 0 to 1000 are accepted");
            return Err(report.status(&error));
        }
    };
    let principal = principal::of(extensions).map_err(|error| report.status(&error))?;
    let policy = principal.policy();
    // The token is the last id of the page before, so a page stays right when models are added.
    let mut rest = live
        .catalog
        .models()
        .filter(|entry| request.family.is_empty() || entry.adapter.family() == request.family)
        .filter(|entry| entry.model.id.as_str() > request.page_token.as_str())
        .filter_map(|entry| Some((entry, entry.allowed(policy)?)))
        .peekable();
    let models: Vec<_> = rest.by_ref().take(size).map(|(entry, profiles)| message(entry, profiles)).collect();
    let more = rest.peek().is_some();
    let next_page_token =
        models.last().filter(|_| more).map(|last| last.model_id.clone()).unwrap_or_default();
    Ok(Response::new(ListModelsResponse { models, next_page_token }))
}

/// A row of the catalogue as a message, with those inference profiles that are shown.
pub(super) fn message(entry: &Arc<Entry>, inference_profiles: Vec<String>) -> Model {
    let model = &entry.model;
    let can = |capability| model.can(capability);
    Model {
        model_id: model.id.clone(),
        family: entry.adapter.family().to_owned(),
        provider: model.provider.clone(),
        inference_profiles,
        on_demand: model.on_demand,
        limits: Some(ModelLimits {
            max_input_tokens: model.limits.max_input_tokens.unwrap_or_default(),
            max_output_tokens: model.limits.max_output_tokens.unwrap_or_default(),
            prompt_cache_min_tokens: model.limits.prompt_cache_min_tokens.unwrap_or_default(),
        }),
        capabilities: Some(ModelCapabilities {
            streaming: can(Capability::Streaming),
            system: can(Capability::System),
            tools: can(Capability::Tools),
            images: can(Capability::Images),
            documents: can(Capability::Documents),
            video: can(Capability::Video),
            reasoning: can(Capability::Reasoning),
            prompt_caching: can(Capability::PromptCaching),
            structured_output: can(Capability::StructuredOutput),
            count_tokens: can(Capability::CountTokens),
            sampling_params: can(Capability::SamplingParams),
            temperature_with_top_p: can(Capability::TemperatureWithTopP),
            converse: can(Capability::Converse),
            invoke: can(Capability::Invoke),
        }),
        lifecycle: Some(ModelLifecycle {
            status: model.lifecycle.status.clone(),
            eol_date: model.lifecycle.eol_date.clone().unwrap_or_default(),
        }),
        prices: model.prices.iter().map(price).collect(),
    }
}

fn price(prices: &PlacePrices) -> ModelPrice {
    let usd = |price: Option<TokenPrice>| price.map(|price| price.to_string()).unwrap_or_default();
    ModelPrice {
        places: prices.at.clone(),
        input: usd(prices.default.input),
        output: usd(prices.default.output),
        cache_read: usd(prices.default.cache_read),
        cache_write_5m: usd(prices.default.cache_write_5m),
        cache_write_1h: usd(prices.default.cache_write_1h),
    }
}
