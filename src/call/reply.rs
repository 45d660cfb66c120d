//! The one reply shape: a stream of events with a hook at its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bedrock_inference_adapters::contract::Event;
use futures_util::stream::{BoxStream, Stream, StreamExt};

use crate::error::Error;

/// The events of a reply. Dropping them tells every layer below that nobody wants the rest.
pub type Events = BoxStream<'static, Result<Event, Error>>;

/// What a call gave.
pub struct Reply {
    /// Its events. The first content is there already.
    pub events: Events,
}

/// How a reply ended.
#[derive(Debug)]
pub enum End {
    /// Every event was delivered.
    Complete,
    /// It failed on the way.
    Failed(Error),
    /// The reader went away first.
    Dropped,
}

impl Reply {
    /// A reply of these events. It may be polled again after its end.
    pub fn new(events: impl Stream<Item = Result<Event, Error>> + Send + 'static) -> Self {
        Self { events: events.fuse().boxed() }
    }

    /// Puts a layer's after-work where the reply ends. It runs exactly once.
    #[must_use]
    pub fn on_end(self, hook: impl FnOnce(End) + Send + 'static) -> Self {
        Self::new(Watched { events: self.events, hook: Some(hook) })
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

struct Watched<F: FnOnce(End)> {
    events: Events,
    hook: Option<F>,
}

impl<F: FnOnce(End)> Watched<F> {
    fn end(&mut self, end: End) {
        if let Some(hook) = self.hook.take() {
            hook(end);
        }
    }
}

// The hook is moved out, never pinned.
impl<F: FnOnce(End)> Unpin for Watched<F> {}

impl<F: FnOnce(End)> Stream for Watched<F> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.events.poll_next_unpin(context));
        match &next {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.end(End::Failed(error.clone())),
            None => self.end(End::Complete),
        }
        Poll::Ready(next)
    }
}

impl<F: FnOnce(End)> Drop for Watched<F> {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use bedrock_inference_adapters::contract::Content;
    use futures_util::{FutureExt, stream};

    use super::*;
    use crate::error::Reason;

    fn watched(events: Vec<Result<Event, Error>>) -> (Reply, Arc<Mutex<Vec<String>>>) {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ends);
        let reply = Reply::new(stream::iter(events)).on_end(move |end| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{end:?}"));
        });
        (reply, ends)
    }

    fn ends(ends: &Mutex<Vec<String>>) -> Vec<String> {
        ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[test]
    fn the_hook_runs_once_at_the_end() {
        let (mut reply, seen) = watched(vec![Ok(Event::Raw(Content::default()))]);
        while reply.events.next().now_or_never().flatten().is_some() {}
        drop(reply);
        assert_eq!(ends(&seen), ["Complete"]);
    }

    #[test]
    fn the_hook_runs_once_when_dropped() {
        let (reply, seen) = watched(vec![Ok(Event::Raw(Content::default()))]);
        drop(reply);
        assert_eq!(ends(&seen), ["Dropped"]);
    }

    #[test]
    fn the_hook_sees_the_failure() {
        let (mut reply, seen) = watched(vec![Err(Error::new(Reason::UpstreamStalled, "stalled"))]);
        assert!(matches!(reply.events.next().now_or_never(), Some(Some(Err(_)))));
        drop(reply);
        assert!(ends(&seen).iter().all(|end| end.starts_with("Failed")) && ends(&seen).len() == 1);
    }
}
