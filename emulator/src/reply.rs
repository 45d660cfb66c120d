//! The body of every response: a whole JSON document, or a stream of event frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::calls::OpenCall;
use crate::errors::Failure;
use crate::event_body::EventBody;

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A response body that knows when its call has ended.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Given in one piece; the call is finished once hyper has taken it.
    Whole { bytes: Option<Bytes>, call: Option<OpenCall> },
    /// Given frame by frame, as fast as hyper asks for them.
    Events(Box<EventBody>),
}

/// A response of one piece.
pub(crate) fn whole(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
    call: Option<OpenCall>,
) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole { bytes: Some(bytes.into()), call });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A refusal as AWS sends it.
pub(crate) fn refusal(failure: &Failure, call: Option<OpenCall>) -> Response<ReplyBody> {
    let mut response = whole(failure.status(), JSON, failure.body(), call);
    response.headers_mut().extend(failure.headers());
    response
}

/// A stream of event frames.
pub(crate) fn events(body: EventBody) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Events(Box::new(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole { bytes, call } => {
                if let Some(call) = call {
                    call.finish();
                }
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Events(events) => {
                events.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole { bytes: None, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Events(_) => SizeHint::default(),
        }
    }
}
