//! What a native body holds, whatever its family: read once, without keeping anything.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::size::Size;

/// How the values of `anthropic_beta` begin that ask for a wider window.
pub(super) const WIDE: &str = "context-1m";

/// Members that hold JSON of the caller's own, in which an `image` is a name and no more.
const OF_THE_CALLER: [&str; 5] = ["input", "input_schema", "inputSchema", "parameters", "json"];

/// The size of a body. One that cannot be read may hold anything.
pub(super) fn size(body: &[u8]) -> Size {
    let seen = serde_json::from_slice(body).unwrap_or(Seen { boundless: true, ..Seen::default() });
    let all = i64::try_from(body.len()).unwrap_or(i64::MAX);
    let encoded = seen.encoded.min(all);
    Size {
        text: all - encoded,
        encoded,
        images: seen.images,
        media: seen.media,
        boundless: seen.boundless,
        wide: seen.wide,
    }
}

/// What a name says of the value beside it, or a `type` of the members around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Image,
    /// Of any length.
    Other,
}

/// What a value holds. A member that is there twice counts twice.
#[derive(Default)]
struct Seen {
    encoded: i64,
    images: i64,
    media: i64,
    boundless: bool,
    wide: bool,
    /// Bytes of a text, or of the texts of a list.
    text: i64,
    /// Values of a list; 0 for anything else.
    length: i64,
    /// What a text names.
    named: Option<Medium>,
}

impl Medium {
    fn named(name: &str) -> Option<Self> {
        match name {
            "image" | "images" | "image_url" | "input_image" | "inputImage" => Some(Self::Image),
            "video" | "video_url" | "audio" | "input_audio" | "document" | "file" | "input_file"
            | "s3Location" | "s3_location" | "mediaSource" | "systemTool" => Some(Self::Other),
            _ => None,
        }
    }
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.encoded = self.encoded.saturating_add(other.encoded);
        self.images = self.images.saturating_add(other.images);
        self.media = self.media.saturating_add(other.media);
        self.boundless |= other.boundless;
        self.wide |= other.wide;
    }

    fn medium(&mut self, medium: Medium, count: i64) {
        self.media = self.media.saturating_add(count);
        match medium {
            Medium::Image => self.images = self.images.saturating_add(count),
            Medium::Other => self.boundless = true,
        }
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeenVisitor)
    }
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
        Ok(Seen {
            text: length,
            encoded: if text.starts_with("data:") { length } else { 0 },
            named: Medium::named(text),
            wide: text.starts_with(WIDE),
            ..Seen::default()
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Seen, A::Error> {
        let mut all = Seen::default();
        while let Some(value) = values.next_element::<Seen>()? {
            all.add(&value);
            all.text = all.text.saturating_add(value.text);
            all.length += 1;
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut all = Seen::default();
        while let Some(name) = members.next_key::<String>()? {
            if OF_THE_CALLER.contains(&name.as_str()) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = members.next_value::<Seen>()?;
            all.add(&value);
            let medium = if name == "type" { value.named } else { Medium::named(&name) };
            if let Some(medium) = medium {
                all.medium(medium, value.length.max(1));
            }
            if matches!(name.as_str(), "data" | "bytes") || Medium::named(&name) == Some(Medium::Image) {
                all.encoded = all.encoded.saturating_add(value.text);
            }
        }
        Ok(all)
    }
}
