//! InvokeModel: a native body in, the native answer out.

use bedrock_inference_proto::v1::{InvokeModelRequest, InvokeModelResponse};
use tonic::{Request, Response, Status};

use super::native::{Native, head, in_kind};
use super::{Caller, Live, compressed_where_worth, raw_body};
use crate::call::Report;
use crate::error::Error;

pub(super) async fn answer(
    live: &Live,
    request: Request<InvokeModelRequest>,
) -> Result<Response<InvokeModelResponse>, Status> {
    let (ending, caller, message) = live.received(request);
    let response = respond(live, &caller, message.into(), ending.report()).await;
    ending.of_unary(response, |response, call| response.call = Some(call)).map(compressed_where_worth)
}

async fn respond(
    live: &Live,
    caller: &Caller,
    native: Native,
    report: &Report,
) -> Result<InvokeModelResponse, Error> {
    let form = native.form();
    let call = live.call(caller, native.asked(), report)?;
    let mut reply = live.send(call).await?;
    let head = head(&mut reply.events).await?;
    let (body, json_body) = in_kind(raw_body(&mut reply.events).await?, form);
    Ok(InvokeModelResponse {
        body,
        json_body,
        content_type: head.content_type,
        performance_config_latency: head.performance_config_latency,
        service_tier: head.service_tier,
        call: None,
    })
}
