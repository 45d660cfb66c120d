//! A service that is shared: what layers are built around.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::{Service, ServiceExt};

/// Any service without a state of its own, behind one pointer.
///
/// tower's boxes clone what is in them, which clones the boxes in it: with sixteen layers a call would copy
/// more than a hundred. This one is counted.
pub struct Shared<Request, Response, Error>(Arc<Answer<Request, Response, Error>>);

type Answer<Request, Response, Error> =
    dyn Fn(Request) -> BoxFuture<'static, Result<Response, Error>> + Send + Sync;

impl<Request, Response, Error> Shared<Request, Response, Error> {
    /// Shares a service. A clone of it answers each request.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
        Request: Send + 'static,
    {
        Self(Arc::new(move |request| service.clone().oneshot(request).boxed()))
    }
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
