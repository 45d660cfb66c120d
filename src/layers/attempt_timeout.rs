//! Attempt timeout: the longest wait from sending a request to its first content.

use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::CallService;
use crate::config::Timeouts;
use crate::error::{Error, Reason};

/// Gives an attempt up that has shown no content in time. Whether the model ran is then unknown.
///
/// An answer that comes as a whole has its first content at its end, so it has a longer clock.
pub fn attempt_timeout(timeouts: Timeouts) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| async move {
        let limit = if call.request.streams() { timeouts.attempt } else { timeouts.whole };
        match timeout(limit, inside.oneshot(call)).await {
            Ok(reply) => reply,
            Err(_) => {
                let limit = humantime::format_duration(limit);
                let context = format!("bedrock sent no content within {limit}");
                Err(Error::new(Reason::UpstreamFirstEventTimeout, context))
            }
        }
    })
}
