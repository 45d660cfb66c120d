//! Words that stand nowhere else, and the forms in which they could be found again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tonic::Status;

/// What the caller and the model say. Values must be found nowhere; names (keys, tools, ids) may come back to their
/// own caller, and must not be found in what the service logs.
pub(super) struct Canary {
    pub(super) value: String,
    pub(super) name: String,
    value_signs: Vec<String>,
    name_signs: Vec<String>,
    planted: Mutex<BTreeSet<String>>,
}

/// Members that hold names.
const NAMES: [&str; 7] =
    ["name", "toolUseId", "tool_use_id", "id", "modelId", "guardrailIdentifier", "guardrailVersion"];

impl Canary {
    pub(super) fn hatch() -> Self {
        let (value, name) = (song(), song());
        let (value_signs, name_signs) = (signs(&value), signs(&name));
        Self {
            value: format!("the canary {value} sings"),
            name: format!("canary_{name}"),
            value_signs,
            name_signs,
            planted: Mutex::default(),
        }
    }

    /// The form in which a value is found in this text, if it is.
    pub(super) fn value_in(&self, text: &[u8]) -> Option<&str> {
        found(&self.value_signs, text)
    }

    /// The form in which a value or a name is found in this line, if it is.
    pub(super) fn in_line(&self, line: &str) -> Option<&str> {
        let signs = found(&self.value_signs, line.as_bytes());
        signs.or_else(|| found(&self.name_signs, line.as_bytes()))
    }

    /// The place of a status where a value is found, if it is.
    pub(super) fn in_status(&self, status: &Status) -> Option<String> {
        let found = |place: &str, bytes: &[u8]| self.value_in(bytes).map(|sign| format!("{place}: {sign}"));
        let metadata = format!("{:?}", status.metadata());
        found("message", status.message().as_bytes())
            .or_else(|| found("details", status.details()))
            .or_else(|| found("metadata", metadata.as_bytes()))
    }

    /// JSON with a canary in place of each text that is free, so that it stays acceptable.
    pub(super) fn among(&self, json: &Value) -> Value {
        match json {
            Value::Array(entries) => entries.iter().map(|entry| self.among(entry)).collect(),
            Value::Object(members) => {
                let planted = members.iter().map(|(name, member)| (name.clone(), self.within(name, member)));
                Value::Object(planted.collect())
            }
            other => other.clone(),
        }
    }

    fn within(&self, name: &str, member: &Value) -> Value {
        const FREE: [&str; 12] = [
            "text",
            "description",
            "title",
            "context",
            "signature",
            "thinking",
            "partial_json",
            "cited_text",
            "inputText",
            "outputText",
            "outputMessage",
            "document_title",
        ];
        match member {
            Value::String(_) if FREE.contains(&name) => json!(self.value),
            // What stands behind an image's or a document's own bytes is nobody's concern.
            Value::String(bytes) if ["bytes", "data"].contains(&name) => json!(self.behind(bytes)),
            Value::Object(free) if ["input", "json", "additionalModelRequestFields"].contains(&name) => {
                let mut free = free.clone();
                free.insert(self.name.clone(), json!(self.value));
                Value::Object(free)
            }
            other => self.among(other),
        }
    }

    fn behind(&self, base64: &str) -> String {
        let mut bytes = STANDARD.decode(base64).unwrap_or_default();
        bytes.extend_from_slice(self.value.as_bytes());
        STANDARD.encode(bytes)
    }

    /// JSON with a canary as every text, whatever its member is for.
    pub(super) fn everywhere(&self, json: &Value) -> Value {
        match json {
            Value::String(text) if STANDARD.decode(text).is_ok_and(|bytes| bytes == [0, 1, 2, 3]) => {
                json!(STANDARD.encode(&self.value))
            }
            Value::String(_) => json!(self.value),
            Value::Array(entries) => entries.iter().map(|entry| self.everywhere(entry)).collect(),
            Value::Object(members) => {
                let planted = members.iter().map(|(name, member)| {
                    let key = if name == "free" || name.starts_with("key") { &self.name } else { name };
                    (key.clone(), self.everywhere(member))
                });
                Value::Object(planted.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    /// The same JSON as often as it has scalars, each time with a canary in place of another one. A place that had one
    /// before in a body of this kind is passed over, whatever its index in a list.
    pub(super) fn one_by_one(&self, kind: &str, json: &Value) -> Vec<Value> {
        let mut places = Vec::new();
        scalars(json, String::new(), &mut places);
        let new = |place: &String| {
            let steps = place.split('/').map(|step| if step.parse::<u32>().is_ok() { "*" } else { step });
            let place = steps.fold(kind.to_owned(), |place, step| format!("{place}/{step}"));
            self.planted.lock().unwrap().insert(place)
        };
        let planted = places.into_iter().filter(new).map(|place| {
            let mut json = json.clone();
            let member = place.rsplit('/').next().unwrap_or_default();
            let bytes = ["bytes", "redactedContent"].contains(&member);
            let canary = match NAMES.contains(&member) {
                true => self.name.clone(),
                false if bytes => STANDARD.encode(&self.value),
                false => self.value.clone(),
            };
            *json.pointer_mut(&place).unwrap() = json!(canary);
            json
        });
        planted.collect()
    }
}

fn song() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// As it stands, in base64 wherever it begins, as `Debug` prints bytes, and in hex.
fn signs(song: &str) -> Vec<String> {
    let mut signs = vec![song.to_owned()];
    for before in 0..3 {
        let base64 = STANDARD.encode([&vec![b' '; before], song.as_bytes()].concat());
        // The first and the last characters depend on what stands around.
        signs.push(base64[4..base64.len() - 4].to_owned());
    }
    signs.push(song.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
    signs.push(song.bytes().map(|byte| format!("{byte:02x}")).collect());
    signs
}

fn found<'s>(signs: &'s [String], text: &[u8]) -> Option<&'s str> {
    let text = String::from_utf8_lossy(text);
    signs.iter().map(String::as_str).find(|sign| text.contains(sign))
}

fn scalars(json: &Value, place: String, found: &mut Vec<String>) {
    match json {
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(at, entry)| scalars(entry, format!("{place}/{at}"), found));
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            scalars(member, format!("{place}/{name}"), found);
        }),
        _ => found.push(place),
    }
}

#[test]
fn a_canary_is_found_in_every_form() {
    let canary = Canary::hatch();
    let (value, bytes) = (&canary.value, canary.value.as_bytes());
    for text in [
        format!("say {value}."),
        STANDARD.encode(bytes),
        STANDARD.encode([b"a", bytes].concat()),
        STANDARD.encode([b"ab", bytes].concat()),
        format!("{bytes:?}"),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        assert!(canary.value_in(text.as_bytes()).is_some(), "{text}");
        assert!(canary.in_line(&text).is_some(), "{text}");
    }
    assert_eq!(canary.value_in(canary.name.as_bytes()), None);
    assert!(canary.in_line(&canary.name).is_some());
}
