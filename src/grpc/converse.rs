//! Converse: the whole answer.

use bedrock_inference_adapters::contract::{Event, Fold};
use bedrock_inference_proto::v1::{ConverseRequest, ConverseResponse};
use futures_util::StreamExt;
use tonic::{Request, Response, Status};

use super::{Live, compressed_where_worth};
use crate::call::{Events, Report};
use crate::error::Error;

pub(super) async fn answer(
    live: &Live,
    request: Request<ConverseRequest>,
) -> Result<Response<ConverseResponse>, Status> {
    let (ending, mut reply) = live.begin(request).await?;
    let folded = folded(&mut reply.events, ending.report()).await;
    ending.of_unary(folded, |response, call| response.call = Some(call)).map(compressed_where_worth)
}

async fn folded(events: &mut Events, report: &Report) -> Result<ConverseResponse, Error> {
    let mut fold = Fold::default();
    while let Some(event) = events.next().await.transpose()? {
        match event {
            Event::Warning(warning) => report.warn(warning),
            event => fold.add(event),
        }
    }
    let (response, warnings) = fold.finish();
    warnings.into_iter().for_each(|warning| report.warn(warning));
    Ok(response)
}
