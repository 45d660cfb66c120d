//! GetModel: what a call by some id would reach.

use bedrock_inference_proto::v1::{GetModelRequest, GetModelResponse, ModelTarget};
use tonic::{Request, Response, Status};

use super::{Live, list_models};
use crate::catalog::Target;
use crate::edge::Arrival;

pub(super) fn answer(
    live: &Live,
    request: &Request<GetModelRequest>,
) -> Result<Response<GetModelResponse>, Status> {
    let refused = |error| Arrival::report(request.extensions()).status(&error);
    let choice = live.catalog.choose(&request.get_ref().model_id, &live.home).map_err(refused)?;
    let first = choice.first().map_err(refused)?;
    Ok(Response::new(GetModelResponse {
        model: Some(list_models::message(first.entry().map_err(refused)?)),
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
