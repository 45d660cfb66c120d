//! Upload: the longest time in which a request comes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refusal};
use crate::call::Report;
use crate::error::{Error, Reason};

/// The service whose requests are streams, and may be silent for as long as they like.
const STREAMS: &str = "/grpc.reflection.";

/// Refuses a request that is not there in time: what has come of it is held until the rest does.
pub(super) fn upload(limit: Duration) -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(move |inside, request| {
        if request.uri().path().starts_with(STREAMS) {
            return pass(inside, request);
        }
        let report = Arrival::report(request.extensions());
        pass(inside, request.map(|body| Body::new(Timed { body, limit, alarm: None, report })))
    })
}

/// A request's body, which comes in time or not at all.
struct Timed {
    body: Body,
    limit: Duration,
    /// Set when a piece had to be waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    report: Report,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, limit, alarm, report } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let waiting = alarm.get_or_insert_with(|| Box::pin(sleep(*limit)));
        waiting.as_mut().poll(context).map(|()| {
            let limit = humantime::format_duration(*limit);
            let error =
                Error::new(Reason::ClientTooSlow, format!("the request was not there within {limit}"));
            Some(Err(refusal(report, &error)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
