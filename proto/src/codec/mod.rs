//! AWS's JSON to and from the API's messages, driven by AWS's own service model.
//!
//! The same message always gives the same bytes: members stand in the order of AWS's model, keys of
//! free-form objects are sorted, integral numbers are written as integers. Bedrock's prompt cache
//! matches prefixes, so this is worth money.
//!
//! The implementations for each shape are generated from `model/bedrock-runtime.json` into
//! `gen/codec.rs`.

mod document;
mod limits;
#[path = "../gen/codec.rs"]
#[rustfmt::skip]
mod shapes;
mod path;
mod read;
mod scalar;
mod write;

pub use document::{document_from_json, document_to_json, write_document};
pub use limits::Limits;
pub use read::{Decoded, ReadError, read};
pub use write::{Violation, check, write};

use path::Path;
use read::Members;
use write::Writer;

/// A structure or union of AWS's model.
pub trait Shape: Default {
    /// Writes the members, without the braces around them.
    #[doc(hidden)]
    fn write_members(&self, to: &mut Writer);

    /// Reads the member `name`; `false` means that the shape has none of that name.
    #[doc(hidden)]
    fn read_member<'de, A: serde::de::MapAccess<'de>>(
        &mut self,
        name: &str,
        from: &mut Members<'_, A>,
    ) -> Result<bool, A::Error>;
}

/// The limits of members that travel beside a body, under the names of AWS's shapes.
pub mod beside {
    pub use super::shapes::{
        BODY, CONVERSATIONAL_MODEL_ID, FOUNDATION_MODEL_VERSION_IDENTIFIER, GUARDRAIL_IDENTIFIER,
        GUARDRAIL_VERSION, INVOKE_MODEL_IDENTIFIER, REQUEST_METADATA_JSON,
    };
}

/// Anything that stands as a value in AWS's JSON: a scalar, or a [`Shape`] between braces.
trait Value: Sized {
    fn write(&self, to: &mut Writer);

    /// What is wrong with it by these limits; a shape's members have limits of their own.
    fn fault(&self, _: &Limits) -> Option<String> {
        None
    }

    fn read<'de, D: serde::Deserializer<'de>>(from: D, context: &mut read::Context)
    -> Result<Self, D::Error>;
}
