//! A call to the upstream's request: which operation, which route, which bytes.

use bedrock_inference_adapters::contract::{
    AdapterError, AdapterErrorKind, BedrockMeter, Capability, Content, ConverseCall, Encoded, Mode, Refusals,
    RouteRule, Wire,
};
use bedrock_inference_adapters::converse;
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{ApplyGuardrailRequest, Route};

use super::reading::Reading;
use crate::call::{Call, InvokeCall, Request as Asked};
use crate::catalog::{Entry, Target};
use crate::config::RouteSetting;
use crate::error::Error;
use crate::upstream::{Operation, Request};

/// The upstream's request for an attempt's target, and what will read its reply.
///
/// # Errors
/// `INVALID_REQUEST` with every member that the wire cannot say.
pub(super) fn encode(call: &Call, route: RouteSetting) -> Result<(Request, Reading), Error> {
    let target = call.target()?;
    match &*call.request {
        Asked::Converse(conversation) => converse(call, target, conversation, route),
        Asked::Invoke(native) => invoke(call, target, native),
        Asked::CountTokens(count) => {
            let body = codec::write(&**count).map_err(AdapterError::from)?;
            Ok((
                request(Operation::CountTokens, target, body),
                Reading::raw(Box::new(BedrockMeter::default()), true),
            ))
        }
        Asked::ApplyGuardrail(verdict) => guardrail(target, verdict),
    }
}

fn converse(
    call: &Call,
    target: &Target,
    conversation: &ConverseCall,
    route: RouteSetting,
) -> Result<(Request, Reading), Error> {
    let (encoded, route, reason) = choose(target.entry()?, conversation, call.route, route)?;
    note_route(call, route, &reason);
    let (operation, body) = match (encoded.wire, conversation.mode) {
        (Wire::Converse { body }, Mode::Unary) => (Operation::Converse, body),
        (Wire::Converse { body }, Mode::Stream) => (Operation::ConverseStream, body),
        (Wire::Invoke { body, headers }, Mode::Unary) => (Operation::InvokeModel(headers), body),
        (Wire::Invoke { body, headers }, Mode::Stream) => (Operation::InvokeModelStream(headers), body),
    };
    Ok((request(operation, target, body), Reading::decoded(encoded.decoder)))
}

/// What a conversation becomes, by which route, and why by that one.
type Chosen = (Encoded, Route, String);

fn choose(
    entry: &Entry,
    conversation: &ConverseCall,
    insisted: Route,
    setting: RouteSetting,
) -> Result<Chosen, Error> {
    let model = &entry.model;
    let (wanted, reason) = match (insisted, model.route, setting) {
        (Route::Native, ..) => (Route::Native, "the call asks for it"),
        (Route::Converse, ..) => (Route::Converse, "the call asks for it"),
        (_, Some(RouteRule::Native), _) => (Route::Native, "the catalogue asks for it"),
        (_, Some(RouteRule::Converse), _) => (Route::Converse, "the catalogue asks for it"),
        (.., RouteSetting::Native) => (Route::Native, "the configuration asks for it"),
        (.., RouteSetting::Converse) => (Route::Converse, "the configuration asks for it"),
        _ if !model.may(Capability::Invoke) => (Route::Converse, "InvokeModel does not take the model"),
        _ if !entry.adapter.converses() => (Route::Converse, "the family has no native adapter"),
        _ => return native_if_listed(entry, conversation),
    };
    let encoded = match wanted {
        Route::Native if !model.may(Capability::Invoke) => Err(Refusals::only(
            "modelId",
            "names a model that InvokeModel does not take; call it by Converse",
        )),
        Route::Native => entry.adapter.encode(model, conversation),
        _ => converse::encode(conversation),
    };
    Ok((encoded?, wanted, reason.to_owned()))
}

/// The gateway's own choice: native where everything is on the adapter's tested list.
fn native_if_listed(entry: &Entry, conversation: &ConverseCall) -> Result<Chosen, Error> {
    let family = entry.adapter.family();
    match entry.adapter.encode(&entry.model, conversation) {
        Ok(encoded) => {
            Ok((encoded, Route::Native, format!("every member is on the list of the {family} adapter")))
        }
        Err(AdapterError { kind: AdapterErrorKind::Unsupported(missing), .. }) => {
            let first = missing.first().map(|violation| violation.path.as_str()).unwrap_or_default();
            let reason = format!("{first} is not on the list of the {family} adapter");
            Ok((converse::encode(conversation)?, Route::Converse, reason))
        }
        Err(error) => Err(error.into()),
    }
}

fn invoke(call: &Call, target: &Target, native: &InvokeCall) -> Result<(Request, Reading), Error> {
    let entry = target.entry()?;
    note_route(call, Route::Native, "the body is native");
    let operation = match native.mode {
        Mode::Unary => Operation::InvokeModel(native.headers.clone()),
        Mode::Stream => Operation::InvokeModelStream(native.headers.clone()),
    };
    let meter = entry.adapter.meter(&entry.model);
    let json = native.headers.accept.as_deref().is_none_or(|accept| accept == "application/json");
    Ok((request(operation, target, native.body.clone()), Reading::raw(meter, json)))
}

fn guardrail(target: &Target, verdict: &ApplyGuardrailRequest) -> Result<(Request, Reading), Error> {
    // Both are set: a request without them has been refused.
    let identifier = verdict.guardrail_identifier.clone().unwrap_or_default();
    let version = verdict.guardrail_version.clone().unwrap_or_default();
    let body = codec::write(verdict).map_err(AdapterError::from)?;
    let operation = Operation::ApplyGuardrail { identifier, version };
    Ok((request(operation, target, body), Reading::raw(Box::new(BedrockMeter::default()), true)))
}

fn note_route(call: &Call, route: Route, reason: &str) {
    call.report.route(call.attempt, route, reason);
}

fn request(operation: Operation, target: &Target, body: impl Into<Content>) -> Request {
    Request {
        operation,
        model_id: target.model_id.clone(),
        region: target.region.clone(),
        role: target.role.clone(),
        body: body.into(),
    }
}
