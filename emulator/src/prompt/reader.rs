//! Reading untyped JSON with the place of every complaint: `messages.1.content.0.image`.

use std::fmt;

use serde_json::{Map, Value};

use crate::errors::{Failure, Outcome};

/// A place in the request. It points to its parent, so that walking costs nothing until someone complains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Member(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// A top-level member.
    pub(super) fn root(name: &'p str) -> Self {
        Self { parent: None, step: Step::Member(name) }
    }

    /// A member below this place.
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Member(name) }
    }

    /// An element below this place.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// A refusal in the words of AWS's model validation.
    pub(super) fn constraint(&self, constraint: &str) -> Failure {
        Failure::validation(format!(
            "1 validation error detected: Value at '{self}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// A refusal of a value of the wrong JSON type.
    fn wrong_type(&self, expected: &str) -> Failure {
        Failure::validation(format!("The value at {self} must be {expected}."))
    }

    fn missing(&self) -> Failure {
        self.constraint("Member must not be null")
    }

    /// The object at this place.
    pub(super) fn object(&self, value: Value) -> Outcome<Map<String, Value>> {
        match value {
            Value::Object(members) => Ok(members),
            Value::Null => Err(self.missing()),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// The list at this place.
    pub(super) fn list(&self, value: Value) -> Outcome<Vec<Value>> {
        match value {
            Value::Array(items) => Ok(items),
            Value::Null => Err(self.missing()),
            _ => Err(self.wrong_type("a list")),
        }
    }

    /// The string at this place.
    pub(super) fn string(&self, value: Value) -> Outcome<String> {
        match value {
            Value::String(text) => Ok(text),
            Value::Null => Err(self.missing()),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// The required member of an object at this place.
    pub(super) fn required(&self, members: &mut Map<String, Value>, name: &str) -> Outcome<Value> {
        present(members, name).ok_or_else(|| self.member(name).missing())
    }

    /// The required string member of an object at this place.
    pub(super) fn required_string(&self, members: &mut Map<String, Value>, name: &str) -> Outcome<String> {
        let value = self.required(members, name)?;
        self.member(name).string(value)
    }

    /// The optional string member of an object at this place.
    pub(super) fn optional_string(
        &self,
        members: &mut Map<String, Value>,
        name: &str,
    ) -> Outcome<Option<String>> {
        present(members, name).map(|value| self.member(name).string(value)).transpose()
    }

    /// The optional string member that must be one of the given words.
    pub(super) fn optional_word(
        &self,
        members: &mut Map<String, Value>,
        name: &str,
        words: &[&str],
    ) -> Outcome<Option<String>> {
        let word = self.optional_string(members, name)?;
        match word {
            Some(word) if !words.contains(&word.as_str()) => Err(self.member(name).not_one_of(&word, words)),
            word => Ok(word),
        }
    }

    /// A refusal of a word outside an enum.
    pub(super) fn not_one_of(&self, found: &str, words: &[&str]) -> Failure {
        Failure::validation(format!(
            "1 validation error detected: Value '{found}' at '{self}' failed to satisfy constraint: \
             Member must satisfy enum value set: [{}]",
            words.join(", ")
        ))
    }

    /// The one member of a union at this place.
    pub(super) fn union(&self, value: Value, union: &str, known: &[&str]) -> Outcome<(String, Value)> {
        let mut members = self.object(value)?.into_iter().filter(|(_, value)| !value.is_null());
        match (members.next(), members.next()) {
            (Some((name, value)), None) if known.contains(&name.as_str()) => Ok((name, value)),
            (Some(_), Some(_)) => Err(Failure::validation(format!(
                "The {union} object at {self} must set exactly one of the following keys: {}.",
                known.join(", ")
            ))),
            _ => Err(Failure::validation(format!(
                "{union} object at {self} must set one of the following keys: {}.",
                known.join(", ")
            ))),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        match self.step {
            Step::Member(name) => f.write_str(name),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Takes a member out of an object; an explicit null counts as absent, as in restJson1.
pub(super) fn present(members: &mut Map<String, Value>, name: &str) -> Option<Value> {
    members.remove(name).filter(|value| !value.is_null())
}
