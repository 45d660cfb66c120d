//! What the streams share: one message an event, the call report as the last one, and an end that is always told.

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::v1::CallReport;
use futures_util::stream::{self, BoxStream, StreamExt};
use prost::Message;
use tonic::Status;

use super::ending::Ending;
use crate::call::Events;
use crate::error::Error;

/// The messages of one stream.
pub(super) type Messages<M> = BoxStream<'static, Result<M, Status>>;

/// The messages that stand for these events, `message` saying which, and `last` with the report behind them.
///
/// Warnings are for the report; `message` does not see them.
pub(super) fn messages<M: Message + 'static>(
    events: Events,
    ending: Ending,
    message: impl Fn(Event) -> Result<Option<M>, Error> + Send + Sync + 'static,
    last: fn(CallReport) -> M,
) -> Messages<M> {
    let under_way = UnderWay { events, ending, message, sent: 0 };
    stream::unfold(Some(under_way), move |under_way| async move {
        let mut under_way = under_way?;
        match under_way.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(under_way))),
            Ok(None) => Some((under_way.end(last), None)),
            Err(error) => Some((Err(under_way.ending.failed(&error)), None)),
        }
    })
    .boxed()
}

struct UnderWay<F> {
    events: Events,
    ending: Ending,
    message: F,
    /// Messages handed on so far.
    sent: u64,
}

impl<F> UnderWay<F> {
    async fn next<M: Message>(&mut self) -> Result<Option<M>, Error>
    where
        F: Fn(Event) -> Result<Option<M>, Error>,
    {
        while let Some(event) = self.events.next().await.transpose()? {
            if let Event::Warning(warning) = event {
                self.ending.report().warn(warning);
            } else if let Some(message) = (self.message)(event).map_err(|error| error.after(self.sent))? {
                let message = self.ending.fits(message).map_err(|error| error.after(self.sent))?;
                self.sent += 1;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The last message, or why it cannot be sent.
    fn end<M: Message>(self, last: fn(CallReport) -> M) -> Result<M, Status> {
        match self.ending.fits(last(self.ending.report().finish())) {
            Ok(message) => {
                self.ending.answered();
                Ok(message)
            }
            Err(error) => Err(self.ending.failed(&error.after(self.sent))),
        }
    }
}
