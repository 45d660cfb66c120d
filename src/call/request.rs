//! What a call asks of Bedrock.

use bedrock_inference_adapters::contract::{Content, ConverseCall, InvokeHeaders, Mode};
use bedrock_inference_proto::codec::{self, Violation, beside};
use bedrock_inference_proto::v1;

use crate::price::Service;

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
    /// The rest, or every reason why it cannot be made: then the refusal still names the call.
    pub request: Result<Request, Vec<Violation>>,
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

    /// The RPC that asks it.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match (self, self.streams()) {
            (Self::Converse(_), false) => "Converse",
            (Self::Converse(_), true) => "ConverseStream",
            (Self::Invoke(_), false) => "InvokeModel",
            (Self::Invoke(_), true) => "InvokeModelStream",
            (Self::CountTokens(_), _) => "CountTokens",
            (Self::ApplyGuardrail(_), _) => "ApplyGuardrail",
        }
    }

    /// What AWS's service model refuses of it, whatever the model.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Violation> {
        match self {
            Self::Converse(call) => codec::check(&call.request),
            Self::Invoke(call) => call.mistakes(),
            Self::CountTokens(count) => codec::check(&**count),
            Self::ApplyGuardrail(verdict) => codec::check(&**verdict),
        }
    }

    /// How it asks to be served, as far as its price depends on it.
    #[must_use]
    pub fn service(&self) -> Service {
        match self {
            Self::Converse(call) => {
                let tier = call.request.service_tier.as_ref().and_then(|tier| tier.r#type.clone());
                let latency =
                    call.request.performance_config.as_ref().and_then(|config| config.latency.clone());
                Service { tier, latency }
            }
            Self::Invoke(call) => Service {
                tier: call.headers.service_tier.clone(),
                latency: call.headers.performance_config_latency.clone(),
            },
            Self::CountTokens(_) | Self::ApplyGuardrail(_) => Service::default(),
        }
    }

    /// Whether it is for a model.
    pub(super) fn needs_model(&self) -> bool {
        !matches!(self, Self::ApplyGuardrail(_))
    }
}

impl InvokeCall {
    /// What AWS's service model refuses, and headers that cannot travel.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Violation> {
        let headers = &self.headers;
        let limited = [
            ("guardrailIdentifier", &headers.guardrail_identifier, &beside::GUARDRAIL_IDENTIFIER),
            ("guardrailVersion", &headers.guardrail_version, &beside::GUARDRAIL_VERSION),
            ("requestMetadata", &headers.request_metadata, &beside::REQUEST_METADATA_JSON),
        ];
        let beyond = limited.into_iter().filter_map(|(path, value, limits)| {
            let value = value.as_deref().filter(|value| travels(value))?;
            limits.check_text(path, value)
        });
        let stuck = headers.all().into_iter().filter(|(_, value)| value.is_some_and(|value| !travels(value)));
        let stuck = stuck.map(|(path, _)| Violation {
            path: path.to_owned(),
            description: "holds characters that an HTTP header cannot; printable ASCII is accepted"
                .to_owned(),
        });
        beside::BODY.check_bytes("body", &self.body).into_iter().chain(beyond).chain(stuck).collect()
    }
}

/// Whether an HTTP header can hold it.
fn travels(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
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
