//! The book of calls: what came in, and how each call ended.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use tokio::sync::Notify;

use crate::charges::{Charge, ChargeEnd, Charges};
use crate::signature::Signer;

/// The most calls kept; older ones are forgotten.
const MAX_CALLS: usize = 1_000;

/// The most body bytes kept over all calls, so that large images cannot fill the memory.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// An operation of the Bedrock Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Operation {
    /// `POST /model/{modelId}/converse`.
    Converse,
    /// `POST /model/{modelId}/converse-stream`.
    ConverseStream,
    /// `POST /model/{modelId}/invoke`.
    InvokeModel,
    /// `POST /model/{modelId}/invoke-with-response-stream`.
    InvokeModelWithResponseStream,
    /// `POST /model/{modelId}/count-tokens`.
    CountTokens,
    /// `POST /guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply`.
    ApplyGuardrail,
}

impl Operation {
    /// Whether a good answer is an event stream.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::ConverseStream | Self::InvokeModelWithResponseStream)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It has not ended yet.
    Open,
    /// The emulator gave everything it meant to give, which may be a scripted failure.
    Finished,
    /// The client went away before the end.
    Aborted,
}

impl fmt::Display for CallEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One call as it arrived.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Counts from 1, never reused, also not after a reset.
    pub number: u64,
    /// What was called.
    pub operation: Operation,
    /// The model id, percent-decoded; for ApplyGuardrail the id of the guardrail.
    pub model_id: String,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Whether an `Authorization` header came along.
    pub authorized: bool,
    /// The access key id that signed it; `None` without an AWS signature, as with bearer tokens.
    pub access_key_id: Option<String>,
    /// The `amz-sdk-invocation-id` header.
    pub sdk_invocation_id: Option<String>,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// How it ended.
    pub end: CallEnd,
}

/// How many calls there were since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls whose body was read.
    pub started: u64,
    /// Calls that ended as the emulator meant them to.
    pub finished: u64,
    /// Calls whose client went away.
    pub aborted: u64,
}

impl Counts {
    /// Calls that have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.started.saturating_sub(self.finished).saturating_sub(self.aborted)
    }
}

/// The records and counts, shared by every call.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Book {
    records: VecDeque<CallRecord>,
    body_bytes: usize,
    charges: Charges,
    counts: Counts,
    last_number: u64,
    /// Calls up to this number belong to the time before the last reset and are not counted.
    reset_at: u64,
}

impl Calls {
    /// Records a call and hands out the guard that will record its end.
    pub(crate) fn begin(
        self: &Arc<Self>,
        operation: Operation,
        model_id: String,
        headers: &HeaderMap,
        body: Bytes,
    ) -> OpenCall {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let record = CallRecord {
            number: 0,
            operation,
            model_id,
            body,
            authorized: headers.contains_key(http::header::AUTHORIZATION),
            access_key_id: Signer::of(headers).map(|signer| signer.access_key_id.to_owned()),
            sdk_invocation_id: text("amz-sdk-invocation-id"),
            accept: text("accept"),
            end: CallEnd::Open,
        };
        let number = self.book().add(record);
        self.changed.notify_waiters();
        OpenCall { calls: Arc::clone(self), number, ended: false }
    }

    /// The calls kept, oldest first.
    pub(crate) fn records(&self) -> Vec<CallRecord> {
        self.book().records.iter().cloned().collect()
    }

    /// The counts of this moment.
    pub(crate) fn counts(&self) -> Counts {
        self.book().counts
    }

    /// What the calls that have ended used, in the order in which they came.
    pub(crate) fn charges(&self) -> Vec<Charge> {
        self.book().charges.settled()
    }

    /// The number of the last call that came.
    pub(crate) fn last_number(&self) -> u64 {
        self.book().last_number
    }

    /// Forgets every record, charge and count. Calls still open will not be counted when they end.
    pub(crate) fn reset(&self) {
        let mut book = self.book();
        *book = Book { last_number: book.last_number, reset_at: book.last_number, ..Book::default() };
        drop(book);
        self.changed.notify_waiters();
    }

    /// Waits until the counts satisfy the condition; returns at once when they already do.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&Counts) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that no change falls between the look and the wait.
            changed.as_mut().enable();
            if condition(&self.counts()) {
                return;
            }
            changed.await;
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn add(&mut self, mut record: CallRecord) -> u64 {
        self.last_number += 1;
        record.number = self.last_number;
        self.counts.started += 1;
        self.body_bytes += record.body.len();
        self.records.push_back(record);
        while self.records.len() > MAX_CALLS || (self.body_bytes > MAX_BODY_BYTES && self.records.len() > 1) {
            if let Some(oldest) = self.records.pop_front() {
                self.body_bytes -= oldest.body.len();
            }
        }
        self.last_number
    }

    fn charge(&mut self, number: u64, charge: Charge) {
        if number > self.reset_at {
            self.charges.add(number, charge);
        }
    }

    fn end(&mut self, number: u64, end: CallEnd) {
        if number <= self.reset_at {
            return;
        }
        match end {
            CallEnd::Aborted => self.counts.aborted += 1,
            CallEnd::Finished | CallEnd::Open => self.counts.finished += 1,
        }
        let aborted = end == CallEnd::Aborted;
        self.charges.settle(number, if aborted { ChargeEnd::Aborted } else { ChargeEnd::Finished });
        let first = self.records.front().map_or(u64::MAX, |record| record.number);
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(record) = index.and_then(|index| self.records.get_mut(index)) {
            record.end = end;
        }
    }
}

/// A call under way. Dropping it unfinished means that the client went away: hyper drops the response
/// future, or the body, the moment the connection or the h2 stream closes.
#[derive(Debug)]
pub(crate) struct OpenCall {
    calls: Arc<Calls>,
    number: u64,
    ended: bool,
}

impl OpenCall {
    /// The call's number in the book.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Notes what the call uses. It is on the bill once the call has ended, however it does.
    pub(crate) fn charge(&self, charge: Charge) {
        self.calls.book().charge(self.number, charge);
    }

    /// Notes that a scripted fault spoils the answer, with the exception's name where there is one.
    pub(crate) fn spoil(&self, exception: Option<String>) {
        self.calls.book().charges.settle(self.number, ChargeEnd::Failed(exception));
    }

    /// Records that the emulator gave all it meant to give.
    pub(crate) fn finish(&mut self) {
        self.end(CallEnd::Finished);
    }

    fn end(&mut self, end: CallEnd) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.calls.book().end(self.number, end);
        self.calls.changed.notify_waiters();
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.end(CallEnd::Aborted);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn begin(calls: &Arc<Calls>) -> OpenCall {
        calls.begin(Operation::Converse, "m".to_owned(), &HeaderMap::new(), Bytes::from_static(b"{}"))
    }

    #[test]
    fn a_dropped_call_is_aborted_and_a_finished_one_is_not() {
        let calls = Arc::new(Calls::default());
        begin(&calls).finish();
        drop(begin(&calls));
        let open = begin(&calls);
        assert_eq!(calls.counts(), Counts { started: 3, finished: 1, aborted: 1 });
        assert_eq!(calls.counts().open(), 1);
        let ends: Vec<_> = calls.records().iter().map(|record| record.end).collect();
        assert_eq!(ends, [CallEnd::Finished, CallEnd::Aborted, CallEnd::Open]);
        drop(open);
    }

    #[test]
    fn only_the_last_thousand_are_kept() {
        let calls = Arc::new(Calls::default());
        for _ in 0..1_010 {
            begin(&calls).finish();
        }
        let records = calls.records();
        assert_eq!(records.len(), 1_000);
        assert_eq!(records.first().unwrap().number, 11);
        assert!(records.iter().all(|record| record.end == CallEnd::Finished));
    }

    #[test]
    fn a_call_from_before_a_reset_is_not_counted() {
        let calls = Arc::new(Calls::default());
        let open = begin(&calls);
        calls.reset();
        drop(open);
        assert_eq!(calls.counts(), Counts::default());
        begin(&calls).finish();
        assert_eq!(calls.counts(), Counts { started: 1, finished: 1, aborted: 0 });
    }

    #[tokio::test]
    async fn wait_for_wakes_on_the_change() {
        let calls = Arc::new(Calls::default());
        let open = begin(&calls);
        let waiting = calls.wait_for(|counts| counts.aborted == 1);
        let ((), ()) = tokio::join!(waiting, async { drop(open) });
    }
}
