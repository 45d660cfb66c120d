//! The edge: what happens to an HTTP request before its body is decoded.

mod catch_panic;
mod deadline;
mod only_grpc;
mod plain_streams;
mod principal;
mod span;
mod unnamed_statuses;
mod upload;
mod web;

use std::convert::Infallible;
use std::future::Future;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::layer::layer_fn;
use tower::{Layer, ServiceBuilder};

use crate::call::Report;
use crate::error::Error;
use crate::principal::{Authenticator, TenantId};
use crate::service::{self, Shared};

pub use deadline::Arrival;
pub use upload::Uploads;
pub use web::web;

/// An HTTP service that speaks gRPC.
pub type HttpService = Shared<Request<Body>, Response<Body>, Infallible>;

/// The edge of every RPC, outermost first.
pub fn edge(
    authenticator: Authenticator,
    uploads: Uploads,
) -> impl Layer<Routes, Service = HttpService> + Clone {
    ServiceBuilder::new()
        // The clock runs from here, and whatever is refused further in has the report that is begun here.
        .layer(deadline::deadline())
        // A panic anywhere inside is answered in gRPC.
        .layer(catch_panic::catch_panic())
        // Everything that is logged from here on belongs to the RPC's span.
        .layer(span::span())
        // What a web page may send without asking must not reach anybody's identity.
        .layer(only_grpc::only_grpc())
        // Nothing is decoded for somebody who may not call.
        .layer(principal::principal(authenticator))
        // What the library refuses by itself has no reason and no details; inside the span, where it is logged.
        .layer(unnamed_statuses::unnamed_statuses())
        // A body that never comes would keep its handler waiting, and many large ones the memory.
        .layer(upload::upload(uploads))
        // Next to the routes, which read the header that it takes away.
        .layer(plain_streams::plain_streams())
        .layer(layer_fn(HttpService::of::<Routes>))
}

/// A layer from a function that always answers.
fn layer<F, R>(around: F) -> impl Layer<HttpService, Service = HttpService> + Clone
where
    F: Fn(HttpService, Request<Body>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    service::layer(move |inside, request| {
        let answer = around(inside, request);
        async move { Ok(answer.await) }
    })
}

/// The answer to a request that reaches no handler, or none that ends.
fn refused(report: &Report, error: &Error) -> Response<Body> {
    refusal(report, error).into_http()
}

/// Its status.
fn refusal(report: &Report, error: &Error) -> Status {
    let status = report.status(error);
    tracing::info!(
        request_id = report.request_id(),
        tenant = report.tenant().as_ref().map(TenantId::as_str),
        grpc.code = ?status.code(),
        error.reason = error.reason.name(false),
        "call refused",
    );
    status
}

/// Passes the request on.
async fn pass(inside: HttpService, request: Request<Body>) -> Response<Body> {
    match tower::ServiceExt::oneshot(inside, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
