//! ApplyGuardrail: a guardrail's verdict on content.

use bedrock_inference_proto::v1::{ApplyGuardrailRequest, ApplyGuardrailResponse};
use tonic::{Request, Response, Status};

use super::{Caller, Live, raw_message};
use crate::call::Report;
use crate::error::Error;

pub(super) async fn answer(
    live: &Live,
    request: Request<ApplyGuardrailRequest>,
) -> Result<Response<ApplyGuardrailResponse>, Status> {
    let (ending, caller, message) = live.received(request);
    let verdict = verdict(live, &caller, message, ending.report()).await;
    ending.of_unary(verdict, |verdict, call| verdict.call = Some(call)).map(Response::new)
}

async fn verdict(
    live: &Live,
    caller: &Caller,
    message: ApplyGuardrailRequest,
    report: &Report,
) -> Result<ApplyGuardrailResponse, Error> {
    let call = live.call(caller, message.into(), report)?;
    let mut reply = live.send(call).await?;
    raw_message(&mut reply.events, report).await
}
