//! InvokeModelStream: a native body in, native chunks out, and the call report as the last message.

use bedrock_inference_adapters::contract::{Event, ReplyHead};
use bedrock_inference_proto::v1::invoke_model_stream_response::Event as Message;
use bedrock_inference_proto::v1::{InvokeModelStreamRequest, InvokeModelStreamResponse, PayloadPart};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::native::{Form, Native, head, in_kind};
use super::stream::{self, messages};
use super::{Caller, Live};
use crate::call::{Events, Report};
use crate::error::Error;

/// The messages of one stream.
pub(super) type Messages = stream::Messages<InvokeModelStreamResponse>;

pub(super) async fn answer(
    live: &Live,
    request: Request<InvokeModelStreamRequest>,
) -> Result<Response<Messages>, Status> {
    let (ending, caller, message) = live.received(request);
    let (events, head, form) = match begin(live, &caller, message.into(), ending.report()).await {
        Ok(begun) => begun,
        Err(error) => return Err(ending.failed(&error)),
    };
    let last = |report| response(Message::Call(report));
    let messages = messages(events, ending, move |event| Ok(chunk(event, form)), last);
    let mut response = Response::new(messages);
    describe(response.metadata_mut(), &head);
    Ok(response)
}

async fn begin(
    live: &Live,
    caller: &Caller,
    native: Native,
    report: &Report,
) -> Result<(Events, ReplyHead, Form), Error> {
    let form = native.form();
    let call = live.call(caller, native.asked(), report)?;
    let mut reply = live.send(call).await?;
    let head = head(&mut reply.events).await?;
    Ok((reply.events, head, form))
}

fn chunk(event: Event, form: Form) -> Option<InvokeModelStreamResponse> {
    let Event::Raw(body) = event else { return None };
    let (bytes, json) = in_kind(body, form);
    Some(response(Message::Chunk(PayloadPart { bytes, json })))
}

fn response(message: Message) -> InvokeModelStreamResponse {
    InvokeModelStreamResponse { event: Some(message) }
}

/// What AWS says in headers goes on as metadata of the same names.
fn describe(metadata: &mut MetadataMap, head: &ReplyHead) {
    let known = [
        ("x-amzn-bedrock-content-type", &head.content_type),
        ("x-amzn-bedrock-performanceconfig-latency", &head.performance_config_latency),
        ("x-amzn-bedrock-service-tier", &head.service_tier),
    ];
    for (name, value) in known {
        if let Some(value) = value.as_deref().and_then(|value| value.parse().ok()) {
            metadata.insert(name, value);
        }
    }
}
