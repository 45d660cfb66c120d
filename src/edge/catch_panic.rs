//! Catch panic: a bug of ours is an INTERNAL status, and the process lives on.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tower::Layer;

use super::{HttpService, layer, pass};
use crate::error::{Error, Reason, grpc_response};

/// Answers `PANIC` where anything inside panics.
pub(super) fn catch_panic() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, request| async move {
        AssertUnwindSafe(pass(inside, request)).catch_unwind().await.unwrap_or_else(|_| {
            // What the panic said has been printed by the panic hook; it may hold content, so it stays there.
            tracing::error!("a request handler panicked");
            grpc_response(&Error::new(Reason::Panic, "the gateway failed inside; this is a bug"))
        })
    })
}
