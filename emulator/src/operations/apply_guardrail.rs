//! ApplyGuardrail: the guardrail without a model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Body, Call};
use crate::charges::Charge;
use crate::errors::{Failure, Outcome};
use crate::guardrail::{self, Content, Side};
use crate::prompt::{GuardrailRequest, TraceLevel};
use crate::server::Shared;

const QUALIFIERS: &[&str] = &["grounding_source", "query", "guard_content"];

/// The response body.
pub(super) fn apply(shared: &Shared, call: &Call, mut body: Body) -> Outcome<Value> {
    let side = match word(&mut body, "source", &["INPUT", "OUTPUT"])?.as_deref() {
        Some("INPUT") => Side::Input,
        Some(_) => Side::Output,
        None => return Err(missing("source")),
    };
    let scope = word(&mut body, "outputScope", &["INTERVENTIONS", "FULL"])?;
    let content = match body.remove("content") {
        Some(Value::Array(items)) if !items.is_empty() => items,
        _ => return Err(missing("content")),
    };
    if let Some(name) = body.keys().next() {
        return Err(Failure::malformed(format!("extraneous key [{name}] is not permitted")));
    }
    let content: Vec<Content> =
        content.into_iter().enumerate().map(|(index, item)| block(index, item)).collect::<Outcome<_>>()?;
    let request = GuardrailRequest {
        identifier: call.id.clone(),
        version: call.version.clone().unwrap_or_default(),
        trace: if scope.as_deref() == Some("FULL") { TraceLevel::Full } else { TraceLevel::Enabled },
        asynchronous: false,
    };
    let (response, units) = guardrail::apply(&request, &shared.region, side, &content)?;
    call.open.charge(Charge { units, ..call.charge(shared) });
    Ok(response)
}

fn missing(name: &str) -> Failure {
    Failure::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null or \
         empty"
    ))
}

fn word(body: &mut Body, name: &str, words: &[&str]) -> Outcome<Option<String>> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(found)) if words.contains(&found.as_str()) => Ok(Some(found)),
        Some(found) => Err(Failure::validation(format!(
            "1 validation error detected: Value '{found}' at '{name}' failed to satisfy constraint: Member must \
             satisfy enum value set: [{}]",
            words.join(", ")
        ))),
    }
}

/// Reads one `GuardrailContentBlock`: a union of a text and an image.
fn block(index: usize, value: Value) -> Outcome<Content> {
    let at = format!("content.{index}");
    let Value::Object(mut union) = value else { return Err(missing(&at)) };
    match (union.remove("text"), union.remove("image"), union.is_empty()) {
        (Some(Value::Object(text)), None, true) => text_block(&at, text),
        (None, Some(Value::Object(image)), true) => image_block(&at, &image),
        _ => Err(Failure::validation(format!(
            "GuardrailContentBlock object at {at} must set exactly one of the following keys: text, image."
        ))),
    }
}

fn text_block(at: &str, mut members: Map<String, Value>) -> Outcome<Content> {
    let Some(Value::String(text)) = members.remove("text") else {
        return Err(missing(&format!("{at}.text.text")));
    };
    let qualifiers = match members.remove("qualifiers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(missing(&format!("{at}.text.qualifiers"))),
    };
    let known = |item: &Value| item.as_str().is_some_and(|word| QUALIFIERS.contains(&word));
    if let Some(other) = qualifiers.iter().find(|item| !known(item)) {
        return Err(Failure::validation(format!(
            "1 validation error detected: Value '{other}' at '{at}.text.qualifiers' failed to satisfy constraint: \
             Member must satisfy enum value set: [{}]",
            QUALIFIERS.join(", ")
        )));
    }
    // A source or a query serves the grounding check alone, unless it is also marked as content.
    let guarded = qualifiers.is_empty() || qualifiers.iter().any(|item| item == "guard_content");
    Ok(Content::Text { text, guarded })
}

fn image_block(at: &str, members: &Map<String, Value>) -> Outcome<Content> {
    let format = members.get("format").and_then(Value::as_str);
    let bytes = members.get("source").and_then(|source| source.get("bytes")).and_then(Value::as_str);
    let readable = bytes.and_then(|bytes| STANDARD.decode(bytes).ok()).is_some_and(|bytes| !bytes.is_empty());
    if !matches!(format, Some("png" | "jpeg")) || !readable {
        return Err(Failure::validation(format!(
            "The image at {at} is invalid: expected the format png or jpeg and base64 bytes."
        )));
    }
    Ok(Content::Image)
}
