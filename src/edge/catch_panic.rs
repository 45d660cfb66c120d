//! Catch panic: a bug of ours is a status, before and after headers, and the process lives on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refused};
use crate::call::Report;
use crate::error::{Error, Reason};

/// Answers `PANIC` where anything inside panics. What the panic said may hold content, so it is not repeated.
pub(super) fn catch_panic() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, request| {
        let report = Arrival::report(request.extensions());
        async move {
            match AssertUnwindSafe(pass(inside, request)).catch_unwind().await {
                Ok(response) => response.map(|body| Body::new(Caught { body: Some(body), sent: 0, report })),
                Err(_) => {
                    tracing::error!(request_id = report.request_id(), "a request handler panicked");
                    refused(&report, &bug())
                }
            }
        }
    })
}

fn bug() -> Error {
    Error::new(Reason::Panic, "the gateway failed inside; this is a bug")
}

/// A response body whose panic is its last frame: trailers with the status.
struct Caught {
    /// `None` once it has panicked.
    body: Option<Body>,
    /// Messages handed on so far.
    sent: u64,
    report: Report,
}

impl Caught {
    /// The trailers that end the stream in place of what panicked.
    fn end(&mut self) -> Frame<Bytes> {
        let body = self.body.take();
        // What has panicked half-way may do so again while it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
        tracing::error!(request_id = self.report.request_id(), sent = self.sent, "a response body panicked");
        let error = if self.sent > 0 { bug().after(self.sent) } else { bug() };
        let mut trailers = http::HeaderMap::new();
        // Fails for no status of ours: its message is percent-encoded, its details are base64.
        let _ = self.report.status(&error).add_header(&mut trailers);
        Frame::trailers(trailers)
    }
}

impl http_body::Body for Caught {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context))) {
            Ok(polled) => {
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    self.sent += frame.data_ref().map_or(0, |data| messages(data));
                }
                polled
            }
            Err(_) => Poll::Ready(Some(Ok(self.end()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// How many messages are in a piece of a body. tonic cuts its bodies between messages only.
fn messages(mut piece: &[u8]) -> u64 {
    let mut count = 0;
    while let Some((_, [a, b, c, d], rest)) = head(piece) {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        piece = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count
}

/// The flag, the length and what follows them.
fn head(piece: &[u8]) -> Option<(&u8, &[u8; 4], &[u8])> {
    let (flag, rest) = piece.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    Some((flag, length, rest))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "that is what is tested")]

    use bytes::BytesMut;
    use futures_util::{StreamExt, stream};
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full, StreamBody};
    use tonic::{Code, Status};
    use tonic_types::StatusExt;
    use tower::ServiceExt;

    use super::*;

    /// So many messages, and then a panic.
    fn body_of(messages: usize) -> Body {
        let one = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
        let frames = stream::iter(0..=messages).map(move |number| {
            assert!(number < messages, "the secret of the prompt");
            // Two messages in one piece count twice.
            Ok::<_, Status>(Frame::data(Bytes::from([one, one].concat())))
        });
        Body::new(StreamBody::new(frames))
    }

    async fn answered(
        inside: impl Fn() -> http::Response<Body> + Clone + Send + Sync + 'static,
    ) -> http::Response<Body> {
        let service = HttpService::new(move |_| std::future::ready(Ok(inside())));
        let answer = catch_panic().layer(service).oneshot(http::Request::new(Body::empty())).await;
        answer.unwrap_or_else(|never| match never {})
    }

    async fn end_of(body: Body) -> (usize, Option<Status>) {
        let mut data = BytesMut::new();
        let mut body = body;
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) => data.extend_from_slice(&bytes),
                Ok(Err(frame)) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return (data.len(), Status::from_header_map(&trailers));
                }
                Err(status) => return (data.len(), Some(status)),
            }
        }
        (data.len(), None)
    }

    fn told(status: &Status, key: &str) -> Option<String> {
        let details = status.get_error_details();
        let info = details.error_info()?;
        assert_eq!(info.reason, "PANIC");
        assert!(details.request_info().is_some_and(|info| !info.request_id.is_empty()));
        assert!(!status.message().contains("secret"));
        info.metadata.get(key).cloned()
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_status() {
        let response = answered(|| panic!("the secret of the prompt")).await;
        let status = Status::from_header_map(response.headers()).unwrap_or_else(|| Status::ok(""));
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(told(&status, "partial"), None);
    }

    #[tokio::test]
    async fn a_panic_in_a_body_ends_the_stream_with_trailers() {
        for (pieces, code, sent) in
            [(0, Code::Internal, None), (1, Code::Aborted, Some("2")), (3, Code::Aborted, Some("6"))]
        {
            let response = answered(move || http::Response::new(body_of(pieces))).await;
            let (bytes, status) = end_of(response.into_body()).await;
            assert_eq!(bytes, pieces * 16);
            let status = status.unwrap_or_else(|| Status::ok(""));
            assert_eq!(status.code(), code, "{pieces}");
            assert_eq!(told(&status, "events_sent").as_deref(), sent, "{pieces}");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_panic_passes() {
        let whole = Bytes::from_static(&[0, 0, 0, 0, 1, b'x']);
        let sent = whole.clone();
        let response = answered(move || http::Response::new(Body::new(Full::new(sent.clone())))).await;
        assert_eq!(response.body().size_hint().exact(), Some(6));
        let collected = response.into_body().collect().await.map(|body| body.to_bytes());
        assert_eq!(collected.ok(), Some(whole));
    }
}
