//! GetModel: what a call by some id would reach.

use bedrock_inference_proto::v1::{GetModelRequest, GetModelResponse};
use tonic::{Request, Response, Status};

use super::{Live, list_models};
use crate::edge::Arrival;

pub(super) fn answer(
    live: &Live,
    request: &Request<GetModelRequest>,
) -> Result<Response<GetModelResponse>, Status> {
    let refused = |error| Arrival::report(request.extensions()).status(&error);
    let target = live.catalog.resolve(&request.get_ref().model_id, &live.home).map_err(refused)?;
    let entry = target.entry().map_err(refused)?;
    Ok(Response::new(GetModelResponse {
        model: Some(list_models::message(entry)),
        resolved_model_id: target.model_id,
        region: target.region,
    }))
}
