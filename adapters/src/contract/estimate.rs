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
        None => json.pointer("/input/converse").map_or(0, |converse| tokens(converse, "")),
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
        Value::Object(members) => {
            // A native text document has its text where a picture has its bytes.
            let is_text =
                members.get("media_type").and_then(Value::as_str).is_some_and(|t| t.starts_with("text/"));
            let inside = |name: &str| if is_text { String::new() } else { name.to_owned() };
            let member = |(name, member): (&String, &Value)| {
                name.len().div_ceil(CHARACTERS_A_TOKEN) + tokens(member, &inside(name))
            };
            members.iter().map(member).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_media_and_native_bodies_are_estimated() {
        let cases = [
            // messages (3), role (2), user (2), content (3), text (2), 123456 (2)
            (r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"123456"}]}]}}}"#, 14),
            // image (2), source (2), bytes (2), and the picture
            (r#"{"input":{"converse":{"image":{"source":{"bytes":"AA=="}}}}}"#, 1606),
            // {"prompt":"1234567"}: prompt (2), 1234567 (3)
            (r#"{"input":{"invokeModel":{"body":"eyJwcm9tcHQiOiIxMjM0NTY3In0="}}}"#, 5),
            (r#"{"input":{"converse":{"media_type":"text/plain","data":"123456"}}}"#, 4 + 4 + 2 + 2),
            ("not json", 0),
        ];
        for (body, expected) in cases {
            assert_eq!(estimate(body.as_bytes()), expected, "{body}");
        }
    }
}
