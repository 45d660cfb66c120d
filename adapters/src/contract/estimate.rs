//! An estimate of input tokens, for models that AWS does not count for.

use serde_json::Value;

/// Characters a token, rounded down from what tokenisers make of English, so that the estimate is high.
const CHARACTERS_A_TOKEN: usize = 3;

/// Tokens of a picture, a document or a clip whose size says little: what a full-size image costs.
const TOKENS_A_MEDIUM: usize = 1600;

/// Estimates the input tokens of a CountTokens body of AWS, in either form.
///
/// Text counts a token every three characters, names and schemas included; media count 1,600 tokens each. The
/// estimate is meant to be high rather than low; 0 for a body that is not JSON.
#[must_use]
pub fn estimate(body: &[u8]) -> i32 {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let counted = match json.pointer("/input/invokeModel/body").and_then(Value::as_str) {
        Some(native) => native_tokens(native),
        None => tokens(&json, ""),
    };
    i32::try_from(counted).unwrap_or(i32::MAX)
}

/// The native body stands there as base64.
fn native_tokens(base64: &str) -> usize {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(json) => tokens(&json, ""),
        Err(_) => bytes.len().div_ceil(CHARACTERS_A_TOKEN),
    }
}

fn tokens(json: &Value, name: &str) -> usize {
    match json {
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => 1,
        Value::String(_) if matches!(name, "bytes" | "data") => TOKENS_A_MEDIUM,
        Value::String(text) => text.chars().count().div_ceil(CHARACTERS_A_TOKEN),
        Value::Array(entries) => entries.iter().map(|entry| tokens(entry, name)).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| tokens(member, name)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_media_and_native_bodies_are_estimated() {
        let cases = [
            (r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"123456"}]}]}}}"#, 2 + 2),
            (
                r#"{"input":{"converse":{"messages":[{"content":[{"image":{"source":{"bytes":"AA=="}}}]}]}}}"#,
                1600,
            ),
            // {"prompt":"1234567"}
            (r#"{"input":{"invokeModel":{"body":"eyJwcm9tcHQiOiIxMjM0NTY3In0="}}}"#, 3),
            ("not json", 0),
        ];
        for (body, expected) in cases {
            assert_eq!(estimate(body.as_bytes()), expected, "{body}");
        }
    }
}
