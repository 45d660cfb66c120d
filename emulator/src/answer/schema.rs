//! Makes a JSON value that satisfies a JSON schema, filled with what the prompt offers.

use serde_json::{Map, Number, Value};

use super::hints::Hints;

/// How deep schemas are followed whatever they require.
const MAX_DEPTH: usize = 32;

/// From this depth on members that are not required are left out, so that recursive schemas end.
const FRUGAL_DEPTH: usize = 6;

/// The most values made for one schema, so that a schema that branches and recurses ends soon.
const MAX_VALUES: usize = 2_000;

/// The most items of an array that asks for no certain number.
const MAX_ITEMS: usize = 8;

/// A value for the schema.
pub(super) fn satisfy(schema: &Value, hints: &mut Hints) -> Value {
    Filler { root: schema, hints, values: 0 }.value(schema, "", 0)
}

struct Filler<'s, 'h> {
    root: &'s Value,
    hints: &'h mut Hints,
    /// Values made so far.
    values: usize,
}

impl<'s> Filler<'s, '_> {
    fn value(&mut self, schema: &'s Value, name: &str, depth: usize) -> Value {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Value::Null;
        }
        if let Some(value) = fixed(schema) {
            return value.clone();
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            return self.option(options);
        }
        if let Some(target) = self.referred(schema) {
            return self.value(target, name, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "boolean" => Value::Bool(
                !["no", "not", "without", "never", "false"].iter().any(|word| self.hints.mentions(word)),
            ),
            "null" => Value::Null,
            _ => Value::String(self.string(schema, name)),
        }
    }

    /// The first option the prompt mentions, else the first.
    fn option(&self, options: &[Value]) -> Value {
        let mentioned =
            options.iter().find(|option| option.as_str().is_some_and(|word| self.hints.mentions(word)));
        mentioned.or_else(|| options.first()).cloned().unwrap_or(Value::Null)
    }

    /// The schema that `$ref`, `anyOf` or `oneOf` stands for.
    fn referred(&self, schema: &'s Value) -> Option<&'s Value> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.root.pointer(reference.strip_prefix('#')?);
        }
        let options = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
        options.iter().find(|option| kind(option) != "null").or_else(|| options.first())
    }

    fn object(&mut self, schema: &'s Value, depth: usize) -> Value {
        let mut parts = vec![schema];
        parts.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
        let mut members = Map::new();
        for part in parts {
            let part = self.referred(part).unwrap_or(part);
            let Some(properties) = part.get("properties").and_then(Value::as_object) else { continue };
            let required: Option<Vec<&str>> = part
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).collect());
            let all = || properties.keys().map(String::as_str).filter(|_| depth < FRUGAL_DEPTH).collect();
            let wanted: Vec<&str> = required.unwrap_or_else(all);
            for name in wanted {
                let value =
                    properties.get(name).map_or(Value::Null, |schema| self.value(schema, name, depth + 1));
                members.insert(name.to_owned(), value);
            }
        }
        Value::Object(members)
    }

    fn array(&mut self, schema: &'s Value, name: &str, depth: usize) -> Value {
        let size =
            |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let least = size("minItems").unwrap_or(1).min(MAX_VALUES);
        let most = size("maxItems").unwrap_or(MAX_ITEMS).max(least);
        let wanted = self.hints.enumerated.len().clamp(least, most);
        let Some(items) = schema.get("items") else { return Value::Array(Vec::new()) };
        Value::Array((0..wanted).map(|_| self.value(items, name, depth + 1)).collect())
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let hint = self.hints.take_number().and_then(|number| number.as_i64());
        let lowest = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n.saturating_add(1)));
        let highest = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n.saturating_sub(1)));
        let mut number = hint.unwrap_or(1);
        number = highest.map_or(number, |highest| number.min(highest));
        number = lowest.map_or(number, |lowest| number.max(lowest));
        if let Some(step) = bound("multipleOf").filter(|step| *step > 1) {
            let rest = number.rem_euclid(step);
            number = if rest == 0 { number } else { number.saturating_add(step - rest) };
        }
        number.into()
    }

    fn number(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let mut number = self.hints.take_number().and_then(|number| number.as_f64()).unwrap_or(1.0);
        number = bound("maximum").map_or(number, |highest| number.min(highest));
        number = bound("minimum").map_or(number, |lowest| number.max(lowest));
        if bound("exclusiveMaximum").is_some_and(|highest| number >= highest)
            || bound("exclusiveMinimum").is_some_and(|lowest| number <= lowest)
        {
            let low = bound("exclusiveMinimum").or_else(|| bound("minimum"));
            let high = bound("exclusiveMaximum").or_else(|| bound("maximum"));
            number = match (low, high) {
                (Some(low), Some(high)) => f64::midpoint(low, high),
                (Some(low), None) => low + 1.0,
                (None, Some(high)) => high - 1.0,
                (None, None) => number,
            };
        }
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }

    fn string(&mut self, schema: &Value, name: &str) -> String {
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let formatted = match format {
            "date" => Some("2026-11-22".to_owned()),
            "date-time" => Some("2026-11-22T12:00:00Z".to_owned()),
            "time" => Some("12:00:00Z".to_owned()),
            "email" => Some(self.hints.email().unwrap_or("someone@example.com").to_owned()),
            "uri" | "url" => Some("https://example.com/".to_owned()),
            "uuid" => Some("00000000-0000-4000-8000-000000000000".to_owned()),
            "ipv4" => Some("192.0.2.1".to_owned()),
            _ => None,
        };
        let text = formatted.unwrap_or_else(|| self.free_string(name));
        fitted(text, schema)
    }

    /// Whole questions for members that ask for one, else the next name or quotation.
    fn free_string(&mut self, name: &str) -> String {
        let name = name.to_lowercase();
        let whole =
            ["query", "question", "prompt", "text", "message", "body", "summary"].contains(&name.as_str());
        if whole && !self.hints.text.is_empty() {
            return self.hints.text.clone();
        }
        if name.contains("mail")
            && let Some(email) = self.hints.email()
        {
            return email.to_owned();
        }
        self.hints.take_string().unwrap_or_else(|| "example".to_owned())
    }
}

fn fixed(schema: &Value) -> Option<&Value> {
    schema.get("const").or_else(|| schema.get("default"))
}

/// The type to make; of several, the first that is not null.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.clone().find(|kind| *kind != "null").or_else(|| kinds.next()).unwrap_or("string")
        }
        _ if schema.get("properties").is_some() || schema.get("allOf").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

/// Cut or padded to the lengths the schema wants.
fn fitted(text: String, schema: &Value) -> String {
    let length = |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let mut text: String = text.chars().take(length("maxLength").unwrap_or(usize::MAX)).collect();
    let missing = length("minLength").unwrap_or(0).min(10_000).saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n('x', missing));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(prompt: &str, schema: &Value, expected: &Value) {
        assert_eq!(&satisfy(schema, &mut Hints::from_text(prompt)), expected, "{prompt} {schema}");
    }

    #[test]
    fn members_are_filled_from_the_prompt() {
        let schema = json!({"type": "object", "required": ["city", "unit", "days", "now"], "properties": {
            "city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "maximum": 7}, "now": {"type": "boolean"}, "extra": {"type": "string"}}});
        check(
            "Forecast in fahrenheit for Paris, 10 days",
            &schema,
            &json!({"city": "Paris", "unit": "fahrenheit", "days": 7, "now": true}),
        );
    }

    #[test]
    fn every_kind_of_schema_is_satisfied() {
        let nested = json!({"type": "object", "$defs": {"P": {"type": "object", "properties": {"n": {"type": "string", "minLength": 12}}}},
            "properties": {"p": {"$ref": "#/$defs/P"}, "l": {"type": "array", "items": {"type": "number", "exclusiveMinimum": 2}, "minItems": 2},
            "o": {"anyOf": [{"type": "null"}, {"type": "integer", "multipleOf": 5}]}, "c": {"const": 4}}});
        check("for Ada", &nested, &json!({"p": {"n": "Adaxxxxxxxxx"}, "l": [3.0, 3.0], "o": 5, "c": 4}));
    }

    #[test]
    fn a_recursive_schema_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(satisfy(&schema, &mut Hints::default()).is_object());
    }
}
