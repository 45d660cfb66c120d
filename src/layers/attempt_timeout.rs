//! Attempt timeout: the longest wait from sending a request to its first content.

use std::time::Duration;

use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::CallService;
use crate::error::{Error, Reason};

/// Gives an attempt up that has shown no content for `limit`. Whether the model ran is then unknown.
pub fn attempt_timeout(limit: Duration) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| async move {
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
