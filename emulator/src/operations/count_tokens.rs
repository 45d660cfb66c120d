//! CountTokens: what a call with the same content would report as its input.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Body, Call, read_object};
use crate::errors::{Failure, Outcome};
use crate::prompt::{Invocation, parse_converse, parse_native};
use crate::server::Shared;
use crate::tokens;

/// The members of a Converse request that may be counted.
const CONVERSE_MEMBERS: &[&str] = &["messages", "system", "toolConfig", "additionalModelRequestFields"];

/// The response body.
pub(super) fn count(shared: &Shared, call: &Call, mut body: Body) -> Outcome<Value> {
    let model = shared.catalogue.resolve_for_counting(&call.id)?;
    let input = match body.remove("input") {
        Some(Value::Object(input)) if body.is_empty() => input,
        _ => return Err(Failure::malformed("expected one member, the object `input`")),
    };
    let mut members = input.into_iter();
    let prompt = match (members.next(), members.next()) {
        (Some((kind, Value::Object(members))), None) if kind == "converse" => {
            if let Some(name) = members.keys().find(|name| !CONVERSE_MEMBERS.contains(&name.as_str())) {
                return Err(Failure::malformed(format!("extraneous key [{name}] is not permitted")));
            }
            parse_converse(model, members)?
        }
        (Some((kind, Value::Object(mut members))), None) if kind == "invokeModel" => {
            parse_native(model, native_body(&mut members)?, Invocation::default())?
        }
        _ => {
            return Err(Failure::validation(
                "CountTokensInput must set exactly one of the following keys: invokeModel, converse.",
            ));
        }
    };
    Ok(json!({"inputTokens": tokens::of_prompt(&prompt)}))
}

/// The native body, which comes as base64 inside the JSON.
fn native_body(members: &mut Body) -> Outcome<Body> {
    let encoded = members.remove("body");
    let decoded = encoded.as_ref().and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let bytes = decoded
        .ok_or_else(|| Failure::validation("The value at input.invokeModel.body is not valid base64."))?;
    read_object(&bytes)
}
