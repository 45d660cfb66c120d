//! Wire types of the bedrock.inference.v1 API, and the codec between them and AWS's JSON.
//!
//! - [`v1`]: messages, client and server, generated from `bedrock/inference/v1/*.proto`.
//! - [`codec`]: Bedrock's JSON bodies to and from those messages.
//! - [`FILE_DESCRIPTOR_SET`]: what reflection serves.
//!
//! Everything under `gen/` is checked in and proved fresh by `tests/generated.rs`, so that a build needs
//! no protobuf compiler.

pub mod codec;

mod debug;

/// Messages, client and server of the `bedrock.inference.v1` package.
#[path = "gen/bedrock.inference.v1.rs"]
#[rustfmt::skip]
#[allow(
    clippy::all,
    clippy::allow_attributes,
    clippy::as_conversions,
    clippy::indexing_slicing,
    missing_docs,
    unused_qualifications,
    reason = "generated"
)]
pub mod v1;

/// The package's files as an encoded `google.protobuf.FileDescriptorSet`, imports included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptor.binpb");
