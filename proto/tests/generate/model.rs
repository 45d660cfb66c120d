//! AWS's service model as the tests read it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The service model of bedrock-runtime, without its documentation.
#[derive(Deserialize)]
pub(crate) struct Model {
    /// Shapes by name.
    pub(crate) shapes: BTreeMap<String, Shape>,
}

/// One shape; which members matter depends on the type.
#[derive(Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) members: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    #[serde(default)]
    pub(crate) union: bool,
    #[serde(default)]
    pub(crate) document: bool,
    pub(crate) member: Option<Reference>,
    pub(crate) key: Option<Reference>,
    pub(crate) value: Option<Reference>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) pattern: Option<String>,
}

/// A reference to a shape.
#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) shape: String,
}

/// Reads `model/bedrock-runtime.json`.
pub(crate) fn load() -> Model {
    serde_json::from_str(include_str!("../../model/bedrock-runtime.json")).unwrap()
}

impl Model {
    /// The shape of that name.
    pub(crate) fn shape(&self, name: &str) -> &Shape {
        &self.shapes[name]
    }

    /// Every structure that these shapes lead to, themselves first, free-form documents left out.
    pub(crate) fn structures(&self, roots: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for root in roots {
            self.walk(root, &mut found);
        }
        found
    }

    fn walk(&self, name: &str, found: &mut Vec<String>) {
        let shape = self.shape(name);
        match shape.kind.as_str() {
            "structure" if !shape.document && !found.iter().any(|f| f == name) => {
                found.push(name.to_owned());
                for (_, member) in shape.members() {
                    self.walk(&member, found);
                }
            }
            "list" => self.walk(&shape.member.as_ref().unwrap().shape, found),
            "map" => self.walk(&shape.value.as_ref().unwrap().shape, found),
            _ => {}
        }
    }
}

impl Shape {
    /// Members of the JSON body with their shapes, in AWS's order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, String)> {
        self.members
            .iter()
            .filter(|(_, member)| member.get("location").is_none())
            .map(|(name, member)| (name.as_str(), member["shape"].as_str().unwrap().to_owned()))
    }

    /// Members that stand in the URI, but for the model id, which is the gateway's own matter.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, String)> {
        self.members
            .iter()
            .filter(|(name, member)| member["location"] == "uri" && name.as_str() != "modelId")
            .map(|(name, member)| (name.as_str(), member["shape"].as_str().unwrap().to_owned()))
    }

    /// The fewest characters, bytes or entries.
    pub(crate) fn least(&self) -> usize {
        self.min.map_or(0, |min| min as usize)
    }

    /// Text of so many characters, or of the pattern's own length.
    pub(crate) fn text(&self, length: usize) -> String {
        match self.pattern.as_deref() {
            Some("[0-9]{12}") => "123456789012".to_owned(),
            Some("(|([1-9][0-9]{0,7})|(DRAFT))") => "1".to_owned(),
            Some(pattern) if pattern.starts_with("s3://") && length > 8 => {
                format!("s3://abc/{}", "\u{e4}".repeat(length - 9))
            }
            Some(pattern) if pattern.starts_with("s3://") && length > 0 => "s3://abc".to_owned(),
            Some(_) => "a".repeat(length),
            None => "\u{1F980}".repeat(length),
        }
    }

    /// Whether a structure cannot be sent without the member.
    pub(crate) fn requires(&self, member: &str) -> bool {
        self.required.iter().any(|required| required == member)
    }
}

/// `toolUseId` to `tool_use_id`.
pub(crate) fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 && !name.as_bytes()[at - 1].is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `tool_use_id` to `ToolUseId`.
pub(crate) fn upper_camel(snake: &str) -> String {
    let mut camel = String::new();
    for word in snake.split('_') {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}
