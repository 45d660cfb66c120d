//! The Converse side of Bedrock, shared by every family.

mod decode;

use bedrock_inference_proto::codec;

use crate::contract::{AdapterError, ConverseCall, Encoded, Wire};

pub use decode::ConverseDecoder;

/// Turns a call into a body for Converse or ConverseStream.
///
/// # Errors
/// `Unsupported` with every member that AWS's JSON cannot say.
pub fn encode(call: &ConverseCall) -> Result<Encoded, AdapterError> {
    let body = codec::write(&call.request)?.into();
    Ok(Encoded { wire: Wire::Converse { body }, decoder: Box::new(ConverseDecoder) })
}
