//! Converse: the whole answer.

use bedrock_inference_adapters::contract::{Event, Fold};
use bedrock_inference_proto::v1::{ConverseRequest, ConverseResponse};
use futures_util::StreamExt;
use tonic::{Request, Response, Status};

use super::{Gateway, compressed_where_worth};

pub(super) async fn answer(
    gateway: &Gateway,
    request: Request<ConverseRequest>,
) -> Result<Response<ConverseResponse>, Status> {
    let (ending, mut reply) = gateway.begin(request).await?;
    let mut fold = Fold::default();
    while let Some(event) = reply.events.next().await {
        match event {
            Ok(Event::Warning(warning)) => ending.report().warn(warning),
            Ok(event) => fold.add(event),
            Err(error) => return Err(ending.failed(&error)),
        }
    }
    let (mut response, warnings) = fold.finish();
    warnings.into_iter().for_each(|warning| ending.report().warn(warning));
    response.call = Some(ending.answered());
    Ok(compressed_where_worth(response))
}
