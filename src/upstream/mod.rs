//! Bedrock itself: bytes in, bytes out, and nothing of the SDK beyond this module.

mod aws;
mod failure;
mod frames;
mod identity;
mod lately;
mod raw;
mod said;
mod sources;
mod start;

use std::fmt::Debug;

use async_trait::async_trait;
use bedrock_inference_adapters::contract::{Content, InvokeHeaders, ReplyHead};
use futures_util::stream::BoxStream;

use crate::error::Error;

pub use aws::AwsBedrock;
pub use start::{Credentials, StartError, Started, start, start_on_emulator};

/// The one seam to Bedrock.
#[async_trait]
pub trait Bedrock: Debug + Send + Sync {
    /// Sends one request, and returns when the reply's headers are there.
    ///
    /// There is no retry and no clock here. Dropping the future, or the frames of the reply, drops the
    /// HTTP request.
    ///
    /// # Errors
    /// Whatever Bedrock, the connection or the credentials say, under the reasons of this service.
    async fn send(&self, request: Request) -> Result<Response, Error>;
}

/// One request to Bedrock.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// A base id, a profile id, or an ARN; empty where no model is needed.
    pub model_id: String,
    /// The region to call.
    pub region: String,
    /// The ARN of the IAM role to assume; `None` for the gateway's own identity.
    pub role: Option<String>,
    /// The body, as it goes over the wire.
    pub body: Content,
}

/// Operations of bedrock-runtime, with what they take beside model id and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Converse, answered as a whole.
    Converse,
    /// ConverseStream, answered as frames.
    ConverseStream,
    /// InvokeModel, answered as a whole.
    InvokeModel(InvokeHeaders),
    /// InvokeModelWithResponseStream, answered as frames.
    InvokeModelStream(InvokeHeaders),
    /// CountTokens, answered as a whole.
    CountTokens,
    /// ApplyGuardrail, answered as a whole.
    ApplyGuardrail {
        /// The guardrail's id or ARN.
        identifier: String,
        /// Its version.
        version: String,
    },
}

impl Operation {
    /// Whether it is answered as frames.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        matches!(self, Self::ConverseStream | Self::InvokeModelStream(_))
    }
}

/// The reply of Bedrock.
pub struct Response {
    /// AWS's request id, where it sent one.
    pub request_id: Option<String>,
    /// What InvokeModel says in headers; empty for the others.
    pub head: ReplyHead,
    /// The body.
    pub body: Body,
}

/// The body of a reply.
pub enum Body {
    /// All of it.
    Whole(Content),
    /// Frame by frame. An exception frame, a damaged frame or a lost connection is an error, and the last
    /// item.
    Frames(BoxStream<'static, Result<Frame, Error>>),
}

/// One event frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its `:event-type`.
    pub event: String,
    /// Its payload; for a `chunk` the native bytes inside it.
    pub payload: Content,
}
