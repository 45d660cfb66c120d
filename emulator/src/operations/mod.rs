//! Answers calls: the fault first, then parse, answer, guard, account, render. One file an operation.

mod apply_guardrail;
mod completion;
mod converse;
mod converse_shapes;
mod converse_stream;
mod count_tokens;
mod invoke;
mod invoke_stream;
mod native;
mod padding;
mod speech;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use crate::answer::Usage;
use crate::calls::{OpenCall, Operation};
use crate::charges::{Charge, ChargeEnd};
use crate::errors::{Failure, Outcome};
use crate::event_body::{Clock, Event, EventBody, Events, broken_off};
use crate::faults::Fault;
use crate::guardrail::TextUnits;
use crate::pace::{self, Pace};
use crate::prompt::REQUEST_METADATA;
use crate::reply::{self, JSON, ReplyBody};
use crate::server::Shared;
use crate::signature::Signer;

use completion::complete;

/// A request body that is a JSON object, as that of every operation is.
type Body = Map<String, Value>;

/// One call, read and recorded.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// The model, or the guardrail of ApplyGuardrail; percent-decoded.
    pub(crate) id: String,
    /// The version of the guardrail; only ApplyGuardrail has one.
    pub(crate) version: Option<String>,
    pub(crate) request_id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) arrived: Instant,
    pub(crate) open: OpenCall,
}

impl Call {
    /// A charge for this call, before anything was used.
    fn charge(&self, shared: &Shared) -> Charge {
        let signer = Signer::of(&self.headers);
        let region = signer.and_then(|signer| signer.region).unwrap_or(&shared.region);
        Charge {
            request_id: self.request_id.clone(),
            model_id: self.id.clone(),
            region: region.to_owned(),
            operation: self.operation,
            service_tier: None,
            latency: None,
            usage: Usage::default(),
            units: TextUnits::default(),
            access_key_id: signer.map(|signer| signer.access_key_id.to_owned()),
            at: SystemTime::now(),
            end: ChargeEnd::Open,
        }
    }
}

/// A good answer, not yet on its way.
enum Rendering {
    Whole {
        body: Vec<u8>,
        headers: HeaderMap,
        /// How long after the request it is there.
        due: Duration,
    },
    Stream {
        events: Events,
        headers: HeaderMap,
        pace: Pace,
    },
}

/// Answers a call, or fails it as scripted. An error breaks the connection.
pub(crate) async fn answer(shared: &Arc<Shared>, call: Call) -> io::Result<Response<ReplyBody>> {
    let body = read_object(&call.body);
    let fault = match own_fault(&call.headers, &body) {
        Some(Err(failure)) => return Ok(reply::refusal(&failure, Some(call.open))),
        Some(Ok(fault)) => Some(fault),
        None => shared.script.take().or_else(|| shared.mix.draw(call.open.number())),
    };
    let streams = call.operation.streams();
    match fault {
        Some(Fault::Slow { by, after }) if after.is_none() || !streams => {
            // The model is asked before the pause: whoever does not wait for the answer pays for it too.
            let performed = body.and_then(|body| perform(shared, &call, body));
            pace::pause(by, shared.stopping.clone()).await;
            Ok(deliver(shared, performed, None, call).await)
        }
        Some(Fault::Stall(None)) => {
            shared.stopping.cancelled().await;
            Err(broken_off())
        }
        Some(Fault::Stall(_)) if !streams => {
            shared.stopping.cancelled().await;
            Err(broken_off())
        }
        Some(Fault::Reset(_)) if !streams => {
            let mut open = call.open;
            open.finish();
            Err(broken_off())
        }
        Some(Fault::Garbage) => Ok(reply::whole(StatusCode::OK, "text/html", GARBAGE, Some(call.open))),
        Some(Fault::Http(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            Ok(reply::whole(status, "text/html", GARBAGE, Some(call.open)))
        }
        Some(Fault::Reply(body)) => Ok(reply::whole(StatusCode::OK, JSON, body.to_string(), Some(call.open))),
        Some(Fault::Events(events)) => {
            let events = scripted(events, call.operation);
            let headers = stream_headers(call.operation);
            Ok(send(shared, Rendering::Stream { events, headers, pace: Pace::default() }, None, call).await)
        }
        Some(ref fault @ Fault::Exception { after, .. }) if after.is_none() || !streams => {
            let failure = fault.failure().unwrap_or_else(|| Failure::validation("no failure"));
            Ok(reply::refusal(&failure, Some(call.open)))
        }
        fault => {
            let performed = body.and_then(|body| perform(shared, &call, body));
            Ok(deliver(shared, performed, fault, call).await)
        }
    }
}

/// Sends what came out of a call: an answer or a refusal.
async fn deliver(
    shared: &Shared,
    performed: Outcome<Rendering>,
    fault: Option<Fault>,
    call: Call,
) -> Response<ReplyBody> {
    match performed {
        Err(failure) => reply::refusal(&failure, Some(call.open)),
        Ok(rendering) => send(shared, rendering, fault, call).await,
    }
}

/// What a proxy in the way might say.
const GARBAGE: &str =
    "<html><head><title>Hello</title></head><body>This is not the service you meant.</body></html>";

fn read_object(body: &[u8]) -> Outcome<Body> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Failure::malformed("the body is not a JSON object")),
        Err(error) => Err(Failure::malformed(error)),
    }
}

/// The fault that the call asks for itself: in the header of its metadata, or in its `requestMetadata`.
fn own_fault(headers: &HeaderMap, body: &Outcome<Body>) -> Option<Outcome<Fault>> {
    let name = "emulator-fault";
    let in_header = headers.get(REQUEST_METADATA).and_then(|header| {
        let metadata: Value = serde_json::from_slice(header.as_bytes()).ok()?;
        metadata.get(name)?.as_str().map(str::to_owned)
    });
    let in_body = || body.as_ref().ok()?.get("requestMetadata")?.get(name)?.as_str().map(str::to_owned);
    let text = in_header.or_else(in_body)?;
    Some(text.parse::<Fault>().map_err(|error| Failure::validation(error.to_string())))
}

/// Does what the operation is for.
fn perform(shared: &Shared, call: &Call, body: Body) -> Outcome<Rendering> {
    Ok(match call.operation {
        Operation::Converse => converse::rendering(&complete(shared, call, body)?),
        Operation::ConverseStream => converse_stream::rendering(complete(shared, call, body)?),
        Operation::InvokeModel => invoke::rendering(&complete(shared, call, body)?),
        Operation::InvokeModelWithResponseStream => invoke_stream::rendering(complete(shared, call, body)?),
        Operation::CountTokens => at_once(&count_tokens::count(shared, call, body)?),
        Operation::ApplyGuardrail => at_once(&apply_guardrail::apply(shared, call, body)?),
    })
}

/// The answer of an operation that wakes no model.
fn at_once(body: &Value) -> Rendering {
    Rendering::Whole {
        body: body.to_string().into_bytes(),
        headers: HeaderMap::new(),
        due: Duration::default(),
    }
}

/// Sends an answer at its time, with the faults that hit answers.
async fn send(
    shared: &Shared,
    rendering: Rendering,
    fault: Option<Fault>,
    call: Call,
) -> Response<ReplyBody> {
    match rendering {
        Rendering::Whole { mut body, headers, due } => {
            if !due.is_zero() {
                sleep_until(call.arrived + due).await;
            }
            let left = match fault {
                Some(Fault::Cut(_) | Fault::CutMidFrame(_)) => body.len() / 2,
                Some(Fault::CutByte(after)) => usize::try_from(after).unwrap_or(usize::MAX),
                _ => body.len(),
            };
            if left < body.len() {
                call.open.spoil(None);
                body.truncate(left);
            }
            let mut response = reply::whole(StatusCode::OK, JSON, body, Some(call.open));
            response.headers_mut().extend(headers);
            response
        }
        Rendering::Stream { events, headers, pace } => {
            let clock = Clock::new(call.arrived, pace);
            let body = EventBody::new(events, fault, clock, shared.stopping.clone(), call.open);
            let mut response = reply::events(body);
            response.headers_mut().extend(headers);
            response
        }
    }
}

/// The headers that every stream of the operation has.
fn stream_headers(operation: Operation) -> HeaderMap {
    match operation {
        Operation::InvokeModelWithResponseStream => invoke_stream::headers(),
        _ => HeaderMap::new(),
    }
}

/// Events as they were scripted; a `chunk` of InvokeModelWithResponseStream may be written as its plain JSON.
fn scripted(events: Vec<(String, Value)>, operation: Operation) -> Events {
    let wraps = operation == Operation::InvokeModelWithResponseStream;
    Box::new(events.into_iter().enumerate().map(move |(number, (name, payload))| {
        if wraps && name == invoke_stream::CHUNK && payload.get("bytes").is_none() {
            return invoke_stream::chunk(&payload, number);
        }
        Event { name: name.into(), payload: payload.to_string().into(), tokens: 0.0 }
    }))
}
