//! Claude's native request: Anthropic's messages API, version `bedrock-2023-05-31`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claude_content::{blocks, cache_control, no_more};
use super::{Parsed, check_keys, claude_parameters, claude_tools};
use crate::errors::{Failure, Outcome};
use crate::models::Model;
use crate::prompt::reader::{Place, present};
use crate::prompt::{Message, Prompt, Role, SystemBlock, content};

/// The only version of the API that Bedrock speaks.
const VERSION: &str = "bedrock-2023-05-31";

/// The members of the body. The model is in the URL and streaming is an operation of its own, so that
/// `model` and `stream` are strangers here.
const MEMBERS: &[&str] = &[
    "anthropic_version",
    "anthropic_beta",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "thinking",
    "output_config",
    "context_management",
    "metadata",
];

/// Reads the body.
pub(super) fn parse(model: Arc<Model>, mut body: Map<String, Value>) -> Outcome<Parsed> {
    check_keys("#", &body, MEMBERS, &["anthropic_version", "max_tokens", "messages"])?;
    match body.remove("anthropic_version") {
        Some(Value::String(version)) if version == VERSION => {}
        other => {
            return Err(Failure::malformed(format!(
                "#/anthropic_version: {} is not a valid version, expected \"{VERSION}\"",
                other.unwrap_or_default()
            )));
        }
    }
    let mut prompt = Prompt::empty(model);
    let extra = claude_parameters::read(&mut body, &mut prompt)?;
    claude_tools::read(&mut body, &mut prompt)?;
    prompt.system = system(&mut body)?;
    prompt.messages = messages(&mut body)?;
    Ok((prompt, extra))
}

fn messages(body: &mut Map<String, Value>) -> Outcome<Vec<Message>> {
    let at = Place::root("messages");
    let items = at.list(present(body, "messages").unwrap_or_default())?;
    items.into_iter().enumerate().map(|(index, item)| message(&at.index(index), item)).collect()
}

fn message(at: &Place<'_>, value: Value) -> Outcome<Message> {
    let mut members = at.object(value)?;
    let role = match at.required_string(&mut members, "role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(at.member("role").not_one_of(other, &["user", "assistant"])),
    };
    let value = at.required(&mut members, "content")?;
    no_more(at, &members)?;
    Ok(Message { role, content: blocks(&at.member("content"), value)? })
}

/// A string, or a list of text blocks.
fn system(body: &mut Map<String, Value>) -> Outcome<Vec<SystemBlock>> {
    let at = Place::root("system");
    let items = match present(body, "system") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => return Ok(vec![SystemBlock::Text(text)]),
        Some(value) => at.list(value)?,
    };
    let mut blocks = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let at = at.index(index);
        let mut members = at.object(item)?;
        let kind = at.required_string(&mut members, "type")?;
        if kind != "text" {
            return Err(at.member("type").not_one_of(&kind, &["text"]));
        }
        let value = at.required(&mut members, "text")?;
        let checkpoint = cache_control(&at, &mut members)?;
        present(&mut members, "citations");
        no_more(&at, &members)?;
        blocks.push(SystemBlock::Text(content::text(&at.member("text"), value)?));
        blocks.extend(checkpoint.map(SystemBlock::CachePoint));
    }
    Ok(blocks)
}
