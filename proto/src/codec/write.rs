//! Writing: one message to AWS's JSON, with every violation found on the way. Checking is the same walk, which
//! writes nothing and holds each value against its limits as well.

use std::collections::BTreeMap;
use std::fmt;

use prost::bytes::Bytes;
use prost_types::Value as Document;

use super::limits::FREE;
use super::{Limits, Path, Shape, Value, document};

/// Writes a message as AWS's JSON body.
///
/// # Errors
/// Every member that AWS's JSON cannot say, each with its path: a union without exactly one member, a
/// `_text` twin that is not JSON, a number that is not finite, a member that this version does not know.
pub fn write<T: Shape>(message: &T) -> Result<Vec<u8>, Vec<Violation>> {
    let mut to = Writer::default();
    message.write(&mut to);
    to.finish()
}

/// Checks a request against AWS's service model: what [`write()`] refuses, and every member that is missing,
/// too short, too long, out of range or of the wrong form. Words of AWS's enumerations stay open.
#[must_use]
pub fn check<T: Shape>(request: &T) -> Vec<Violation> {
    let mut to = Writer { checks: true, ..Writer::default() };
    request.write(&mut to);
    to.violations
}

/// What is required and not there.
const MISSING: &str = "is not set; AWS requires it";

/// The walk goes on after so many violations but notes no more: each costs memory, and a request of a few
/// megabytes can hold millions.
const MOST_VIOLATIONS: usize = 1000;

/// A member that cannot be written, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The member's path in AWS's names, with the beginning of the caller's own for keys of maps.
    pub path: String,
    /// What was found and what would be accepted; never content.
    pub description: String,
}

/// Without the path, which may hold words of the caller's.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Violation").field("description", &self.description).finish_non_exhaustive()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.description)
    }
}

/// The body so far, and where in it we are.
#[derive(Default)]
#[doc(hidden)]
pub struct Writer {
    pub(super) json: Vec<u8>,
    /// Nothing is written, everything is checked.
    checks: bool,
    path: Path,
    /// Members written into the object that is open.
    members: usize,
    violations: Vec<Violation>,
}

impl Writer {
    /// The body, or every violation in it.
    pub(super) fn finish(self) -> Result<Vec<u8>, Vec<Violation>> {
        if self.violations.is_empty() { Ok(self.json) } else { Err(self.violations) }
    }

    /// Writes a member that is set.
    pub(super) fn member<T: Value>(&mut self, name: &'static str, value: &T, limits: &'static Limits) {
        self.open(name);
        self.value(value, limits);
        self.path.leave();
    }

    /// Writes a member where it is set.
    pub(super) fn optional<T: Value>(
        &mut self,
        name: &'static str,
        value: Option<&T>,
        limits: &'static Limits,
    ) {
        if let Some(value) = value {
            self.member(name, value, limits);
        }
    }

    /// The same of a member that a request must have.
    pub(super) fn required<T: Value>(
        &mut self,
        name: &'static str,
        value: Option<&T>,
        limits: &'static Limits,
    ) {
        match value {
            Some(value) => self.member(name, value, limits),
            None => self.missing(name),
        }
    }

    /// Checks a member that stands in the URI, which cannot be made without it. The body has no place for it.
    pub(super) fn label(&mut self, name: &'static str, value: Option<&String>, limits: &'static Limits) {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => {
                self.path.member(name);
                self.hold(value, limits);
                self.path.leave();
            }
            None => self.missing(name),
        }
    }

    /// Writes a list where it has entries.
    pub(super) fn list<T: Value>(&mut self, name: &'static str, list: &[T], limits: &'static Limits) {
        if !list.is_empty() {
            self.required_list(name, list, limits);
        }
    }

    /// Writes a list, even an empty one.
    pub(super) fn required_list<T: Value>(
        &mut self,
        name: &'static str,
        list: &[T],
        limits: &'static Limits,
    ) {
        self.open(name);
        self.count(list.len(), limits);
        self.entries(list, limits.entries.unwrap_or(&FREE));
        self.path.leave();
    }

    /// Writes a list that is a member of a union: an empty one counts as set when nothing else is, but for a
    /// request, where it says nothing.
    pub(super) fn union_list<T: Value>(&mut self, name: &'static str, list: &[T], limits: &'static Limits) {
        if !list.is_empty() || (self.members == 0 && !self.checks) {
            self.required_list(name, list, limits);
        }
    }

    /// Writes a map where it has entries.
    pub(super) fn map<T: Value>(
        &mut self,
        name: &'static str,
        map: &BTreeMap<String, T>,
        limits: &'static Limits,
    ) {
        if map.is_empty() {
            return;
        }
        self.open(name);
        self.count(map.len(), limits);
        self.object(|to| {
            for (key, value) in map {
                to.key(key);
                to.path.key(key);
                to.hold(key, limits.keys.unwrap_or(&FREE));
                to.value(value, limits.entries.unwrap_or(&FREE));
                to.path.leave();
            }
        });
        self.path.leave();
    }

    /// Writes free-form JSON from its `_text` twin, else from the value; nothing where neither is set.
    pub(super) fn document(&mut self, name: &'static str, value: Option<&Document>, text: Option<&String>) {
        if value.is_none() && text.is_none() {
            return;
        }
        self.open(name);
        match (text, value) {
            (Some(text), _) => document::write_text(text, self),
            (None, Some(value)) => document::write_value(value, self),
            (None, None) => {}
        }
        self.path.leave();
    }

    /// The same of a member that a request must have.
    pub(super) fn required_document(
        &mut self,
        name: &'static str,
        value: Option<&Document>,
        text: Option<&String>,
    ) {
        match value.is_none() && text.is_none() {
            true => self.missing(name),
            false => self.document(name, value, text),
        }
    }

    /// Refuses a member that came from a newer version of AWS's model.
    pub(super) fn unknown(&mut self) {
        self.members += 1;
        self.refuse("holds a member that this version does not know; only replies may have one");
    }

    /// Ends a union, which must have exactly one member.
    pub(super) fn end_union(&mut self, members: &[&str]) {
        match self.members {
            1 => {}
            0 => self.refuse(&format!("has no member; one of {} must be set", members.join(", "))),
            _ => self.refuse(&format!("has several members; only one of {} may be set", members.join(", "))),
        }
    }

    /// Notes a violation at the place we are at.
    pub(super) fn refuse(&mut self, description: &str) {
        if self.violations.len() == MOST_VIOLATIONS {
            return;
        }
        self.violations.push(Violation { path: self.path.to_string(), description: description.to_owned() });
    }

    /// Writes braces around what `members` writes.
    pub(super) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.members);
        self.put(b"{");
        members(self);
        self.put(b"}");
        self.members = outer;
    }

    /// Writes brackets around the entries.
    pub(super) fn entries<T: Value>(&mut self, list: &[T], limits: &'static Limits) {
        self.put(b"[");
        for (index, entry) in list.iter().enumerate() {
            if index > 0 {
                self.put(b",");
            }
            self.path.index(index);
            self.value(entry, limits);
            self.path.leave();
        }
        self.put(b"]");
    }

    /// Writes a key of the object that is open, with the comma before it.
    pub(super) fn key(&mut self, key: &str) {
        if self.members > 0 {
            self.put(b",");
        }
        self.members += 1;
        self.string(key);
        self.put(b":");
    }

    /// Writes a JSON string.
    pub(super) fn string(&mut self, text: &str) {
        self.scalar(text);
    }

    /// Writes a scalar the way serde_json does: escapes, shortest decimal form.
    pub(super) fn scalar<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        if !self.checks && serde_json::to_writer(&mut self.json, value).is_err() {
            self.refuse("cannot be written as JSON");
        }
    }

    /// Writes bytes as base64 between quotes.
    pub(super) fn blob(&mut self, bytes: &Bytes) {
        use base64::Engine;
        if self.checks {
            return;
        }
        self.put(b"\"");
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.put(text.as_bytes());
        self.put(b"\"");
    }

    /// Writes JSON that stands already.
    pub(super) fn put(&mut self, json: &[u8]) {
        if !self.checks {
            self.json.extend_from_slice(json);
        }
    }

    fn value<T: Value>(&mut self, value: &T, limits: &Limits) {
        self.hold(value, limits);
        value.write(self);
    }

    fn hold<T: Value>(&mut self, value: &T, limits: &Limits) {
        if self.checks
            && let Some(fault) = value.fault(limits)
        {
            self.refuse(&fault);
        }
    }

    fn count(&mut self, entries: usize, limits: &Limits) {
        if self.checks
            && let Some(fault) = limits.of_count(entries, "entries")
        {
            self.refuse(&fault);
        }
    }

    fn missing(&mut self, name: &'static str) {
        if self.checks {
            self.path.member(name);
            self.refuse(MISSING);
            self.path.leave();
        }
    }

    fn open(&mut self, name: &'static str) {
        self.key(name);
        self.path.member(name);
    }
}
