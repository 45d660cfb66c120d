//! Converse: the whole answer.

use bedrock_inference_adapters::contract::{Event, Fold};
use bedrock_inference_proto::v1::{ConverseRequest, ConverseResponse};
use futures_util::StreamExt;
use tonic::{Request, Response, Status};

use super::{Gateway, ended};

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<ConverseRequest>,
) -> Result<Response<ConverseResponse>, Status> {
    let (report, mut reply) = gateway.begin(request).await?;
    let mut fold = Fold::default();
    while let Some(event) = reply.events.next().await {
        match event {
            Ok(Event::Warning(warning)) => report.warn(warning),
            Ok(event) => fold.add(event),
            Err(error) => return Err(ended(&report, Some(&error))),
        }
    }
    let (mut response, warnings) = fold.finish();
    warnings.into_iter().for_each(|warning| report.warn(warning));
    ended(&report, None);
    response.call = Some(report.finish());
    Ok(Response::new(response))
}
