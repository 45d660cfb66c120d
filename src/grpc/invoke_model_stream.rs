//! InvokeModelStream: a native body in, native chunks out, and the call report as the last message.

use bedrock_inference_adapters::contract::{Event, ReplyHead};
use bedrock_inference_proto::v1::invoke_model_stream_response::Event as Message;
use bedrock_inference_proto::v1::{InvokeModelStreamRequest, InvokeModelStreamResponse, PayloadPart};
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::native::{Form, Native, head, in_kind};
use super::{Caller, Gateway, received};
use crate::call::{Events, Report};
use crate::error::Error;

/// The messages of one stream.
pub(super) type Messages = BoxStream<'static, Result<InvokeModelStreamResponse, Status>>;

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<InvokeModelStreamRequest>,
) -> Result<Response<Messages>, Status> {
    let (ending, caller, message) = received(request);
    let (events, head, form) = match begin(gateway, &caller, message.into(), ending.report()).await {
        Ok(begun) => begun,
        Err(error) => return Err(ending.failed(&error)),
    };
    let messages = stream::unfold(Some((events, ending)), move |state| async move {
        let (mut events, ending) = state?;
        match next(&mut events, form, ending.report()).await {
            Ok(Some(chunk)) => Some((Ok(Message::Chunk(chunk)), Some((events, ending)))),
            Ok(None) => Some((Ok(Message::Call(ending.answered())), None)),
            Err(error) => Some((Err(ending.failed(&error)), None)),
        }
    });
    let messages =
        messages.map(|message| message.map(|event| InvokeModelStreamResponse { event: Some(event) }));
    let mut response = Response::new(messages.boxed());
    describe(response.metadata_mut(), &head);
    Ok(response)
}

async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    native: Native,
    report: &Report,
) -> Result<(Events, ReplyHead, Form), Error> {
    let form = native.form();
    let call = gateway.call(caller, native.asked(), report)?;
    let mut reply = gateway.send(call).await?;
    let head = head(&mut reply.events).await?;
    Ok((reply.events, head, form))
}

async fn next(events: &mut Events, form: Form, report: &Report) -> Result<Option<PayloadPart>, Error> {
    while let Some(event) = events.next().await.transpose()? {
        match event {
            Event::Raw(chunk) => {
                let (bytes, json) = in_kind(chunk, form);
                return Ok(Some(PayloadPart { bytes, json }));
            }
            Event::Warning(warning) => report.warn(warning),
            _ => {}
        }
    }
    Ok(None)
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
