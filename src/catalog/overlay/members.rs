//! The members of a table of the overlay, each read by itself, so that every mistake is found.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A table, the place where it stands, and the mistakes of the whole file.
pub(super) struct Members<'m> {
    table: Table,
    place: String,
    mistakes: &'m mut Vec<String>,
}

impl<'m> Members<'m> {
    pub(super) fn new(table: Table, place: &str, mistakes: &'m mut Vec<String>) -> Self {
        Self { table, place: place.to_owned(), mistakes }
    }

    /// What is given under a name; `None` where nothing is, or nothing that can be read.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let read = self.table.remove(name)?.try_into();
        read.map_err(|error: toml::de::Error| self.wrong(name, error.message())).ok()
    }

    /// What is given under a name, or else what is known; a mistake where neither is.
    pub(super) fn or<T: DeserializeOwned>(&mut self, name: &str, known: Option<T>) -> Option<T> {
        match known {
            known if self.table.contains_key(name) => self.take(name).or(known),
            None => {
                self.wrong(name, "is missing");
                None
            }
            known => known,
        }
    }

    /// Reads the table under a name; `None` where nothing is.
    pub(super) fn within<T>(&mut self, name: &str, read: impl FnOnce(&mut Members<'_>) -> T) -> Option<T> {
        match self.table.remove(name)? {
            Value::Table(table) => Some(self.inner(name, table, read)),
            _ => {
                self.wrong(name, "is no table");
                None
            }
        }
    }

    /// Reads each table of the array under a name.
    pub(super) fn each<T>(&mut self, name: &str, mut read: impl FnMut(&mut Members<'_>) -> T) -> Vec<T> {
        let mut found = Vec::new();
        let items = match self.table.remove(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(name, "is no array of tables");
                Vec::new()
            }
        };
        for (at, item) in items.into_iter().enumerate() {
            let name = format!("{name}[{at}]");
            match item {
                Value::Table(table) => found.push(self.inner(&name, table, &mut read)),
                _ => self.wrong(&name, "is no table"),
            }
        }
        found
    }

    /// The text under a name, which stays there: it names the place of all that follows.
    pub(super) fn named(&mut self, kind: &str, name: &str) {
        if let Some(text) = self.table.get(name).and_then(Value::as_str) {
            self.place = format!("{kind} {text:?}");
        }
    }

    pub(super) fn wrong(&mut self, name: &str, what: &str) {
        let place = if self.place.is_empty() { name.to_owned() } else { format!("{}: {name}", self.place) };
        self.mistakes.push(format!("{place}: {what}"));
    }

    fn inner<T>(&mut self, name: &str, table: Table, read: impl FnOnce(&mut Members<'_>) -> T) -> T {
        let place = if self.place.is_empty() { name.to_owned() } else { format!("{}: {name}", self.place) };
        let mut members = Members { table, place, mistakes: self.mistakes };
        let found = read(&mut members);
        members.end();
        found
    }

    /// What nobody asked for is a mistake.
    pub(super) fn end(mut self) {
        for (name, _) in std::mem::take(&mut self.table) {
            self.wrong(&name, "is not known here");
        }
    }
}
