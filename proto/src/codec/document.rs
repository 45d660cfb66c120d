//! Free-form JSON: `google.protobuf.Value`, and the `_text` twin for what a Value would lose.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Document};
use serde_json::value::RawValue;

use super::write::{Violation, Writer};

/// The largest integer up to which an `f64` holds every integer.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
const MAX_EXACT_INTEGER: u128 = 1 << 53;

/// Deeper values would pass the recursion limit of protobuf implementations (100 messages, three a level).
const MAX_DEPTH: usize = 30;

/// Reads JSON text into a value, and into its `_text` twin where the value alone would lose something.
///
/// # Errors
/// The text is not JSON.
pub fn document_from_json(json: &str) -> Result<(Option<Document>, Option<String>), serde_json::Error> {
    Ok(read(serde_json::from_str(json)?))
}

/// Writes a value as JSON text: sorted keys, integral numbers as integers.
///
/// A number that is not finite leaves a gap in the text, which is then no JSON; [`write_document`] tells.
#[must_use]
pub fn document_to_json(value: &Document) -> String {
    let mut to = Writer::default();
    write_value(value, &mut to);
    String::from_utf8(to.json).unwrap_or_default()
}

/// The same as bytes.
///
/// # Errors
/// The numbers that JSON does not have.
pub fn write_document(value: &Document) -> Result<Vec<u8>, Vec<Violation>> {
    let mut to = Writer::default();
    write_value(value, &mut to);
    to.finish()
}

/// An object of these members.
pub(super) fn object(members: impl IntoIterator<Item = (String, Document)>) -> Document {
    Document { kind: Some(Kind::StructValue(Struct { fields: members.into_iter().collect() })) }
}

/// A value, absent where no value can hold it, and the text where the value loses something.
pub(super) fn read(raw: &RawValue) -> (Option<Document>, Option<String>) {
    let text = || Some(raw.get().to_owned());
    let mut lossy = false;
    match to_value(raw, 1, &mut lossy) {
        Some(value) if lossy => (Some(value), text()),
        Some(value) => (Some(value), None),
        None => (None, text()),
    }
}

/// `None` where the value is too deep, or holds something that is JSON only by its grammar: a number beyond
/// `f64`, half a surrogate pair.
///
/// Goes level by level over raw text rather than through `serde_json::Value`, which reads floats to within
/// one unit in the last place only, and takes an object with serde_json's private key for raw JSON.
fn to_value(raw: &RawValue, depth: usize, lossy: &mut bool) -> Option<Document> {
    if depth > MAX_DEPTH {
        return None;
    }
    let json = raw.get();
    let kind = match json.as_bytes().first()? {
        b'n' => Kind::NullValue(0),
        b't' => Kind::BoolValue(true),
        b'f' => Kind::BoolValue(false),
        b'"' => Kind::StringValue(serde_json::from_str(json).ok()?),
        b'[' => {
            let entries: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let entries = entries.into_iter().map(|entry| to_value(entry, depth + 1, lossy));
            Kind::ListValue(ListValue { values: entries.collect::<Option<_>>()? })
        }
        b'{' => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
            let members = members.into_iter();
            let members = members.map(|(name, member)| Some((name, to_value(member, depth + 1, lossy)?)));
            Kind::StructValue(Struct { fields: members.collect::<Option<_>>()? })
        }
        _ => Kind::NumberValue(to_number(json, lossy)?),
    };
    Some(Document { kind: Some(kind) })
}

/// `None` where the number is beyond `f64`.
fn to_number(json: &str, lossy: &mut bool) -> Option<f64> {
    let value = json.parse::<f64>().ok().filter(|value| value.is_finite())?;
    *lossy |= match json.parse::<i128>() {
        // Compared before the rounding: 2^53 + 1 becomes 2^53.
        Ok(integer) => integer.unsigned_abs() > MAX_EXACT_INTEGER,
        Err(_) => value.fract() == 0.0 && value.abs() >= MAX_EXACT,
    };
    Some(value)
}

/// Writes the caller's own JSON text as it stands.
pub(super) fn write_text(text: &str, to: &mut Writer) {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => to.put(raw.get().as_bytes()),
        Err(_) => to.refuse("has a _text twin that is not JSON"),
    }
}

/// Writes a value; one without a kind is null.
pub(super) fn write_value(value: &Document, to: &mut Writer) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => to.put(b"null"),
        Some(Kind::BoolValue(value)) => to.scalar(value),
        Some(Kind::StringValue(value)) => to.string(value),
        Some(Kind::NumberValue(value)) if value.is_finite() => write_number(*value, to),
        Some(Kind::NumberValue(_)) => to.refuse("holds a number that is not finite"),
        Some(Kind::ListValue(list)) => {
            to.put(b"[");
            for (index, entry) in list.values.iter().enumerate() {
                if index > 0 {
                    to.put(b",");
                }
                write_value(entry, to);
            }
            to.put(b"]");
        }
        Some(Kind::StructValue(members)) => to.object(|to| {
            for (name, member) in &members.fields {
                to.key(name);
                write_value(member, to);
            }
        }),
    }
}

/// Writes integral numbers as integers where an `f64` is exact.
pub(super) fn write_number(value: f64, to: &mut Writer) {
    if value.fract() == 0.0 && value.abs() <= MAX_EXACT {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "integral and within 2^53"
        )]
        to.scalar(&(value as i64));
    } else {
        to.scalar(&value);
    }
}
