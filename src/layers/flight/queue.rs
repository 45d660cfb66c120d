//! Queue: the events that wait for a caller, few in number and in bytes.

use std::sync::Arc;

use bedrock_inference_adapters::contract::Event;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::Error;

/// Events that may wait; then the upstream is read no further.
const EVENTS: usize = 32;

/// Bytes of content that may wait; an event that is larger waits alone.
const BYTES: usize = 256 * 1024;

/// An event or an error; `None` is the end mark. Without one, whoever sent has gone.
pub(super) type Item = Option<Result<Event, Error>>;

/// Two ends of a new queue.
pub(super) fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let bytes = Arc::new(Semaphore::new(BYTES));
    (Sender { items: sender, bytes: Arc::clone(&bytes) }, Receiver { items: receiver, bytes })
}

/// Where events come in.
#[derive(Debug)]
pub(super) struct Sender {
    items: mpsc::Sender<(Item, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
}

/// Where they are read.
#[derive(Debug)]
pub(super) struct Receiver {
    items: mpsc::Receiver<(Item, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
}

impl Sender {
    /// Waits for room; `false` where nobody reads any more.
    pub(super) async fn send(&self, item: Item) -> bool {
        let weight = match &item {
            Some(Ok(event)) => weight(event).min(BYTES),
            Some(Err(_)) | None => 0,
        };
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.bytes).acquire_many_owned(weight).await else { return false };
        self.items.send((item, room)).await.is_ok()
    }

    /// Resolves when nobody reads any more.
    pub(super) async fn closed(&self) {
        self.items.closed().await;
    }
}

impl Receiver {
    /// The next item; `None` when whoever sent has gone.
    pub(super) async fn recv(&mut self) -> Option<Item> {
        self.items.recv().await.map(|(item, _)| item)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Wakes a sender that waits for room in bytes.
        self.bytes.close();
    }
}

/// Roughly how many bytes an event holds.
fn weight(event: &Event) -> usize {
    match event {
        Event::MessageStart(event) => event.encoded_len(),
        Event::ContentBlockStart(event) => event.encoded_len(),
        Event::ContentBlockDelta(event) => event.encoded_len(),
        Event::ContentBlockStop(event) => event.encoded_len(),
        Event::Block { block, .. } => block.encoded_len(),
        Event::MessageStop(event) => event.encoded_len(),
        Event::Metadata(event) => event.encoded_len(),
        Event::Raw(bytes) => bytes.len(),
        Event::Head(_) => 0,
        Event::Warning(warning) => warning.encoded_len(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;

    use super::*;

    fn raw(bytes: usize) -> Item {
        Some(Ok(Event::Raw(Bytes::from(vec![0; bytes]).into())))
    }

    /// How many of these are taken before one has to wait.
    fn taken(sender: &Sender, bytes: usize) -> usize {
        (0..100).take_while(|_| sender.send(raw(bytes)).now_or_never() == Some(true)).count()
    }

    #[test]
    fn little_waits_in_number_and_in_bytes() {
        for (bytes, fit) in [(0, EVENTS), (1_000, EVENTS), (64 * 1024, 4), (BYTES, 1), (BYTES * 9, 1)] {
            let (sender, _receiver) = queue();
            assert_eq!(taken(&sender, bytes), fit, "{bytes}");
        }
    }

    #[tokio::test]
    async fn room_comes_back_with_reading() {
        let (sender, mut receiver) = queue();
        assert_eq!(taken(&sender, BYTES), 1);
        assert!(matches!(receiver.recv().await, Some(Some(Ok(_)))));
        assert_eq!(taken(&sender, BYTES), 1);
    }

    #[tokio::test]
    async fn a_sender_that_waits_hears_that_nobody_reads() {
        for bytes in [1, BYTES] {
            let (sender, receiver) = queue();
            taken(&sender, bytes);
            let (sent, ()) = tokio::join!(sender.send(raw(bytes)), async { drop(receiver) });
            assert!(!sent, "{bytes}");
        }
    }
}
