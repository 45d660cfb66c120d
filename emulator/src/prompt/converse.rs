//! Reading the body of Converse and ConverseStream into a prompt.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::reader::{Place, present};
use super::{
    Block, GuardrailRequest, Inference, Message, Prompt, Role, SystemBlock, Tool, ToolChoice, ToolSpec,
    TraceLevel, content, conversation, parameters,
};
use crate::errors::{Failure, Outcome};
use crate::models::Model;

/// The members of a Converse request, and the one that only ConverseStream's guardrail adds.
const MEMBERS: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];

/// The most stop sequences of one request.
const MAX_STOP_SEQUENCES: usize = 2_500;

/// Reads and validates a Converse body, as the service and the model behind it would.
pub(crate) fn parse_converse(model: Arc<Model>, mut body: Map<String, Value>) -> Outcome<Prompt> {
    if let Some(name) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Failure::validation(format!(
            "Malformed input request: extraneous key [{name}] is not permitted"
        )));
    }
    let extra = extra_fields(&mut body)?;
    let (tools, tool_choice) = tool_config(&mut body)?;
    let prompt = Prompt {
        system: system(&mut body)?,
        messages: messages(&mut body)?,
        tools,
        tool_choice,
        single_tool_use: parameters::single_tool_use(&extra),
        inference: inference(&mut body)?,
        reasoning: parameters::asks_for_reasoning(&model, &extra),
        output_schema: output_schema(&mut body)?,
        guardrail: guardrail(&mut body)?,
        response_paths: response_paths(&mut body)?,
        latency: word_in(&mut body, "performanceConfig", "latency", &["standard", "optimized"])?,
        service_tier: word_in(
            &mut body,
            "serviceTier",
            "type",
            &["priority", "default", "flex", "reserved"],
        )?,
        model,
    };
    if let Some(metadata) = present(&mut body, "requestMetadata") {
        parameters::check_metadata(&metadata)?;
    }
    conversation::check(&prompt)?;
    conversation::check_converse(&prompt)?;
    parameters::check(&prompt, &extra)?;
    Ok(prompt)
}

/// Reads `messages`.
pub(super) fn messages(body: &mut Map<String, Value>) -> Outcome<Vec<Message>> {
    let at = Place::root("messages");
    let value = present(body, "messages").unwrap_or(Value::Null);
    let items = at.list(value)?;
    items.into_iter().enumerate().map(|(index, item)| message(&at.index(index), item)).collect()
}

fn message(at: &Place<'_>, value: Value) -> Outcome<Message> {
    let mut members = at.object(value)?;
    let role = match at.required_string(&mut members, "role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(at.member("role").not_one_of(other, &["user", "assistant", "system"])),
    };
    let items = at.required(&mut members, "content")?;
    let inside = at.member("content");
    let items = inside.list(items)?;
    if items.is_empty() {
        return Err(Failure::validation(format!(
            "The content field in the Message object at {at} is empty. Add a ContentBlock object to the content \
             field and try again."
        )));
    }
    let blocks =
        items.into_iter().enumerate().map(|(index, item)| content::block(&inside.index(index), item));
    Ok(Message { role, content: blocks.collect::<Outcome<_>>()? })
}

/// Reads `system`.
pub(super) fn system(body: &mut Map<String, Value>) -> Outcome<Vec<SystemBlock>> {
    let at = Place::root("system");
    let Some(value) = present(body, "system") else { return Ok(Vec::new()) };
    let items = at.list(value)?.into_iter().enumerate();
    items.map(|(index, item)| system_block(&at.index(index), item)).collect()
}

fn system_block(at: &Place<'_>, value: Value) -> Outcome<SystemBlock> {
    let (kind, value) = at.union(value, "SystemContentBlock", &["text", "guardContent", "cachePoint"])?;
    let at = at.member(&kind);
    match kind.as_str() {
        "text" => {
            let text = at.string(value)?;
            if text.is_empty() {
                return Err(at.constraint("Member must have length greater than or equal to 1"));
            }
            Ok(SystemBlock::Text(text))
        }
        "cachePoint" => Ok(SystemBlock::CachePoint(content::cache_point(&at, value)?)),
        _ => match content::guard_content(&at, value)? {
            Block::GuardText(text) => Ok(SystemBlock::GuardText(text)),
            _ => Err(Failure::validation(format!("The image at {at} is not supported in system content."))),
        },
    }
}

/// Reads `toolConfig`.
pub(super) fn tool_config(body: &mut Map<String, Value>) -> Outcome<(Vec<Tool>, ToolChoice)> {
    let at = Place::root("toolConfig");
    let Some(value) = present(body, "toolConfig") else { return Ok((Vec::new(), ToolChoice::Auto)) };
    let mut members = at.object(value)?;
    let list = at.required(&mut members, "tools")?;
    let inside = at.member("tools");
    let items = inside.list(list)?;
    if items.is_empty() {
        return Err(inside.constraint("Member must have length greater than or equal to 1"));
    }
    let tools = items.into_iter().enumerate().map(|(index, item)| tool(&inside.index(index), item));
    let tools: Vec<Tool> = tools.collect::<Outcome<_>>()?;
    let choice = match present(&mut members, "toolChoice") {
        Some(value) => tool_choice(&at.member("toolChoice"), value, &tools)?,
        None => ToolChoice::Auto,
    };
    Ok((tools, choice))
}

fn tool(at: &Place<'_>, value: Value) -> Outcome<Tool> {
    let (kind, value) = at.union(value, "Tool", &["toolSpec", "systemTool", "cachePoint"])?;
    let at = at.member(&kind);
    if kind == "cachePoint" {
        return Ok(Tool::CachePoint(content::cache_point(&at, value)?));
    }
    let mut members = at.object(value)?;
    let name = at.required_string(&mut members, "name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(at.member("name").constraint(
            "Member must have length between 1 and 64 and satisfy regular expression pattern: [a-zA-Z0-9_-]+",
        ));
    }
    if kind == "systemTool" {
        return Ok(Tool::Provided(name));
    }
    let description = at.optional_string(&mut members, "description")?.unwrap_or_default();
    let value = at.required(&mut members, "inputSchema")?;
    let (_, schema) = at.member("inputSchema").union(value, "ToolInputSchema", &["json"])?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Failure::validation(format!(
            "The value at {at}.inputSchema.json.type must be one of the following: object."
        )));
    }
    Ok(Tool::Spec(ToolSpec { name, description, schema }))
}

fn tool_choice(at: &Place<'_>, value: Value, tools: &[Tool]) -> Outcome<ToolChoice> {
    let (kind, value) = at.union(value, "ToolChoice", &["auto", "any", "tool"])?;
    let at = at.member(&kind);
    let mut members = at.object(value)?;
    match kind.as_str() {
        "auto" => return Ok(ToolChoice::Auto),
        "any" => return Ok(ToolChoice::Any),
        _ => {}
    }
    let name = at.required_string(&mut members, "name")?;
    let known = tools.iter().any(|tool| matches!(tool, Tool::Spec(spec) if spec.name == name));
    if !known {
        return Err(Failure::validation(format!(
            "The tool {name} at {at}.name is not defined in toolConfig.tools."
        )));
    }
    Ok(ToolChoice::Named(name))
}

fn inference(body: &mut Map<String, Value>) -> Outcome<Inference> {
    let at = Place::root("inferenceConfig");
    let Some(value) = present(body, "inferenceConfig") else { return Ok(Inference::default()) };
    inference_members(&at, &mut at.object(value)?)
}

/// Reads the four settings that Converse and Nova name alike, and leaves the others.
pub(super) fn inference_members(at: &Place<'_>, members: &mut Map<String, Value>) -> Outcome<Inference> {
    let stops = present(members, "stopSequences").unwrap_or_else(|| Value::Array(Vec::new()));
    let inside = at.member("stopSequences");
    let stops = inside.list(stops)?;
    if stops.len() > MAX_STOP_SEQUENCES {
        return Err(inside.constraint("Member must have length less than or equal to 2500"));
    }
    let stops = stops.into_iter().enumerate();
    let stops = stops.map(|(index, item)| inside.index(index).string(item)).collect::<Outcome<_>>()?;
    Ok(Inference {
        max_tokens: parameters::max_tokens(&at.member("maxTokens"), present(members, "maxTokens"))?,
        temperature: parameters::fraction(&at.member("temperature"), present(members, "temperature"))?,
        top_p: parameters::fraction(&at.member("topP"), present(members, "topP"))?,
        stop_sequences: stops,
    })
}

fn output_schema(body: &mut Map<String, Value>) -> Outcome<Option<Value>> {
    let at = Place::root("outputConfig");
    let Some(value) = present(body, "outputConfig") else { return Ok(None) };
    let mut members = at.object(value)?;
    at.optional_word(&mut members, "effort", &["low", "medium", "high", "xhigh", "max"])?;
    let Some(value) = present(&mut members, "textFormat") else { return Ok(None) };
    let at = at.member("textFormat");
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    if kind != "json_schema" {
        return Err(at.member("type").not_one_of(&kind, &["json_schema"]));
    }
    let structure = at.required(&mut members, "structure")?;
    let at = at.member("structure");
    let (_, value) = at.union(structure, "OutputFormatStructure", &["jsonSchema"])?;
    let at = at.member("jsonSchema");
    let text = at.required_string(&mut at.object(value)?, "schema")?;
    let schema: Value = serde_json::from_str(&text).map_err(|_| {
        Failure::validation(format!("The value at {at}.schema must be a string that holds a JSON schema."))
    })?;
    Ok(Some(schema))
}

fn guardrail(body: &mut Map<String, Value>) -> Outcome<Option<GuardrailRequest>> {
    let at = Place::root("guardrailConfig");
    let Some(value) = present(body, "guardrailConfig") else { return Ok(None) };
    let mut members = at.object(value)?;
    let identifier = at.optional_string(&mut members, "guardrailIdentifier")?;
    let version = at.optional_string(&mut members, "guardrailVersion")?;
    let trace = at.optional_word(&mut members, "trace", &["enabled", "disabled", "enabled_full"])?;
    let mode = at.optional_word(&mut members, "streamProcessingMode", &["sync", "async"])?;
    match (identifier, version) {
        (None, None) => Ok(None),
        (Some(identifier), Some(version)) => Ok(Some(GuardrailRequest {
            identifier,
            version,
            trace: match trace.as_deref() {
                Some("enabled") => TraceLevel::Enabled,
                Some("enabled_full") => TraceLevel::Full,
                _ => TraceLevel::Disabled,
            },
            asynchronous: mode.as_deref() == Some("async"),
        })),
        _ => Err(Failure::validation(
            "Both guardrailIdentifier and guardrailVersion are required when a guardrail is applied.",
        )),
    }
}

fn response_paths(body: &mut Map<String, Value>) -> Outcome<Vec<String>> {
    let at = Place::root("additionalModelResponseFieldPaths");
    let Some(value) = present(body, "additionalModelResponseFieldPaths") else { return Ok(Vec::new()) };
    let items = at.list(value)?;
    if items.len() > 10 {
        return Err(at.constraint("Member must have length less than or equal to 10"));
    }
    let mut paths = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let path = at.index(index).string(item)?;
        if !path.starts_with('/') || path.len() > 256 {
            return Err(at.index(index).constraint("Member must be a JSON pointer of 1 to 256 characters"));
        }
        paths.push(path);
    }
    Ok(paths)
}

fn word_in(
    body: &mut Map<String, Value>,
    object: &str,
    member: &str,
    words: &[&str],
) -> Outcome<Option<String>> {
    let at = Place::root(object);
    let Some(value) = present(body, object) else { return Ok(None) };
    at.optional_word(&mut at.object(value)?, member, words)
}

fn extra_fields(body: &mut Map<String, Value>) -> Outcome<Map<String, Value>> {
    match present(body, "additionalModelRequestFields") {
        None => Ok(Map::new()),
        Some(value) => Place::root("additionalModelRequestFields").object(value),
    }
}
