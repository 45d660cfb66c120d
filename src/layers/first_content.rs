//! First content: a reply is only a reply once the caller gets something to read.

use bedrock_inference_adapters::contract::Event;
use futures_util::StreamExt;
use futures_util::stream;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, Reply};
use crate::error::{Error, Reason};

/// Holds a reply back until its first content, so that every earlier failure is an error of the call: a
/// real status for the caller, and free to be repeated.
pub fn first_content() -> impl Layer<CallService, Service = CallService> + Clone {
    layer(|inside, call| async move {
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
    })
}
