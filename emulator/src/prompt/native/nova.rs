//! Nova's native request, `messages-v1`: Converse's shapes, with settings and limits of its own.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Parsed, check_keys};
use crate::errors::{Failure, Outcome};
use crate::models::Model;
use crate::prompt::converse::{inference_members, messages, system, tool_config};
use crate::prompt::reader::{Place, present};
use crate::prompt::{Block, Prompt, ResultBlock, parameters};

const MEMBERS: &[&str] = &["schemaVersion", "system", "messages", "inferenceConfig", "toolConfig"];

const INFERENCE_MEMBERS: &[&str] =
    &["maxTokens", "temperature", "topP", "topK", "stopSequences", "reasoningConfig"];

/// The largest `topK`.
const MAX_TOP_K: u64 = 128;

/// Reads the body.
pub(super) fn parse(model: Arc<Model>, mut body: Map<String, Value>) -> Outcome<Parsed> {
    check_keys("#", &body, MEMBERS, &["messages"])?;
    Place::root("#").optional_word(&mut body, "schemaVersion", &["messages-v1"])?;
    let mut prompt = Prompt::empty(model);
    let mut extra = Map::new();
    let at = Place::root("inferenceConfig");
    if let Some(value) = present(&mut body, "inferenceConfig") {
        let mut members = at.object(value)?;
        check_keys("#/inferenceConfig", &members, INFERENCE_MEMBERS, &[])?;
        prompt.inference = inference_members(&at, &mut members)?;
        check_top_k(&at, present(&mut members, "topK"))?;
        if let Some(config) = present(&mut members, "reasoningConfig") {
            check_reasoning(&at.member("reasoningConfig"), &config)?;
            extra.insert("reasoningConfig".to_owned(), config);
        }
    }
    prompt.reasoning = parameters::asks_for_reasoning(&prompt.model, &extra);
    (prompt.tools, prompt.tool_choice) = tool_config(&mut body)?;
    prompt.system = system(&mut body)?;
    prompt.messages = messages(&mut body)?;
    check_blocks(&prompt)?;
    Ok((prompt, extra))
}

fn check_top_k(at: &Place<'_>, value: Option<Value>) -> Outcome<()> {
    match value.map(|value| value.as_u64()) {
        None => Ok(()),
        Some(Some(number)) if number <= MAX_TOP_K => Ok(()),
        Some(_) => Err(at.member("topK").constraint("Member must be an integer between 0 and 128")),
    }
}

fn check_reasoning(at: &Place<'_>, config: &Value) -> Outcome<()> {
    let mut members = at.object(config.clone())?;
    let kind = at.optional_word(&mut members, "type", &["enabled", "disabled"])?;
    let effort = at.optional_word(&mut members, "maxReasoningEffort", &["low", "medium", "high"])?;
    if kind.as_deref() == Some("enabled") && effort.is_none() {
        return Err(at.member("maxReasoningEffort").constraint("Member must not be null"));
    }
    Ok(())
}

/// Converse offers some blocks on its own account; the model itself does not know them.
fn check_blocks(prompt: &Prompt) -> Outcome<()> {
    for (index, message) in prompt.messages.iter().enumerate() {
        for (part, block) in message.content.iter().enumerate() {
            let name = match block {
                Block::Document(_) => "document",
                Block::Media { kind: "audio", .. } => "audio",
                Block::GuardText(_) | Block::GuardImage(_) => "guardContent",
                Block::SearchResult(_) => "searchResult",
                Block::ToolResult(result)
                    if result.content.iter().any(|part| matches!(part, ResultBlock::Document(_))) =>
                {
                    "document"
                }
                _ => continue,
            };
            return Err(Failure::malformed(format!(
                "#/messages/{index}/content/{part}: extraneous key [{name}] is not permitted"
            )));
        }
    }
    Ok(())
}
