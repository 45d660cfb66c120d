//! What a call asks of Bedrock.

use bedrock_inference_adapters::contract::{Content, ConverseCall, InvokeHeaders, Mode};
use bedrock_inference_proto::v1;

use crate::error::Error;

/// What goes upstream, before any target is known.
#[derive(Debug, Clone)]
pub enum Request {
    /// A conversation, in AWS's unified form.
    Converse(Box<ConverseCall>),
    /// A body in the model's own form.
    Invoke(Box<InvokeCall>),
    /// A count of input tokens.
    CountTokens(Box<v1::CountTokensRequest>),
    /// A guardrail's verdict; it needs no model.
    ApplyGuardrail(Box<v1::ApplyGuardrailRequest>),
}

/// A native body, passed on as it is.
#[derive(Debug, Clone)]
pub struct InvokeCall {
    /// The body.
    pub body: Content,
    /// What goes beside it.
    pub headers: InvokeHeaders,
    /// How the caller wants the answer.
    pub mode: Mode,
}

/// A request as its RPC took it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The member `modelId`.
    pub model_id: Option<String>,
    /// The member `options`.
    pub options: Option<v1::CallOptions>,
    /// The rest, or why it cannot be accepted: then the refusal still names the call.
    pub request: Result<Request, Error>,
}

impl Request {
    /// Whether the answer comes event by event.
    #[must_use]
    pub fn streams(&self) -> bool {
        match self {
            Self::Converse(call) => call.mode == Mode::Stream,
            Self::Invoke(call) => call.mode == Mode::Stream,
            Self::CountTokens(_) | Self::ApplyGuardrail(_) => false,
        }
    }

    /// Whether it is for a model.
    pub(super) fn needs_model(&self) -> bool {
        !matches!(self, Self::ApplyGuardrail(_))
    }
}

impl From<ConverseCall> for Asked {
    fn from(call: ConverseCall) -> Self {
        Self {
            model_id: call.request.model_id.clone(),
            options: call.request.options.clone(),
            request: Ok(Request::Converse(Box::new(call))),
        }
    }
}

impl From<v1::ConverseRequest> for Asked {
    fn from(request: v1::ConverseRequest) -> Self {
        ConverseCall::from(request).into()
    }
}

impl From<v1::ConverseStreamRequest> for Asked {
    fn from(request: v1::ConverseStreamRequest) -> Self {
        ConverseCall::from(request).into()
    }
}

impl From<v1::CountTokensRequest> for Asked {
    fn from(request: v1::CountTokensRequest) -> Self {
        Self {
            model_id: request.model_id.clone(),
            options: request.options.clone(),
            request: Ok(Request::CountTokens(Box::new(request))),
        }
    }
}

impl From<v1::ApplyGuardrailRequest> for Asked {
    fn from(request: v1::ApplyGuardrailRequest) -> Self {
        Self {
            model_id: None,
            options: request.options.clone(),
            request: Ok(Request::ApplyGuardrail(Box::new(request))),
        }
    }
}
