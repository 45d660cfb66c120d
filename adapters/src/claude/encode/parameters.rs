//! Parameters that Converse takes as members of the native request, and structured output.

use std::collections::BTreeMap;

use bedrock_inference_proto::codec::document_to_json;
use bedrock_inference_proto::v1::{self, ConverseStreamRequest, OutputFormat, output_format_structure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::place::Place;
use crate::contract::{CONVERSE_ONLY, Refusals};

const FIELDS: &str = "additionalModelRequestFields";

type Fields = BTreeMap<String, Box<RawValue>>;

/// The additional fields that are on the tested list; their values pass as they stand.
#[derive(Default)]
pub(super) struct Additional {
    pub(super) top_k: Option<Box<RawValue>>,
    pub(super) thinking: Option<Box<RawValue>>,
    pub(super) anthropic_beta: Option<Box<RawValue>>,
    pub(super) metadata: Option<Box<RawValue>>,
    pub(super) disable_parallel_tool_use: Option<bool>,
    /// Members of `output_config`.
    pub(super) output_config: Fields,
}

impl Additional {
    pub(super) fn read(request: &ConverseStreamRequest, refusals: &mut Refusals) -> Self {
        let text = request.additional_model_request_fields_text.clone();
        let value = request.additional_model_request_fields.as_ref();
        let Some(json) = text.or_else(|| value.map(document_to_json)) else { return Self::default() };
        let mut additional = Self::default();
        let Ok(fields) = serde_json::from_str::<Fields>(&json) else {
            refusals.refuse(FIELDS, "is not a JSON object");
            return additional;
        };
        for (name, value) in fields {
            additional.take(&name, value, refusals);
        }
        additional
    }

    fn take(&mut self, name: &str, value: Box<RawValue>, refusals: &mut Refusals) {
        let path = format!("{FIELDS}.{name}");
        match name {
            "top_k" => self.top_k = checked::<i64>(value, path, "is not an integer", refusals),
            "thinking" => self.thinking = checked::<Fields>(value, path, "is not an object", refusals),
            "metadata" => self.metadata = checked::<Fields>(value, path, "is not an object", refusals),
            "anthropic_beta" => {
                let description = "is not a list of strings";
                self.anthropic_beta = checked::<Vec<String>>(value, path, description, refusals);
            }
            "output_config" => {
                self.output_config = members(&value, &path, &["effort", "format"], refusals);
            }
            "tool_choice" => {
                let name = "disable_parallel_tool_use";
                let choice = members(&value, &path, &[name], refusals).remove(name);
                self.disable_parallel_tool_use = choice.and_then(|value| {
                    let flag = serde_json::from_str(value.get()).ok();
                    refusals.refuse_if(flag.is_none(), &format!("{path}.{name}"), "is not a boolean");
                    flag
                });
            }
            _ => refusals.refuse(path, "is not on the native route's list of tested fields"),
        }
    }
}

/// The value, where it reads as a `T`.
fn checked<T: for<'v> Deserialize<'v>>(
    value: Box<RawValue>,
    path: String,
    description: &str,
    refusals: &mut Refusals,
) -> Option<Box<RawValue>> {
    let good = serde_json::from_str::<T>(value.get()).is_ok();
    refusals.refuse_if(!good, &path, description);
    good.then_some(value)
}

/// The members of an object that are on the list.
fn members(value: &RawValue, path: &str, tested: &[&str], refusals: &mut Refusals) -> Fields {
    let Ok(mut members) = serde_json::from_str::<Fields>(value.get()) else {
        refusals.refuse(path, "is not an object");
        return Fields::new();
    };
    members.retain(|name, _| {
        let known = tested.contains(&name.as_str());
        let description = "is not on the native route's list of tested fields";
        refusals.refuse_if(!known, &format!("{path}.{name}"), description);
        known
    });
    members
}

/// How much effort goes into the answer, and the format that its text must have.
#[derive(Default, Serialize)]
pub(super) struct OutputConfig<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Effort<'r> {
    Converse(&'r str),
    Additional(Box<RawValue>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Format {
    Converse { r#type: &'static str, schema: Box<RawValue> },
    Additional(Box<RawValue>),
}

impl<'r> OutputConfig<'r> {
    /// What Converse's member says together with the additional fields.
    pub(super) fn new(
        config: Option<&'r v1::OutputConfig>,
        mut additional: Fields,
        refusals: &mut Refusals,
    ) -> Self {
        let place = Place::root("outputConfig");
        let converse = config.and_then(|config| config.effort.as_deref()).map(Effort::Converse);
        let native = additional
            .remove("effort")
            .and_then(|value| {
                let path = format!("{FIELDS}.output_config.effort");
                checked::<String>(value, path, "is not a string", refusals)
            })
            .map(Effort::Additional);
        let effort = one_of(converse, native, "effort", refusals);
        let format = config.and_then(|config| config.text_format.as_ref());
        let converse = format.and_then(|format| text_format(format, &place.member("textFormat"), refusals));
        let native = additional
            .remove("format")
            .and_then(|value| {
                let path = format!("{FIELDS}.output_config.format");
                checked::<Fields>(value, path, "is not an object", refusals)
            })
            .map(Format::Additional);
        Self { effort, format: one_of(converse, native, "format", refusals) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// The one that is set; both together contradict or repeat each other.
fn one_of<T>(converse: Option<T>, native: Option<T>, name: &str, refusals: &mut Refusals) -> Option<T> {
    let both = converse.is_some() && native.is_some();
    refusals.refuse_if(both, &format!("{FIELDS}.output_config.{name}"), "is set in outputConfig too");
    converse.or(native)
}

/// Converse carries the schema as a string of JSON; it goes on as it stands.
fn text_format(format: &OutputFormat, place: &Place<'_>, refusals: &mut Refusals) -> Option<Format> {
    if format.r#type.as_deref() != Some("json_schema") {
        refusals.refuse(place.member("type").to_string(), "is not json_schema");
    }
    let place = place.member("structure");
    let kind = format.structure.as_ref().and_then(|structure| structure.kind.as_ref());
    let Some(output_format_structure::Kind::JsonSchema(definition)) = kind else {
        refusals.refuse(place.to_string(), "has no member set, where one is needed");
        return None;
    };
    let place = place.member("jsonSchema");
    refusals.refuse_if(definition.name.is_some(), &place.member("name").to_string(), CONVERSE_ONLY);
    refusals.refuse_if(
        definition.description.is_some(),
        &place.member("description").to_string(),
        CONVERSE_ONLY,
    );
    let schema = definition.schema.clone().and_then(|schema| RawValue::from_string(schema).ok());
    refusals.refuse_if(schema.is_none(), &place.member("schema").to_string(), "is not JSON");
    Some(Format::Converse { r#type: "json_schema", schema: schema? })
}
