//! The additional model request fields: what a model takes beyond Converse's own members.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// What the rules ask of the fields, read; nothing where there are none or where they are no JSON object. The rest
/// is skipped: as a tree it would take a hundred times the memory of its text. Null counts as unset.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    /// Claude's `thinking.type`.
    pub(super) thinking: Option<String>,
    /// Claude's `thinking.budget_tokens`.
    pub(super) budget: Option<Budget>,
    /// Nova's `reasoningConfig.type`.
    pub(super) reasoning: Option<String>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    /// Whether `top_k` is set.
    pub(super) top_k: bool,
    /// Whether `tools` is set.
    pub(super) tools: bool,
    pub(super) betas: Betas,
}

/// A number of tokens, or what should be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    Tokens(u64),
    NoWholeNumber,
}

/// The betas of Claude that change what it refuses, whatever their dates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Betas {
    /// Longer answers: `output-128k-2025-02-19`.
    pub(super) output: bool,
    /// Thinking between tool calls: `interleaved-thinking-2025-05-14`.
    pub(super) interleaved_thinking: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given<'j> {
    #[serde(borrow)]
    thinking: Option<&'j RawValue>,
    #[serde(borrow, rename = "reasoningConfig")]
    reasoning: Option<&'j RawValue>,
    #[serde(borrow)]
    temperature: Option<&'j RawValue>,
    #[serde(borrow)]
    top_p: Option<&'j RawValue>,
    top_k: Option<IgnoredAny>,
    tools: Option<IgnoredAny>,
    #[serde(borrow, rename = "anthropic_beta")]
    betas: Option<&'j RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Thinking<'j> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'j RawValue>,
    #[serde(borrow, rename = "budget_tokens")]
    budget: Option<&'j RawValue>,
}

impl Fields {
    pub(super) fn read(json: &str) -> Self {
        let given: Given<'_> = object(json);
        let thinking: Thinking<'_> =
            given.thinking.map(|thinking| object(thinking.get())).unwrap_or_default();
        let reasoning: Thinking<'_> =
            given.reasoning.map(|reasoning| object(reasoning.get())).unwrap_or_default();
        let tokens = |budget: &RawValue| value(Some(budget)).map_or(Budget::NoWholeNumber, Budget::Tokens);
        Self {
            thinking: value(thinking.kind),
            budget: thinking.budget.map(tokens),
            reasoning: value(reasoning.kind),
            temperature: value(given.temperature),
            top_p: value(given.top_p),
            top_k: given.top_k.is_some(),
            tools: given.tools.is_some(),
            betas: value(given.betas).unwrap_or_default(),
        }
    }
}

/// An object's members; nothing of anything else, since serde would take a list's entries for members.
fn object<'j, T: Deserialize<'j> + Default>(json: &'j str) -> T {
    match json.trim_ascii_start().starts_with('{') {
        true => serde_json::from_str(json).unwrap_or_default(),
        false => T::default(),
    }
}

fn value<'j, T: Deserialize<'j>>(json: Option<&'j RawValue>) -> Option<T> {
    serde_json::from_str(json?.get()).ok()
}

/// A list of names, none of which is kept.
impl<'de> Deserialize<'de> for Betas {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Names)
    }
}

struct Names;

impl<'de> serde::de::Visitor<'de> for Names {
    type Value = Betas;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Betas, A::Error> {
        let mut betas = Betas::default();
        while let Some(name) = list.next_element::<&RawValue>()? {
            betas.output |= name.get().starts_with("\"output-");
            betas.interleaved_thinking |= name.get().starts_with("\"interleaved-thinking");
        }
        Ok(betas)
    }
}

/// A field's place in the request.
pub(super) fn path(field: &str) -> String {
    format!("additionalModelRequestFields.{field}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_ask_is_read_and_everything_else_is_skipped() {
        let json = r#" {"other": [[0], {"thinking": 1}], "thinking": {"type": "enabled", "budget_tokens": 2000, "x": []},
            "reasoningConfig": {"type": "enabled"}, "temperature": 1, "top_p": 0.5, "top_k": 5, "tools": [],
            "anthropic_beta": ["other", 7, "output-128k-2025-02-19", "interleaved-thinking-2025-05-14"]}"#;
        let fields = Fields {
            thinking: Some("enabled".to_owned()),
            budget: Some(Budget::Tokens(2000)),
            reasoning: Some("enabled".to_owned()),
            temperature: Some(1.0),
            top_p: Some(0.5),
            top_k: true,
            tools: true,
            betas: Betas { output: true, interleaved_thinking: true },
        };
        assert_eq!(Fields::read(json), fields);
    }

    #[test]
    fn what_is_of_another_form_is_not_judged() {
        for json in [
            "",
            "{",
            "7",
            r#"["enabled", 5]"#,
            r#"{"thinking": ["enabled", 5], "reasoningConfig": "enabled", "temperature": "hot", "top_k": null}"#,
            r#"{"thinking": {"type": 7, "budget_tokens": null}, "top_p": [0.5], "anthropic_beta": "output-128k"}"#,
        ] {
            assert_eq!(Fields::read(json), Fields::default(), "{json}");
        }
        let budget = Fields::read(r#"{"thinking": {"budget_tokens": 0.5}}"#).budget;
        assert_eq!(budget, Some(Budget::NoWholeNumber));
    }
}
