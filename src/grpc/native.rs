//! What InvokeModel and InvokeModelStream share: a body as bytes or as JSON, answered in kind.

use bedrock_inference_adapters::contract::{Content, Event, InvokeHeaders, Mode, ReplyHead};
use bedrock_inference_proto::codec::{Violation, document_from_json, write_document};
use bedrock_inference_proto::v1::{CallOptions, InvokeModelRequest, InvokeModelStreamRequest};
use bytes::Bytes;
use futures_util::StreamExt;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use crate::call::{Asked, Events, InvokeCall, Request};
use crate::catalog::is_prompt;
use crate::error::Error;

/// The form in which a body came, and in which the answer goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bytes,
    Json,
}

/// The members of either request.
pub(super) struct Native {
    model_id: Option<String>,
    options: Option<CallOptions>,
    body: Option<Bytes>,
    json_body: Option<Struct>,
    headers: InvokeHeaders,
    mode: Mode,
}

macro_rules! native {
    ($request:ty, $mode:expr) => {
        impl From<$request> for Native {
            fn from(request: $request) -> Self {
                Self {
                    model_id: request.model_id,
                    options: request.options,
                    body: request.body,
                    json_body: request.json_body,
                    headers: InvokeHeaders {
                        content_type: request.content_type,
                        accept: request.accept,
                        trace: request.trace,
                        guardrail_identifier: request.guardrail_identifier,
                        guardrail_version: request.guardrail_version,
                        performance_config_latency: request.performance_config_latency,
                        service_tier: request.service_tier,
                        request_metadata: request.request_metadata,
                    },
                    mode: $mode,
                }
            }
        }
    };
}
native!(InvokeModelRequest, Mode::Unary);
native!(InvokeModelStreamRequest, Mode::Stream);

impl Native {
    /// The form of the body.
    pub(super) fn form(&self) -> Form {
        if self.json_body.is_some() { Form::Json } else { Form::Bytes }
    }

    /// The call, or why it cannot be made: not exactly one body.
    pub(super) fn asked(self) -> Asked {
        let (model_id, options) = (self.model_id.clone(), self.options.clone());
        Asked { model_id, options, request: self.request() }
    }

    fn request(self) -> Result<Request, Vec<Violation>> {
        let body = match (self.body, self.json_body) {
            (Some(body), None) => Ok(body),
            (None, Some(json)) => {
                let json = Value { kind: Some(Kind::StructValue(json)) };
                let body = write_document(&json).map(Bytes::from);
                body.map_err(|_| mistake("jsonBody", "holds a number that is not finite"))
            }
            // The prompt is the body.
            (None, None) if self.model_id.as_deref().is_some_and(is_prompt) => Ok(Bytes::new()),
            (None, None) => Err(mistake("body", "is not set, and neither is jsonBody")),
            (Some(_), Some(_)) => Err(mistake("body", "is set beside jsonBody; only one of them may be")),
        };
        let (body, unmakeable) =
            body.map_or_else(|mistake| (Bytes::new(), Some(mistake)), |body| (body, None));
        let call = InvokeCall { body: body.into(), headers: self.headers, mode: self.mode };
        match unmakeable {
            None => Ok(Request::Invoke(Box::new(call))),
            Some(mistake) => Err([mistake].into_iter().chain(call.mistakes()).collect()),
        }
    }
}

fn mistake(path: &str, description: &str) -> Violation {
    Violation { path: path.to_owned(), description: description.to_owned() }
}

/// A body in the form that was asked for: as JSON, with the bytes beside it where JSON loses something.
pub(super) fn in_kind(body: Content, form: Form) -> (Option<Bytes>, Option<Struct>) {
    let body = body.into_bytes();
    if form == Form::Bytes {
        return (Some(body), None);
    }
    let json = std::str::from_utf8(&body).ok().and_then(|text| document_from_json(text).ok());
    match json {
        Some((Some(Value { kind: Some(Kind::StructValue(json)) }), lossless)) => {
            (lossless.is_some().then_some(body), Some(json))
        }
        _ => (Some(body), None),
    }
}

/// The headers of a raw reply, which stand before everything else.
///
/// # Errors
/// The reply's own.
pub(super) async fn head(events: &mut Events) -> Result<ReplyHead, Error> {
    match events.next().await.transpose()? {
        Some(Event::Head(head)) => Ok(*head),
        _ => Ok(ReplyHead::default()),
    }
}
