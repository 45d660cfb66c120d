//! A service that is shared, and the layers that are built around one.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::layer::layer_fn;
use tower::{Layer, Service, ServiceExt};

/// Any service without a state of its own, behind one pointer.
///
/// tower's boxes clone what is in them, which clones the boxes in it: with sixteen layers a call would copy
/// more than a hundred. This one is counted.
pub struct Shared<Request, Response, Error>(Arc<Answer<Request, Response, Error>>);

type Answer<Request, Response, Error> =
    dyn Fn(Request) -> BoxFuture<'static, Result<Response, Error>> + Send + Sync;

impl<Request, Response, Error> Shared<Request, Response, Error> {
    /// The service that answers each request by this function.
    pub fn new<F, R>(answer: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Response, Error>> + Send + 'static,
    {
        Self(Arc::new(move |request| answer(request).boxed()))
    }

    /// Shares a service of another kind. A clone of it answers each request.
    pub fn of<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
        Request: Send + 'static,
    {
        Self::new(move |request| service.clone().oneshot(request))
    }
}

/// A layer from a function of the service inside and the request.
pub fn layer<Request, Response, Error, F, R>(
    around: F,
) -> impl Layer<Shared<Request, Response, Error>, Service = Shared<Request, Response, Error>> + Clone
where
    Request: 'static,
    Response: 'static,
    Error: 'static,
    F: Fn(Shared<Request, Response, Error>, Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response, Error>> + Send + 'static,
{
    layer_fn(move |inside: Shared<Request, Response, Error>| {
        let around = around.clone();
        Shared::new(move |request| around(inside.clone(), request))
    })
}

impl<Request, Response, Error> Service<Request> for Shared<Request, Response, Error> {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        (self.0)(request)
    }
}

impl<Request, Response, Error> Clone for Shared<Request, Response, Error> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Request, Response, Error> fmt::Debug for Shared<Request, Response, Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
