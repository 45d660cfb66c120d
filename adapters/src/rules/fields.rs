//! The additional model request fields: what a model takes beyond Converse's own members.

use serde_json::Value;

/// The fields, read; nothing where there are none or where they are no JSON object.
#[derive(Default)]
pub(super) struct Fields(Value);

impl Fields {
    pub(super) fn read(json: Option<&str>) -> Self {
        Self(json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default())
    }

    /// The value at a path such as `thinking.type`; null counts as unset.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut value = &self.0;
        for step in path.split('.') {
            value = value.get(step)?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    /// Whether Claude's beta of this name is asked for, whatever its date.
    pub(super) fn has_beta(&self, name: &str) -> bool {
        let betas = self.get("anthropic_beta").and_then(Value::as_array);
        betas.is_some_and(|betas| betas.iter().filter_map(Value::as_str).any(|beta| beta.starts_with(name)))
    }
}

/// A field's place in the request.
pub(super) fn path(field: &str) -> String {
    format!("additionalModelRequestFields.{field}")
}
