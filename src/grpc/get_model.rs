//! GetModel: what a call by some id would reach.

use bedrock_inference_proto::v1::{GetModelRequest, GetModelResponse, ModelTarget};
use tonic::{Request, Response, Status};

use super::{Live, list_models};
use crate::catalog::Target;
use crate::edge::Arrival;
use crate::principal;

pub(super) fn answer(
    live: &Live,
    request: &Request<GetModelRequest>,
) -> Result<Response<GetModelResponse>, Status> {
    let refused = |error| Arrival::report(request.extensions()).status(&error);
    let principal = principal::of(request.extensions()).map_err(refused)?;
    let asked = &request.get_ref().model_id;
    let choice = live.catalog.choose_for(principal.policy(), asked, &live.home).map_err(refused)?;
    let first = choice.first().map_err(refused)?;
    let entry = first.entry().map_err(refused)?;
    // An alias of which the tenant knows the name alone shows the model as a whole.
    let profiles = entry.allowed(principal.policy()).unwrap_or_else(|| entry.model.profile_ids().collect());
    Ok(Response::new(GetModelResponse {
        model: Some(list_models::message(entry, profiles)),
        resolved_model_id: first.model_id.clone(),
        region: first.region.clone(),
        targets: choice.targets.iter().map(message).collect(),
    }))
}

fn message(target: &Target) -> ModelTarget {
    ModelTarget {
        resolved_model_id: target.model_id.clone(),
        region: target.region.clone(),
        weight: target.weight,
        role: target.role.clone().unwrap_or_default(),
    }
}
