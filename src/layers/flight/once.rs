//! Once: what makes a call the same as an earlier one of its tenant, under the caller's own id.

use aws_lc_rs::digest::{Context, SHA256};
use bedrock_inference_adapters::contract::{ConverseCall, InvokeHeaders};
use bedrock_inference_proto::v1::Route;
use prost::Message;

use super::table::{Key, Name, Print};
use crate::call::{Call, InvokeCall, Request};
use crate::config::IdempotencySettings;
use crate::error::{Error, Reason};

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
