//! The tools of Claude's native request, and whether they must be called.

use serde_json::{Map, Value};

use super::claude_content::{cache_control, no_more};
use crate::errors::{Failure, Outcome};
use crate::prompt::reader::{Place, present};
use crate::prompt::{Prompt, Tool, ToolChoice, ToolSpec};

/// Reads `tools` and `tool_choice`.
pub(super) fn read(body: &mut Map<String, Value>, prompt: &mut Prompt) -> Outcome<()> {
    let at = Place::root("tools");
    if let Some(value) = present(body, "tools") {
        for (index, item) in at.list(value)?.into_iter().enumerate() {
            tool(&at.index(index), item, &mut prompt.tools)?;
        }
    }
    let Some(value) = present(body, "tool_choice") else { return Ok(()) };
    if prompt.tools.is_empty() {
        return Err(Failure::from_model("tool_choice may only be specified while providing tools."));
    }
    choice(&Place::root("tool_choice"), value, prompt)
}

fn tool(at: &Place<'_>, value: Value, tools: &mut Vec<Tool>) -> Outcome<()> {
    let mut members = at.object(value)?;
    let kind = at.optional_string(&mut members, "type")?;
    let name = at.required_string(&mut members, "name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(Failure::from_model(format!(
            "{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
        )));
    }
    let checkpoint = cache_control(at, &mut members)?;
    if kind.is_some_and(|kind| kind != "custom") {
        // A tool that Anthropic defines, such as `computer_20250124`, with settings of its own.
        tools.push(Tool::Provided(name));
    } else {
        let description = at.optional_string(&mut members, "description")?.unwrap_or_default();
        let schema = at.required(&mut members, "input_schema")?;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(Failure::from_model(format!("{at}.input_schema.type: Input should be 'object'")));
        }
        flag(at, &mut members, "strict")?;
        flag(at, &mut members, "defer_loading")?;
        present(&mut members, "input_examples");
        no_more(at, &members)?;
        tools.push(Tool::Spec(ToolSpec { name, description, schema }));
    }
    tools.extend(checkpoint.map(Tool::CachePoint));
    Ok(())
}

fn choice(at: &Place<'_>, value: Value, prompt: &mut Prompt) -> Outcome<()> {
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    prompt.tool_choice = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(at.required_string(&mut members, "name")?),
        _ => return Err(at.member("type").not_one_of(&kind, &["auto", "any", "tool", "none"])),
    };
    if let ToolChoice::Named(name) = &prompt.tool_choice {
        let known = prompt.tools.iter().any(|tool| matches!(tool, Tool::Spec(spec) if spec.name == *name));
        if !known {
            return Err(Failure::from_model(format!("Tool '{name}' not found in provided tools")));
        }
    }
    if prompt.tool_choice != ToolChoice::None {
        prompt.single_tool_use = flag(at, &mut members, "disable_parallel_tool_use")?;
    }
    no_more(at, &members)
}

fn flag(at: &Place<'_>, members: &mut Map<String, Value>, name: &str) -> Outcome<bool> {
    match present(members, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(Failure::from_model(format!("{at}.{name}: Input should be a valid boolean"))),
    }
}
