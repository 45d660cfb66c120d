//! Reading: AWS's JSON to one message, with every member that this version does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use prost_types::Value as Document;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::limits::FREE;
use super::{Path, Shape, Value, document};

/// Reads AWS's JSON body.
///
/// # Errors
/// The first place where the body is not JSON or not of the shape that AWS's model says.
pub fn read<T: Shape>(json: &[u8]) -> Result<Decoded<T>, ReadError> {
    let mut context = Context::default();
    let mut from = serde_json::Deserializer::from_slice(json);
    let value = T::read(&mut from, &mut context).and_then(|value| from.end().map(|()| value));
    match value {
        Ok(value) => Ok(Decoded { value, unknown: context.unknown }),
        Err(error) => Err(ReadError { path: context.path.without_keys(), syntax: !error.is_data() }),
    }
}

/// A message, and what of the body it could not take.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<T> {
    /// The message.
    pub value: T,
    /// Paths of the members that this version does not know, in order.
    pub unknown: Vec<String>,
}

/// The body is not what AWS's model says. Says where, never what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The path of the member that could not be read; empty for the body itself. It holds names of AWS's
    /// model only, so that it can be shown: `*` stands for a key, and an unknown member for the one around it.
    pub path: String,
    /// Whether it is not even JSON.
    pub syntax: bool,
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the body" } else { &self.path };
        match self.syntax {
            true => write!(f, "not well-formed JSON at {place}"),
            false => write!(f, "{place} is not of the type that AWS's service model gives"),
        }
    }
}

/// Where in the body we are, and what was skipped.
#[derive(Default)]
pub(super) struct Context {
    path: Path,
    unknown: Vec<String>,
}

impl Context {
    pub(super) fn leave(&mut self) {
        self.path.leave();
    }
}

/// The value of one member, about to be read.
#[doc(hidden)]
pub struct Members<'m, A> {
    map: &'m mut A,
    context: &'m mut Context,
}

impl<'m, 'de, A: MapAccess<'de>> Members<'m, A> {
    pub(super) fn new(map: &'m mut A, context: &'m mut Context, name: &str) -> Self {
        context.path.name(name);
        Self { map, context }
    }

    /// Reads a member; null means unset.
    pub(super) fn optional<T: Value>(&mut self, into: &mut Option<T>) -> Result<(), A::Error> {
        *into = self.value()?;
        Ok(())
    }

    /// Reads a value; null gives `None`.
    pub(super) fn value<T: Value>(&mut self) -> Result<Option<T>, A::Error> {
        self.map.next_value_seed(Optional { context: self.context, value: PhantomData })
    }

    /// Reads a list; null means empty.
    pub(super) fn list<T: Value>(&mut self, into: &mut Vec<T>) -> Result<(), A::Error> {
        let list: Option<List<T>> = self.value()?;
        *into = list.map(|list| list.0).unwrap_or_default();
        Ok(())
    }

    /// Reads a map; null means empty.
    pub(super) fn map<T: Value>(&mut self, into: &mut BTreeMap<String, T>) -> Result<(), A::Error> {
        let map: Option<Map<T>> = self.value()?;
        *into = map.map(|map| map.0).unwrap_or_default();
        Ok(())
    }

    /// Reads free-form JSON; the text is filled where the value alone would lose something.
    pub(super) fn document(
        &mut self,
        value: &mut Option<Document>,
        text: &mut Option<String>,
    ) -> Result<(), A::Error> {
        let raw: &RawValue = self.map.next_value()?;
        (*value, *text) = document::read(raw);
        Ok(())
    }

    /// Keeps a member that the shape does not know as free-form JSON, and notes its path.
    pub(super) fn unknown(&mut self, name: &str) -> Result<Document, A::Error> {
        let raw: &RawValue = self.skipped()?;
        let value = document::read(raw).0.unwrap_or_default();
        Ok(document::object([(name.to_owned(), value)]))
    }

    /// Skips a member that the shape does not know, and notes its path.
    pub(super) fn skip_unknown(&mut self) -> Result<(), A::Error> {
        self.skipped::<IgnoredAny>().map(|_| ())
    }

    /// The value of a member that the shape does not know, whose path is noted; an error does not name it.
    fn skipped<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        let value = self.map.next_value();
        match value {
            Ok(_) => self.context.unknown.push(self.context.path.to_string()),
            Err(_) => self.context.leave(),
        }
        value
    }
}

struct Optional<'c, T> {
    context: &'c mut Context,
    value: PhantomData<T>,
}

impl<'de, T: Value> DeserializeSeed<'de> for Optional<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de, T: Value> Visitor<'de> for Optional<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        T::read(from, self.context).map(Some)
    }
}

struct List<T>(Vec<T>);

impl<T: Value> Value for List<T> {
    fn write(&self, to: &mut super::Writer) {
        to.entries(&self.0, &FREE);
    }

    fn read<'de, D: Deserializer<'de>>(from: D, context: &mut Context) -> Result<Self, D::Error> {
        entries(from, context).map(Self)
    }
}

/// Reads the entries of a list.
pub(super) fn entries<'de, T: Value, D: Deserializer<'de>>(
    from: D,
    context: &mut Context,
) -> Result<Vec<T>, D::Error> {
    struct Entries<'c, T> {
        context: &'c mut Context,
        entry: PhantomData<T>,
    }
    impl<'de, T: Value> Visitor<'de> for Entries<'_, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<T>, S::Error> {
            let mut entries = Vec::new();
            loop {
                self.context.path.index(entries.len());
                let entry =
                    seq.next_element_seed(Entry { context: &mut *self.context, value: PhantomData })?;
                self.context.path.leave();
                match entry {
                    Some(entry) => entries.push(entry),
                    None => return Ok(entries),
                }
            }
        }
    }
    from.deserialize_seq(Entries { context, entry: PhantomData })
}

struct Entry<'c, T> {
    context: &'c mut Context,
    value: PhantomData<T>,
}

impl<'de, T: Value> DeserializeSeed<'de> for Entry<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        T::read(from, self.context)
    }
}

struct Map<T>(BTreeMap<String, T>);

impl<T: Value> Value for Map<T> {
    fn write(&self, _: &mut super::Writer) {}

    fn read<'de, D: Deserializer<'de>>(from: D, context: &mut Context) -> Result<Self, D::Error> {
        from.deserialize_map(MapEntries { context, value: PhantomData }).map(Self)
    }
}

struct MapEntries<'c, T> {
    context: &'c mut Context,
    value: PhantomData<T>,
}

impl<'de, T: Value> Visitor<'de> for MapEntries<'_, T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            self.context.path.key(&key);
            let seed = Entry { context: &mut *self.context, value: PhantomData };
            entries.insert(key, map.next_value_seed(seed)?);
            self.context.path.leave();
        }
        Ok(entries)
    }
}
