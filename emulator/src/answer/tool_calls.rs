//! Decides which tools to call and with what: one call a tool and a value wanted.

use serde_json::{Value, json};

use super::hints::{Hints, words};
use super::{AnswerBlock, schema};
use crate::digest::Digest;
use crate::prompt::{Prompt, Tool, ToolChoice, ToolSpec};

/// The most calls of one answer.
const MAX_CALLS: usize = 8;

/// Words in tool names that say nothing about their subject.
const VERBS: &[&str] = &[
    "get", "list", "search", "find", "fetch", "look", "lookup", "the", "a", "tool", "of", "by", "current",
    "do", "run",
];

/// A text that announces the calls, unless they are forced, and the calls.
pub(super) fn blocks(prompt: &Prompt) -> Vec<AnswerBlock> {
    let hints = Hints::from_text(&prompt.last_user_text());
    let mut calls: Vec<(String, Value)> = Vec::new();
    for tool in wanted(prompt, &hints) {
        calls.extend(inputs(tool, &hints).into_iter().map(|input| (tool.name.clone(), input)));
    }
    calls.truncate(if prompt.single_tool_use { 1 } else { MAX_CALLS });
    let mut blocks = Vec::new();
    if prompt.tool_choice == ToolChoice::Auto {
        blocks.push(AnswerBlock::Text(announcement(&calls)));
    }
    for (index, (name, input)) in calls.into_iter().enumerate() {
        blocks.push(AnswerBlock::ToolUse { id: id(prompt, index, &name, &input), name, input });
    }
    blocks
}

/// The tools whose names the prompt mentions, else the one that fits best.
fn wanted<'p>(prompt: &'p Prompt, hints: &Hints) -> Vec<&'p ToolSpec> {
    let mut specs = prompt.tools.iter().filter_map(|tool| match tool {
        Tool::Spec(spec) => Some(spec),
        _ => None,
    });
    if let ToolChoice::Named(name) = &prompt.tool_choice {
        return specs.find(|spec| spec.name == *name).into_iter().collect();
    }
    let specs: Vec<&ToolSpec> = specs.collect();
    let named: Vec<&ToolSpec> =
        specs.iter().copied().filter(|spec| hints.overlap(&subject(&spec.name)) > 0).collect();
    if !named.is_empty() {
        return named;
    }
    // The first of the best: `max_by_key` would give the last.
    let best = specs.iter().rev().max_by_key(|spec| hints.overlap(&subject(&spec.description)));
    best.copied().into_iter().collect()
}

fn subject(text: &str) -> Vec<String> {
    let mut spaced = String::new();
    for letter in text.chars() {
        if letter.is_uppercase() {
            spaced.push(' ');
        }
        spaced.push(letter);
    }
    words(&spaced).into_iter().filter(|word| !VERBS.contains(&word.as_str())).collect()
}

/// One input, or one for each enumerated value when the tool takes a single thing.
fn inputs(tool: &ToolSpec, hints: &Hints) -> Vec<Value> {
    if hints.enumerated.len() > 1 && takes_one_string(&tool.schema) {
        let each = hints.enumerated.iter();
        return each.map(|value| schema::satisfy(&tool.schema, &mut hints.preferring(value))).collect();
    }
    vec![schema::satisfy(&tool.schema, &mut hints.clone())]
}

/// Whether exactly one required member is a free string.
fn takes_one_string(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_wanted = |name: &String| required.is_none_or(|names| names.iter().any(|wanted| wanted == name));
    let free_string =
        |schema: &Value| schema.get("type") == Some(&json!("string")) && schema.get("enum").is_none();
    let members = properties.into_iter().flatten();
    members.filter(|(name, schema)| is_wanted(name) && free_string(schema)).count() == 1
}

fn announcement(calls: &[(String, Value)]) -> String {
    match calls {
        [(name, _)] => format!("Let me use {name} for that."),
        calls => {
            let mut names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
            names.dedup();
            format!("Let me make {} calls for that: {}.", calls.len(), names.join(", "))
        }
    }
}

/// The same request gets the same ids; every call of an answer gets its own.
fn id(prompt: &Prompt, index: usize, name: &str, input: &Value) -> String {
    let mut digest = Digest::new("toolUseId");
    digest.add(prompt.last_user_text());
    for number in [prompt.messages.len(), index] {
        digest.add(number.to_le_bytes());
    }
    digest.add(name);
    digest.add(input.to_string());
    format!("tooluse_{}", digest.id())
}
