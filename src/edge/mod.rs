//! The edge: what happens to an HTTP request before its body is decoded.

mod catch_panic;
mod deadline;
mod plain_streams;
mod principal;
mod span;
mod upload;
mod web;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use tonic::body::Body;
use tonic::service::Routes;
use tower::layer::layer_fn;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, service_fn};

use crate::principal::Authenticator;

pub use deadline::Arrival;
pub use web::web;

/// An HTTP service that speaks gRPC.
pub type HttpService = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The edge of every RPC, outermost first.
pub fn edge(
    authenticator: Authenticator,
    upload_timeout: Duration,
) -> impl Layer<Routes, Service = HttpService> + Clone {
    ServiceBuilder::new()
        // tonic starts a timer of its own for the same header at this moment; ours must be the earlier one.
        .layer(deadline::deadline())
        // A panic anywhere inside is answered in gRPC.
        .layer(catch_panic::catch_panic())
        // Everything that is logged from here on belongs to the RPC's span.
        .layer(span::span())
        // Nothing is decoded for somebody who may not call.
        .layer(principal::principal(authenticator))
        // A body that never comes would keep its handler waiting.
        .layer(upload::upload(upload_timeout))
        // Next to the routes, which read the header that it takes away.
        .layer(plain_streams::plain_streams())
        .layer(layer_fn(|routes: Routes| {
            HttpService::new(service_fn(move |request| {
                let mut routes = routes.clone();
                async move { tower::Service::call(&mut routes, request).await }
            }))
        }))
}

/// A layer from a function of the service inside and the request.
fn layer<F, R>(around: F) -> impl Layer<HttpService, Service = HttpService> + Clone
where
    F: Fn(HttpService, Request<Body>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    layer_fn(move |inside: HttpService| {
        let around = around.clone();
        HttpService::new(service_fn(move |request| {
            let answer = around(inside.clone(), request);
            async move { Ok(answer.await) }
        }))
    })
}

/// Passes the request on.
async fn pass(inside: HttpService, request: Request<Body>) -> Response<Body> {
    match tower::ServiceExt::oneshot(inside, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
