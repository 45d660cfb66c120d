//! Moments: where the time of a call went.

use std::time::Duration;

use bedrock_inference_proto::v1::Timings;
use tokio::time::Instant;

/// What attempts reached, and when.
pub(super) struct Moments {
    pub(super) dispatched: Option<Instant>,
    pub(super) first_content: Option<Instant>,
    pub(super) last_event: Option<Instant>,
}

impl Moments {
    /// Four parts that add up to the total; a part that was never reached, or was over before the call, is zero.
    pub(super) fn timings(self, arrived: Instant, now: Instant) -> Timings {
        let dispatched = self.dispatched.unwrap_or(now).clamp(arrived, now);
        let last_event = self.last_event.unwrap_or(now).clamp(dispatched, now);
        let first_content = self.first_content.unwrap_or(last_event).clamp(dispatched, last_event);
        Timings {
            total: proto_duration(now - arrived),
            preparing: proto_duration(dispatched - arrived),
            first_content: proto_duration(first_content - dispatched),
            streaming: proto_duration(last_event - first_content),
            finishing: proto_duration(now - last_event),
        }
    }
}

pub(super) fn proto_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}
