//! Total: the longest time from sending a request to the end of its answer.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, Clocks, Reply};
use crate::error::{Error, Reason};

/// Ends an answer that has taken too long, though it may still be coming.
pub fn total(clocks: Clocks) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let limit = clocks.of(&call).total;
        async move {
            let end = Instant::now() + limit;
            let reply = timeout_at(end, inside.oneshot(call)).await.unwrap_or_else(|_| Err(late(limit)))?;
            let state = Some((reply.events, Box::pin(sleep_until(end))));
            Ok(Reply::new(stream::unfold(state, move |state| async move {
                let (mut events, mut alarm) = state?;
                tokio::select! {
                    // The alarm first: a caller who reads slowly, but reads, finds an event ready each time.
                    biased;
                    () = &mut alarm => Some((Err(late(limit)), None)),
                    event = events.next() => event.map(|event| (event, Some((events, alarm)))),
                }
            })))
        }
    })
}

fn late(limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::new(Reason::UpstreamTotalTimeout, format!("bedrock's answer was not complete within {limit}"))
}
