//! ApplyGuardrail: a guardrail's verdict on content.

use bedrock_inference_proto::v1::{ApplyGuardrailRequest, ApplyGuardrailResponse};
use tonic::{Request, Response, Status};

use super::{Caller, Gateway, raw_message};
use crate::call::Report;
use crate::error::Error;

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<ApplyGuardrailRequest>,
) -> Result<Response<ApplyGuardrailResponse>, Status> {
    let (ending, caller, message) = gateway.received(request);
    let verdict = verdict(gateway, &caller, message, ending.report()).await;
    ending.of_unary(verdict, |verdict, call| verdict.call = Some(call)).map(Response::new)
}

async fn verdict(
    gateway: &Gateway,
    caller: &Caller,
    message: ApplyGuardrailRequest,
    report: &Report,
) -> Result<ApplyGuardrailResponse, Error> {
    let call = gateway.call(caller, message.into(), report)?;
    let mut reply = gateway.send(call).await?;
    raw_message(&mut reply.events, report).await
}
