//! Writes a call as a Nova body. Blocks, tools and settings are Converse's own, so the codec writes them.

mod tested;

use std::collections::BTreeMap;

use bedrock_inference_proto::codec::{self, Shape, Violation, document_to_json};
use bedrock_inference_proto::v1::ConverseStreamRequest;
use serde_json::value::RawValue;

use crate::contract::{AdapterError, Capability, InvokeHeaders, Model, Refusals, Wire};

const ADDITIONAL: &str = "additionalModelRequestFields";

/// The body and the headers of a call.
///
/// # Errors
/// `Unsupported` with every member that is not on the tested list.
pub(super) fn wire(model: &Model, request: &ConverseStreamRequest) -> Result<Wire, AdapterError> {
    let mut refusals = Refusals::default();
    tested::check(model, request, &mut refusals);
    let additional = Additional::read(model, request, &mut refusals);
    let mut body = Body { json: br#"{"schemaVersion":"messages-v1""#.to_vec(), refusals };
    body.list("system", &request.system);
    body.list("messages", &request.messages);
    if let Some(config) = inference_config(request, &additional, &mut body.refusals) {
        body.member("inferenceConfig", &config);
    }
    if let Some(config) = &request.tool_config {
        let config = written("toolConfig", config, &mut body.refusals);
        body.member("toolConfig", &config);
    }
    body.refusals.finish()?;
    body.json.push(b'}');
    Ok(Wire::Invoke { body: body.json.into(), headers: InvokeHeaders::of(request) })
}

/// The body so far, open at its end.
struct Body {
    json: Vec<u8>,
    refusals: Refusals,
}

impl Body {
    fn member(&mut self, name: &str, value: &[u8]) {
        self.key(name);
        self.json.extend_from_slice(value);
    }

    /// Writes a list where it has entries.
    fn list<T: Shape>(&mut self, name: &str, entries: &[T]) {
        if entries.is_empty() {
            return;
        }
        self.key(name);
        for (index, entry) in entries.iter().enumerate() {
            self.json.push(if index == 0 { b'[' } else { b',' });
            let entry = written(&format!("{name}[{index}]"), entry, &mut self.refusals);
            self.json.extend_from_slice(&entry);
        }
        self.json.push(b']');
    }

    fn key(&mut self, name: &str) {
        self.json.extend_from_slice(format!(",\"{name}\":").as_bytes());
    }
}

/// What the codec writes; nothing where it refuses, which is then noted with the path from the body's root.
fn written<T: Shape>(path: &str, value: &T, refusals: &mut Refusals) -> Vec<u8> {
    codec::write(value).unwrap_or_else(|violations| {
        for Violation { path: inner, description } in violations {
            let dot = if inner.is_empty() { "" } else { "." };
            refusals.refuse(format!("{path}{dot}{inner}"), description);
        }
        Vec::new()
    })
}

/// Converse's own settings, and those that Converse takes as additional fields.
fn inference_config(
    request: &ConverseStreamRequest,
    additional: &Additional,
    refusals: &mut Refusals,
) -> Option<Vec<u8>> {
    let own = [("topK", &additional.top_k), ("reasoningConfig", &additional.reasoning_config)];
    if request.inference_config.is_none() && own.iter().all(|(_, json)| json.is_none()) {
        return None;
    }
    let mut config = match &request.inference_config {
        Some(config) => written("inferenceConfig", config, refusals),
        None => b"{}".to_vec(),
    };
    config.pop();
    for (name, json) in own {
        if let Some(json) = json {
            let comma = if config.len() > 1 { "," } else { "" };
            config.extend_from_slice(format!("{comma}\"{name}\":{json}").as_bytes());
        }
    }
    config.push(b'}');
    Some(config)
}

/// What additionalModelRequestFields holds for Nova, as JSON text.
#[derive(Default)]
struct Additional {
    top_k: Option<String>,
    reasoning_config: Option<String>,
}

impl Additional {
    fn read(model: &Model, request: &ConverseStreamRequest, refusals: &mut Refusals) -> Self {
        let value = || request.additional_model_request_fields.as_ref().map(document_to_json);
        let mut additional = Self::default();
        let Some(json) = request.additional_model_request_fields_text.clone().or_else(value) else {
            return additional;
        };
        for (name, json) in members(ADDITIONAL, &json, refusals) {
            let path = format!("{ADDITIONAL}.{name}");
            match name.as_str() {
                "inferenceConfig" => additional.read_inference_config(&path, json.get(), refusals),
                "reasoningConfig" if model.can(Capability::Reasoning) => {
                    additional.reasoning_config = Some(json.get().to_owned());
                }
                "reasoningConfig" => refusals.refuse(path, "is taken natively by reasoning models only"),
                _ => refusals.refuse(path, "is not known to stand in Nova's native body"),
            }
        }
        additional
    }

    fn read_inference_config(&mut self, path: &str, json: &str, refusals: &mut Refusals) {
        for (name, json) in members(path, json, refusals) {
            match name.as_str() {
                "topK" => self.top_k = Some(json.get().to_owned()),
                _ => refusals.refuse(format!("{path}.{name}"), "is not known to stand in Nova's native body"),
            }
        }
    }
}

/// The members of a JSON object; none where it is something else, which is then noted.
fn members<'j>(path: &str, json: &'j str, refusals: &mut Refusals) -> BTreeMap<String, &'j RawValue> {
    serde_json::from_str(json).unwrap_or_else(|_| {
        refusals.refuse(path, "is not a JSON object");
        BTreeMap::new()
    })
}
