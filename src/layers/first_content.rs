//! First content: a reply is only a reply once the caller gets something to read.

use bedrock_inference_adapters::contract::Event;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, Clocks, Reply};
use crate::error::{Error, Reason};

/// Holds a reply back until its first content, so that every earlier failure is an error of the call: a
/// real status for the caller, and free to be repeated.
///
/// A stream that has shown none in time is given up; whether the model ran is then unknown. An answer that
/// comes as a whole has its first content at its end, and the total clock for it.
pub fn first_content(clocks: Clocks) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let limit = call.request.streams().then(|| clocks.of(&call).first_content);
        async move {
            let Some(limit) = limit else { return held_back(inside, call).await };
            timeout(limit, held_back(inside, call)).await.unwrap_or_else(|_| {
                let limit = humantime::format_duration(limit);
                let context = format!("bedrock sent no content within {limit}");
                Err(Error::new(Reason::UpstreamFirstEventTimeout, context))
            })
        }
    })
}

async fn held_back(inside: CallService, call: Call) -> Result<Reply, Error> {
    let mut reply = inside.oneshot(call).await?;
    let mut held: Vec<Result<Event, Error>> = Vec::new();
    loop {
        let event = reply.events.next().await.transpose()?;
        let event = event.ok_or_else(|| Error::new(Reason::Panic, "a reply ended without content"))?;
        let content = event.is_content();
        held.push(Ok(event));
        if content {
            return Ok(Reply::new(stream::iter(held).chain(reply.events)));
        }
    }
}
