//! Once: calls that are made once under an id of their caller's: what makes two of them the same, and what is stored of them.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bedrock_inference_adapters::contract::{ConverseCall, Event, InvokeHeaders};
use bedrock_inference_proto::v1::Route;
use prost::Message;

use super::past::Past;
use super::table::{Key, Name, Print};
use crate::call::{Call, InvokeCall, Report, Request};
use crate::config::IdempotencySettings;
use crate::error::{Billed, Error, Reason};
use crate::ledger::{Claim, Claimed, Ledger, Outcome};
use crate::principal::TenantId;

/// The key of a call that is made once, and what has to be the same when it comes again; `None` for one that has no id of
/// its caller's, and for one that costs nothing.
pub(super) fn key(call: &Call, settings: IdempotencySettings) -> Option<(Key, Print)> {
    if !call.is_named || settings.window.is_zero() || matches!(*call.request, Request::CountTokens(_)) {
        return None;
    }
    let name = Name::RequestId(call.request_id.clone());
    Some((Key::new(call.principal.tenant(), name), print(call)))
}

/// Another request has this id.
pub(super) fn reused() -> Error {
    let context =
        "options.requestId is that of an earlier call with another request; a new call needs a new id";
    Error::new(Reason::IdempotencyKeyReused, context)
}

/// The call is under way, and cannot be joined, for this reason.
pub(super) fn in_flight(why: &str) -> Error {
    let context = format!("the call with this options.requestId is under way, and {why}");
    Error::new(Reason::IdempotencyInFlight, context)
}

/// What the answer depends on, as the tenant's policy left it: the RPC, the model that was asked for, the request, and the
/// options that choose who answers it.
fn print(call: &Call) -> Print {
    let mut hash = Hash(Context::new(&SHA256));
    hash.text(call.request.operation());
    hash.text(&call.model_asked);
    hash.text(Route::as_str_name(&call.route));
    hash.number(call.fallback_models.len());
    call.fallback_models.iter().for_each(|(_, model)| hash.text(model));
    match &*call.request {
        Request::Converse(call) => {
            let ConverseCall { request, mode: _ } = &**call;
            let mut request = request.clone();
            request.options = None;
            hash.bytes(&request.encode_to_vec());
        }
        Request::Invoke(call) => {
            let InvokeCall { body, headers, mode: _ } = &**call;
            hash.bytes(body);
            hash.headers(headers);
        }
        Request::CountTokens(count) => {
            let mut count = count.clone();
            count.options = None;
            hash.bytes(&count.encode_to_vec());
        }
        Request::ApplyGuardrail(verdict) => {
            let mut verdict = verdict.clone();
            verdict.options = None;
            hash.bytes(&verdict.encode_to_vec());
        }
    }
    hash.end()
}

/// Takes parts each with its length before it, so that no two lists of parts are the same bytes.
struct Hash(Context);

impl Hash {
    fn number(&mut self, number: usize) {
        self.0.update(&u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn headers(&mut self, headers: &InvokeHeaders) {
        for (name, value) in headers.all() {
            self.text(name);
            self.number(value.iter().len());
            value.iter().for_each(|value| self.text(value));
        }
    }

    fn end(self) -> Print {
        let mut print = Print::default();
        print.iter_mut().zip(self.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        print
    }
}

/// A call that is made once: claimed before it is made, ended behind it.
#[derive(Debug)]
pub(super) struct Once {
    pub(super) ledger: Ledger,
    pub(super) tenant: TenantId,
    pub(super) request_id: String,
    pub(super) print: Print,
    pub(super) window: Duration,
}

/// What becomes of a call that is made once.
pub(super) enum Begun {
    /// It is the first one.
    First(Held),
    /// It has been answered before.
    Past(Box<Past>),
}

impl Once {
    /// Claims the call, so that nobody else makes it, here or in another replica, now or after a crash.
    ///
    /// # Errors
    /// Somebody has it and there is no answer, or it cannot be written down now.
    pub(super) async fn begin(&self, report: &Report) -> Result<Begun, Error> {
        let Self { ledger, tenant, request_id, print, window } = self;
        let claimed = ledger.claim(tenant, request_id, print, *window).await;
        match claimed.map_err(|_| Error::unrecorded())? {
            Claimed::First(claim) => Ok(Begun::First(Held { claim: Some(claim), report: report.clone() })),
            Claimed::Kept(body) => {
                // What an older or newer version has stored is paid all the same.
                Past::decode(&body).map(Box::new).map(Begun::Past).ok_or_else(|| no_result("OK"))
            }
            Claimed::Lost(outcome) => Err(no_result(&outcome)),
            Claimed::Flying => Err(in_flight("by another replica, or has just ended")),
            Claimed::Other => Err(reused()),
        }
    }
}

/// The call may have been paid, and its answer is not there.
fn no_result(outcome: &str) -> Error {
    let context = format!(
        "the first call with this options.requestId may have been paid, and there is no answer of it (it ended with \
         {outcome}); a new id makes a new call"
    );
    Error::new(Reason::IdempotencyNoResult, context)
}

/// A claim of a call under way. Dropped, its id is free where nothing was sent, and else lost.
#[derive(Debug)]
pub(super) struct Held {
    /// `None` once it has ended.
    claim: Option<Claim>,
    /// The flight's.
    report: Report,
}

impl Held {
    /// Keeps the answer, or what is known of the failure. Returns when that is durable, or cannot be for now.
    pub(super) async fn end(mut self, end: &Result<(), Error>, events: Option<Vec<Event>>) {
        let outcome = match (end, events) {
            (Ok(()), Some(events)) => {
                let past = Past { report: self.report.finish(), events };
                Outcome::Kept(past.encode().into())
            }
            (Ok(()), None) => Outcome::Lost("OK".to_owned()),
            (Err(error), _) if self.cost_nothing(error) => Outcome::Free,
            (Err(error), _) => Outcome::Lost(error.reason.name(error.partial.is_some())),
        };
        if let Some(claim) = self.claim.take() {
            claim.end(outcome).await;
        }
    }

    fn cost_nothing(&self, error: &Error) -> bool {
        !self.report.was_dispatched() || (error.partial.is_none() && error.billed == Billed::Nothing)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take()
            && self.report.was_dispatched()
        {
            // Nobody is left to wait until it is durable.
            drop(claim.end(Outcome::Lost("CANCELLED".to_owned())));
        }
    }
}
