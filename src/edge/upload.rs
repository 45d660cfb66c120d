//! Upload: how long a request may take to come, and how many bytes may be coming at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refusal};
use crate::call::Report;
use crate::config::ServerSettings;
use crate::error::{Error, Reason};

/// The service whose requests are streams, and may be silent for as long as they like.
const STREAMS: &str = "/grpc.reflection.";

/// Bytes that every request may have, so that large ones do not keep small ones out.
const ALWAYS: u64 = 64 * 1024;

/// What requests that are coming may take. Clones share the same bytes.
#[derive(Debug, Clone)]
pub struct Uploads {
    timeout: Duration,
    limit: u64,
    coming: Arc<AtomicU64>,
}

impl Uploads {
    /// As much as the settings say.
    #[must_use]
    pub fn new(settings: &ServerSettings) -> Self {
        Self { timeout: settings.upload_timeout, limit: settings.upload_bytes, coming: Arc::default() }
    }
}

/// Refuses a request that is not there in time, since what has come of it is held until the rest does; and one for
/// which there is no room, before its bytes are kept.
///
/// Its bytes count until the body is dropped, which is when its message has been decoded.
pub(super) fn upload(uploads: Uploads) -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(move |inside, request| {
        if request.uri().path().starts_with(STREAMS) {
            return pass(inside, request);
        }
        let report = Arrival::report(request.extensions());
        let share = Share { uploads: uploads.clone(), bytes: 0 };
        pass(inside, request.map(|body| Body::new(Bounded { body, alarm: None, share, report })))
    })
}

/// A request's body, which comes in time and while there is room, or not at all.
struct Bounded {
    body: Body,
    /// Set when a piece had to be waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    share: Share,
    report: Report,
}

/// What one request takes of the bytes that may be coming; given back when dropped.
struct Share {
    uploads: Uploads,
    bytes: u64,
}

impl Share {
    /// Takes so many more, where there is room.
    fn grow(&mut self, by: usize) -> Result<(), Error> {
        let Uploads { limit, coming, .. } = &self.uploads;
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        let own = self.bytes.saturating_add(by);
        let grown = coming.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |all| {
            let all = all.saturating_add(by);
            (own <= ALWAYS || all <= *limit).then_some(all)
        });
        match grown {
            Ok(_) => {
                self.bytes = own;
                Ok(())
            }
            Err(_) => Err(Error::new(
                Reason::ServerOverloaded,
                format!("the requests that are coming have {limit} bytes already, and this one has more"),
            )),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.uploads.coming.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, alarm, share, report } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| {
                let frame = frame?;
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                share.grow(bytes).map_err(|error| refusal(report, &error))?;
                Ok(frame)
            }));
        }
        let limit = share.uploads.timeout;
        let waiting = alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(waiting.as_mut().poll(context));
        let limit = humantime::format_duration(limit);
        let error = Error::new(Reason::ClientTooSlow, format!("the request was not there within {limit}"));
        Poll::Ready(Some(Err(refusal(report, &error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
