//! The members of a native reply's objects, read one by one.

use std::collections::BTreeMap;

use bedrock_inference_proto::codec::{self, Decoded, Shape};
use bedrock_inference_proto::v1::{Warning, WarningKind};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AdapterError, Event, InvocationMetrics};

/// The members that Bedrock adds to native bodies of every family; decoding has no use for their names.
const BEDROCK: [&str; 3] =
    ["amazon-bedrock-invocationMetrics", "amazon-bedrock-guardrailAction", "amazon-bedrock-trace"];

/// The members of one JSON object that nobody has taken yet. Null counts as unset.
pub struct Members<'j> {
    path: String,
    members: BTreeMap<String, &'j RawValue>,
}

impl<'j> Members<'j> {
    /// Reads a body.
    ///
    /// # Errors
    /// `Protocol` where it is not a JSON object.
    pub fn read(json: &'j [u8]) -> Result<Self, AdapterError> {
        let members = serde_json::from_slice(json).map_err(|error| match error.is_data() {
            true => AdapterError::protocol("the body is not a JSON object"),
            false => AdapterError::protocol("the body is not well-formed JSON"),
        })?;
        Ok(Self { path: String::new(), members })
    }

    /// Takes a member; `None` where it is unset.
    ///
    /// # Errors
    /// `Protocol` where it is of another type.
    pub fn take<T: Deserialize<'j>>(&mut self, name: &str) -> Result<Option<T>, AdapterError> {
        let Some(raw) = self.members.remove(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|_| wrong_type(&self.at(name)))
    }

    /// Takes a member that is an object.
    ///
    /// # Errors
    /// `Protocol` where it is none.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, AdapterError> {
        let members = self.take(name)?;
        Ok(members.map(|members| Self { path: self.at(name), members }))
    }

    /// Takes a member that is a list of objects.
    ///
    /// # Errors
    /// `Protocol` where it is none.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Self>, AdapterError> {
        let entries: Vec<_> = self.take(name)?.unwrap_or_default();
        let path = self.at(name);
        let entry = |(index, members)| Self { path: format!("{path}[{index}]"), members };
        Ok(entries.into_iter().enumerate().map(entry).collect())
    }

    /// Takes a member that has one of Converse's shapes; what that shape does not know becomes a warning.
    ///
    /// # Errors
    /// `Protocol` where it has another shape.
    pub fn shape<T: Shape>(
        &mut self,
        name: &str,
        events: &mut Vec<Event>,
    ) -> Result<Option<T>, AdapterError> {
        let Some(raw) = self.take::<&RawValue>(name)? else { return Ok(None) };
        let path = self.at(name);
        let Decoded { value, unknown } =
            codec::read::<T>(raw.get().as_bytes()).map_err(|error| wrong_type(&join(&path, &error.path)))?;
        events.extend(unknown.into_iter().map(|member| unknown_member(join(&path, &member))));
        Ok(Some(value))
    }

    /// Takes Bedrock's own metrics; nothing where they are not as expected, for nothing depends on them alone.
    pub fn invocation_metrics(&mut self) -> Option<InvocationMetrics> {
        self.take("amazon-bedrock-invocationMetrics").ok().flatten()
    }

    /// Whether a member is there that nobody has taken.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// The warnings for the members that are left, but for those that are `ignored` and Bedrock's own.
    pub fn warn(self, ignored: &[&str], events: &mut Vec<Event>) {
        let known = |name: &&String| !ignored.contains(&name.as_str()) && !BEDROCK.contains(&name.as_str());
        let left = self.members.keys().filter(known);
        events.extend(left.map(|name| unknown_member(join(&self.path, name))));
    }

    fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }
}

/// The event about something that this version does not know.
#[must_use]
pub fn unknown_member(path: String) -> Event {
    Event::Warning(unknown_warning(path))
}

/// The warning about something that this version does not know.
#[must_use]
pub fn unknown_warning(path: String) -> Warning {
    Warning {
        kind: WarningKind::UnknownMember.into(),
        path,
        message: "Bedrock sent something that this version does not know".to_owned(),
    }
}

fn wrong_type(path: &str) -> AdapterError {
    AdapterError::protocol(format!("{path} is not of the type that the family's format gives"))
}

fn join(path: &str, member: &str) -> String {
    match (path, member) {
        ("", member) => member.to_owned(),
        (path, "") => path.to_owned(),
        (path, member) => format!("{path}.{member}"),
    }
}
