//! Tools, and which of them the model may or must call.

use bedrock_inference_proto::codec::document_to_json;
use bedrock_inference_proto::v1::{self, ToolConfiguration, ToolSpecification, tool, tool_choice};
use bedrock_inference_proto::v1::{ToolInputSchema, tool_input_schema};
use serde::Serialize;
use serde_json::value::RawValue;

use super::cache::{self, CacheControl};
use super::free_form;
use super::place::Place;
use crate::contract::CONVERSE_ONLY;
use crate::contract::Refusals;

/// A tool that the caller runs.
#[derive(Default, Serialize)]
pub(super) struct Tool<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'r>>,
}

/// Which tool the model may or must call, and whether several at once.
#[derive(Serialize)]
pub(super) struct ToolChoice<'r> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// The tools and the choice among them. What is said of parallel calls needs a choice: `auto`, the default.
pub(super) fn encode<'r>(
    config: Option<&'r ToolConfiguration>,
    disable_parallel_tool_use: Option<bool>,
    refusals: &mut Refusals,
) -> (Option<Vec<Tool<'r>>>, Option<ToolChoice<'r>>) {
    let place = Place::root("toolConfig");
    let tools = config.map(|config| tools(&config.tools, &place.member("tools"), refusals));
    let choice = config.and_then(|config| config.tool_choice.as_ref());
    let (r#type, name) = match choice.map(|choice| &choice.kind) {
        None if disable_parallel_tool_use.is_none() => return (tools, None),
        None | Some(Some(tool_choice::Kind::Auto(_))) => ("auto", None),
        Some(Some(tool_choice::Kind::Any(_))) => ("any", None),
        Some(Some(tool_choice::Kind::Tool(tool))) => ("tool", tool.name.as_deref()),
        Some(None) => {
            let path = place.member("toolChoice").to_string();
            refusals.refuse(path, "has no member set, where one is needed");
            return (tools, None);
        }
    };
    (tools, Some(ToolChoice { r#type, name, disable_parallel_tool_use }))
}

fn tools<'r>(tools: &'r [v1::Tool], list: &Place<'_>, refusals: &mut Refusals) -> Vec<Tool<'r>> {
    let mut encoded: Vec<Tool<'r>> = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        let place = list.index(index);
        match &tool.kind {
            Some(tool::Kind::ToolSpec(tool)) => {
                encoded.push(tool_spec(tool, &place.member("toolSpec"), refusals));
            }
            Some(tool::Kind::CachePoint(point)) => {
                let before = encoded.last_mut().map(|tool| &mut tool.cache_control);
                cache::mark(before, point, &place.member("cachePoint"), refusals);
            }
            Some(tool::Kind::SystemTool(_)) => {
                refusals.refuse(place.member("systemTool").to_string(), CONVERSE_ONLY);
                encoded.push(Tool::default());
            }
            None => {
                refusals.refuse(place.to_string(), "has no member set, where one is needed");
                encoded.push(Tool::default());
            }
        }
    }
    encoded
}

fn tool_spec<'r>(tool: &'r ToolSpecification, place: &Place<'_>, refusals: &mut Refusals) -> Tool<'r> {
    let place = place.member("inputSchema");
    let schema = tool.input_schema.as_ref().and_then(|schema| input_schema(schema, &place, refusals));
    Tool {
        name: tool.name.as_deref(),
        description: tool.description.as_deref(),
        input_schema: schema,
        strict: tool.strict,
        cache_control: None,
    }
}

fn input_schema(
    schema: &ToolInputSchema,
    place: &Place<'_>,
    refusals: &mut Refusals,
) -> Option<Box<RawValue>> {
    let json = schema.kind.as_ref().map(|tool_input_schema::Kind::Json(json)| json);
    let json = schema.json_text.clone().or_else(|| json.map(document_to_json));
    refusals.refuse_if(json.is_none(), &place.to_string(), "has no member set, where one is needed");
    free_form(json, &place.member("json"), refusals)
}
