//! GetModel: what a call by some id would reach.

use bedrock_inference_proto::v1::{GetModelRequest, GetModelResponse};
use tonic::{Response, Status};

use super::{Gateway, list_models};
use crate::error::status;

pub(super) fn answer(
    gateway: &Gateway,
    request: &GetModelRequest,
) -> Result<Response<GetModelResponse>, Status> {
    let target = gateway.catalog.resolve(&request.model_id, &gateway.home);
    let target = target.map_err(|error| status(&error, None))?;
    let entry = target.entry().map_err(|error| status(&error, None))?;
    Ok(Response::new(GetModelResponse {
        model: Some(list_models::message(entry)),
        resolved_model_id: target.model_id,
        region: target.region,
    }))
}
