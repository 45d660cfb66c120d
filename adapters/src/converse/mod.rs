//! The Converse side of Bedrock, shared by every family.

mod decode;

use bedrock_inference_proto::codec;

use crate::contract::{AdapterError, ConverseCall, Encoded, Model, ModelAdapter, Wire};

pub use decode::ConverseDecoder;

/// Sends calls through Converse and ConverseStream.
#[derive(Debug, Clone, Copy)]
pub struct ConverseAdapter {
    /// The family it speaks for.
    pub family: &'static str,
}

impl ModelAdapter for ConverseAdapter {
    fn family(&self) -> &'static str {
        self.family
    }

    fn encode(&self, _: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError> {
        let body = codec::write(&call.request)?.into();
        Ok(Encoded { wire: Wire::Converse { body }, decoder: Box::new(ConverseDecoder) })
    }
}
