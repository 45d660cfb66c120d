//! Idle: the longest silence between two events of a stream.

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, Clocks, Reply};
use crate::error::{Error, Reason};

/// Ends a stream that has been silent for too long. Only waiting for the upstream counts: the clock stands
/// while the caller is slow to read.
pub fn idle(clocks: Clocks) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let limit = clocks.of(&call).idle;
        async move {
            let reply = inside.oneshot(call).await?;
            Ok(Reply::new(stream::unfold(Some(reply.events), move |events| async move {
                let mut events = events?;
                match timeout(limit, events.next()).await {
                    Ok(None) => None,
                    Ok(Some(event)) => Some((event, Some(events))),
                    Err(_) => {
                        let limit = humantime::format_duration(limit);
                        let context = format!("bedrock sent nothing for {limit}");
                        Some((Err(Error::new(Reason::UpstreamStalled, context)), None))
                    }
                }
            })))
        }
    })
}
