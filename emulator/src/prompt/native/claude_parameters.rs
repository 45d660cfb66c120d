//! The numbers and modes of Claude's native request: length, sampling, thinking, output, betas.

use serde_json::{Map, Value};

use super::claude_content::no_more;
use crate::errors::{Failure, Outcome};
use crate::prompt::reader::{Place, present};
use crate::prompt::{Inference, Prompt, parameters};

/// The most stop sequences Claude accepts.
const MAX_STOP_SEQUENCES: usize = 8_191;

/// Reads everything that is neither conversation nor tools. Gives back `thinking` and `top_k`, which the
/// model's rules look at.
pub(super) fn read(body: &mut Map<String, Value>, prompt: &mut Prompt) -> Outcome<Map<String, Value>> {
    let mut number = |name: &str| parameters::fraction(&Place::root(name), present(body, name));
    let (temperature, top_p) = (number("temperature")?, number("top_p")?);
    prompt.inference = Inference {
        max_tokens: parameters::max_tokens(&Place::root("max_tokens"), present(body, "max_tokens"))?,
        temperature,
        top_p,
        stop_sequences: stop_sequences(body)?,
    };
    let mut extra = Map::new();
    if let Some(value) = present(body, "top_k") {
        if value.as_u64().is_none() {
            return Err(Failure::from_model("top_k: Input should be greater than or equal to 0"));
        }
        extra.insert("top_k".to_owned(), value);
    }
    if let Some(value) = present(body, "thinking") {
        check_thinking(&value)?;
        extra.insert("thinking".to_owned(), value);
    }
    prompt.reasoning = parameters::asks_for_reasoning(&prompt.model, &extra);
    prompt.output_schema = output_schema(body)?;
    check_metadata(body)?;
    check_betas(body)?;
    if let Some(value) = present(body, "context_management") {
        Place::root("context_management").object(value)?;
    }
    Ok(extra)
}

fn stop_sequences(body: &mut Map<String, Value>) -> Outcome<Vec<String>> {
    let at = Place::root("stop_sequences");
    let Some(value) = present(body, "stop_sequences") else { return Ok(Vec::new()) };
    let items = at.list(value)?;
    if items.len() > MAX_STOP_SEQUENCES {
        return Err(at.constraint("Member must have length less than or equal to 8191"));
    }
    let mut sequences = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let sequence = at.index(index).string(item)?;
        if sequence.trim().is_empty() {
            return Err(Failure::from_model(
                "stop_sequences: each stop sequence must contain non-whitespace",
            ));
        }
        sequences.push(sequence);
    }
    Ok(sequences)
}

fn check_thinking(value: &Value) -> Outcome<()> {
    let at = Place::root("thinking");
    let mut members = at.object(value.clone())?;
    let kind = at.required_string(&mut members, "type")?;
    if !["enabled", "disabled", "adaptive"].contains(&kind.as_str()) {
        return Err(at.member("type").not_one_of(&kind, &["enabled", "disabled", "adaptive"]));
    }
    if kind == "enabled" {
        present(&mut members, "budget_tokens");
    }
    present(&mut members, "display");
    no_more(&at, &members)
}

/// Reads `output_config`: an effort, which the emulator does not need, and the schema of the text.
fn output_schema(body: &mut Map<String, Value>) -> Outcome<Option<Value>> {
    let at = Place::root("output_config");
    let Some(value) = present(body, "output_config") else { return Ok(None) };
    let mut members = at.object(value)?;
    at.optional_word(&mut members, "effort", &["low", "medium", "high", "xhigh", "max"])?;
    let format = present(&mut members, "format");
    no_more(&at, &members)?;
    let Some(value) = format else { return Ok(None) };
    let at = at.member("format");
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    if kind != "json_schema" {
        return Err(at.member("type").not_one_of(&kind, &["json_schema"]));
    }
    let schema = at.required(&mut members, "schema")?;
    no_more(&at, &members)?;
    at.member("schema").object(schema.clone())?;
    Ok(Some(schema))
}

fn check_metadata(body: &mut Map<String, Value>) -> Outcome<()> {
    let at = Place::root("metadata");
    let Some(value) = present(body, "metadata") else { return Ok(()) };
    let mut members = at.object(value)?;
    at.optional_string(&mut members, "user_id")?;
    no_more(&at, &members)
}

fn check_betas(body: &mut Map<String, Value>) -> Outcome<()> {
    let at = Place::root("anthropic_beta");
    let Some(value) = present(body, "anthropic_beta") else { return Ok(()) };
    for (index, item) in at.list(value)?.into_iter().enumerate() {
        at.index(index).string(item)?;
    }
    Ok(())
}
