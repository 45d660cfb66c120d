//! Answers calls to models: the fault first, then parse, answer, guard, account, render.

mod converse;
mod converse_shapes;
mod converse_stream;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use crate::answer::{self, Answer, Usage};
use crate::calls::{OpenCall, Operation};
use crate::errors::{Failure, Outcome};
use crate::event_body::{Clock, Event, EventBody, Events, broken_off};
use crate::faults::Fault;
use crate::guardrail;
use crate::models::Family;
use crate::pace::Pace;
use crate::prompt::{Prompt, parse_converse};
use crate::reply::{self, JSON, ReplyBody};
use crate::server::Shared;

/// One call, read and recorded.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Percent-decoded.
    pub(crate) model_id: String,
    pub(crate) body: Bytes,
    pub(crate) arrived: Instant,
    pub(crate) open: OpenCall,
}

/// A prompt with its answer, ready to be rendered.
#[derive(Debug)]
struct Completion {
    prompt: Prompt,
    answer: Answer,
    usage: Usage,
    /// The `trace.guardrail` member, when a trace was asked for.
    guardrail_trace: Option<Value>,
    /// The pace that was in force when the call arrived.
    pace: Pace,
}

impl Completion {
    /// How long the whole answer takes at the pace in force, in milliseconds.
    fn latency_ms(&self) -> u64 {
        u64::try_from(self.pace.time_of(f64::from(self.usage.output)).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Answers a call, or fails it as scripted. An error breaks the connection.
pub(crate) async fn answer(shared: &Arc<Shared>, call: Call) -> io::Result<Response<ReplyBody>> {
    let body = read_object(&call.body);
    let fault = match own_fault(&body) {
        Some(Err(failure)) => return Ok(reply::refusal(&failure, Some(call.open))),
        Some(Ok(fault)) => Some(fault),
        None => shared.script.take(),
    };
    let streams = call.operation == Operation::ConverseStream;
    match fault {
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
        Some(Fault::Reply(body)) => Ok(reply::whole(StatusCode::OK, JSON, body.to_string(), Some(call.open))),
        Some(Fault::Events(events)) => Ok(stream(shared, scripted(events), None, Pace::default(), call)),
        Some(ref fault @ Fault::Exception { after, .. }) if after.is_none() || !streams => {
            let failure = fault.failure().unwrap_or_else(|| Failure::validation("no failure"));
            Ok(reply::refusal(&failure, Some(call.open)))
        }
        fault => match body.and_then(|body| complete(shared, &call, body)) {
            Err(failure) => Ok(reply::refusal(&failure, Some(call.open))),
            Ok(completion) if streams => {
                let pace = completion.pace;
                Ok(stream(shared, Box::new(converse_stream::events(completion)), fault, pace, call))
            }
            Ok(completion) => Ok(unary(&completion, fault, call).await),
        },
    }
}

/// What a proxy in the way might say.
const GARBAGE: &str =
    "<html><head><title>Hello</title></head><body>This is not the service you meant.</body></html>";

fn read_object(body: &[u8]) -> Outcome<Map<String, Value>> {
    let malformed = |reason: String| {
        Failure::validation(format!(
            "Malformed input request: {reason}, please reformat your input and try again."
        ))
    };
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(malformed("the body is not a JSON object".to_owned())),
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// The fault that the call asks for itself, in its `requestMetadata`.
fn own_fault(body: &Outcome<Map<String, Value>>) -> Option<Outcome<Fault>> {
    let text = body.as_ref().ok()?.get("requestMetadata")?.get("emulator-fault")?.as_str()?;
    Some(text.parse::<Fault>().map_err(|error| Failure::validation(error.to_string())))
}

/// Parses, answers, guards and accounts.
fn complete(shared: &Shared, call: &Call, body: Map<String, Value>) -> Outcome<Completion> {
    let model = shared.catalogue.resolve(&call.model_id)?;
    let streams = call.operation == Operation::ConverseStream;
    if streams && !model.supports.streaming {
        return Err(Failure::validation("The model is unsupported for streaming."));
    }
    let prompt = parse_converse(model, body)?;
    let guarded = guardrail::answer(&prompt, &shared.region, streams, || {
        let input = shared.prompt_cache.account(&prompt, call.arrived);
        check_context(&prompt, input.plain.saturating_add(input.read))?;
        Ok((answer::compose(&prompt), input))
    })?;
    let guardrail::Guarded { answer, input, trace } = guarded;
    // An input that was blocked never reached the model, so nobody pays for the blocked message.
    let usage = input.map_or_else(Usage::default, |input| Usage { input, output: answer.tokens() });
    Ok(Completion { prompt, answer, usage, guardrail_trace: trace, pace: shared.pace.get() })
}

/// Every family says it differently when the context window is too small.
fn check_context(prompt: &Prompt, tokens: u32) -> Outcome<()> {
    let limit = prompt.model.max_input_tokens;
    if tokens <= limit {
        return Ok(());
    }
    Err(match prompt.model.family {
        Family::Claude => {
            Failure::from_model(format!("prompt is too long: {tokens} tokens > {limit} maximum"))
        }
        Family::Nova => Failure::from_model(format!(
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length of {limit}"
        )),
        Family::TitanText => Failure::from_model("Input is too long for requested model."),
    })
}

/// A unary response, after the time the model would have taken.
async fn unary(completion: &Completion, fault: Option<Fault>, call: Call) -> Response<ReplyBody> {
    if !completion.pace.is_immediate() {
        sleep_until(call.arrived + completion.pace.time_of(f64::from(completion.usage.output))).await;
    }
    let mut body = converse::body(completion);
    if matches!(fault, Some(Fault::Cut(_) | Fault::CutMidFrame(_))) {
        body.truncate(body.len() / 2);
    }
    reply::whole(StatusCode::OK, JSON, body, Some(call.open))
}

fn stream(
    shared: &Shared,
    events: Events,
    fault: Option<Fault>,
    pace: Pace,
    call: Call,
) -> Response<ReplyBody> {
    let clock = Clock::new(call.arrived, pace);
    reply::events(EventBody::new(events, fault, clock, shared.stopping.clone(), call.open))
}

fn scripted(events: Vec<(String, Value)>) -> Events {
    Box::new(events.into_iter().map(|(name, payload)| Event {
        name: name.into(),
        payload: payload.to_string().into(),
        tokens: 0.0,
    }))
}
