//! The end of the corridor: a call to wire bytes, the upstream's bytes to events.

mod encode;
mod reading;

use std::sync::Arc;

use bedrock_inference_adapters::contract::{Event, Piece};
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{FutureExt, Stream};

use crate::call::{Call, CallService, Reply};
use crate::config::RouteSetting;
use crate::error::Error;
use crate::upstream::{Bedrock, Body, Frame};

use encode::encode;
use reading::Reading;

/// The innermost service: one call, one attempt at its target.
#[must_use]
pub fn invoke(bedrock: Arc<dyn Bedrock>, route: RouteSetting) -> CallService {
    CallService::new(move |call| attempt(Arc::clone(&bedrock), route, call))
}

async fn attempt(bedrock: Arc<dyn Bedrock>, route: RouteSetting, call: Call) -> Result<Reply, Error> {
    let (request, mut reading) = encode(&call, route)?;
    let response = bedrock.send(request).await?;
    if let Some(id) = &response.request_id {
        call.report.aws_request_id(call.attempt, id);
    }
    reading.feed(&Piece::Head(&response.head))?;
    match response.body {
        Body::Whole(body) => {
            reading.feed(&Piece::Whole(body))?;
            reading.end()?;
            Ok(Reply::new(stream::iter(reading.into_ready().map(Ok))))
        }
        Body::Frames(frames) => Ok(Reply::new(events(frames, reading))),
    }
}

type Frames = BoxStream<'static, Result<Frame, Error>>;

fn events(frames: Frames, reading: Reading) -> impl Stream<Item = Result<Event, Error>> {
    stream::unfold(Some((frames.fuse(), reading)), |state| async move {
        let (mut frames, mut reading) = state?;
        loop {
            if let Some(event) = reading.next() {
                return Some((Ok(event), Some((frames, reading))));
            }
            if reading.is_complete() {
                // The end of the body is usually there already; having read it, the connection can be kept.
                let _ = frames.next().now_or_never();
                return None;
            }
            let fed = match frames.next().await {
                Some(Ok(Frame { event, payload })) => reading.feed(&Piece::Frame { event: &event, payload }),
                Some(Err(error)) => Err(error),
                None => reading.end(),
            };
            if let Err(error) = fed {
                return Some((Err(error), None));
            }
        }
    })
}
