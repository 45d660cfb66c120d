//! Puts tool results into words.

use serde_json::Value;

use super::attachments;
use crate::prompt::{Prompt, ResultBlock};

/// The most characters quoted of one result.
const MAX_QUOTED: usize = 400;

/// A text that reports what each tool gave back.
pub(super) fn report(prompt: &Prompt) -> String {
    let sentences: Vec<String> = prompt
        .last_tool_results()
        .map(|result| {
            let name = prompt.tool_name(&result.id).unwrap_or("the tool");
            let parts: Vec<String> = result.content.iter().map(in_words).collect();
            let said = if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") };
            let verb = if result.failed { "failed with" } else { "says" };
            let end = if said.ends_with(['.', '!', '?']) { "" } else { "." };
            format!("{name} {verb}: {said}{end}")
        })
        .collect();
    sentences.join("\n")
}

fn in_words(part: &ResultBlock) -> String {
    let text = match part {
        ResultBlock::Json(value) => json_in_words(value),
        // Not every wire format has JSON results: a text that holds an object or a list is one.
        ResultBlock::Text(text) => match serde_json::from_str(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => json_in_words(&value),
            _ => text.trim().to_owned(),
        },
        ResultBlock::Image(image) => attachments::image(image),
        ResultBlock::Document(document) => attachments::document(document),
        ResultBlock::Other(what) => (*what).to_owned(),
    };
    if text.chars().count() <= MAX_QUOTED {
        return text;
    }
    let cut: String = text.chars().take(MAX_QUOTED).collect();
    format!("{cut}\u{2026}")
}

/// `{"temp": 15, "sky": "clear"}` as `sky: clear, temp: 15`.
fn json_in_words(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}: {}", json_in_words(value))).collect();
            members.join(", ")
        }
        Value::Array(items) => items.iter().map(json_in_words).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
