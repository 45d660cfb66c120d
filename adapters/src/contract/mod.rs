//! The contract of an adapter: one call in, wire bytes out, the reply's bytes in, events out.

mod content;
mod error;
mod estimate;
mod event;
mod fold;
mod grammar;
mod invoke;
mod members;
mod metrics;
mod model;
mod price;
mod refusals;
mod unfold;
mod usage;

use std::fmt::{self, Debug};

use bedrock_inference_proto::v1;

pub use content::Content;
pub use error::{AdapterError, AdapterErrorKind};
pub use estimate::estimate;
pub use event::Event;
pub use fold::Fold;
pub use grammar::Grammar;
pub use members::{Members, unknown_member, unknown_warning};
pub use metrics::{BedrockMeter, InvocationMetrics};
use model::ModelTable;
pub use model::{Capability, Lifecycle, Limits, Model, Refused, RouteRule};
pub use price::{LongContext, PlacePrices, TokenPrice, TokenPrices, decimal};
pub use refusals::{CONVERSE_ONLY, Refusals};
pub use unfold::unfold;
pub use usage::token_counts;

/// A model family: who speaks for it, and its models.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Translates for every model of the family.
    pub adapter: &'static dyn ModelAdapter,
    /// The family's `models.toml`.
    pub models: &'static str,
}

impl Family {
    /// Reads the family's `models.toml`.
    ///
    /// # Errors
    /// The text is not TOML of the form that [`Model`] describes; a mistake of the build.
    pub fn read_models(&self) -> Result<Vec<Model>, String> {
        let table: ModelTable = toml::from_str(self.models).map_err(|error| error.to_string())?;
        Ok(table.models)
    }
}

/// Speaks one model family's native body format.
///
/// Implementations are pure: no I/O, no clock, no tasks, no state between calls. They never panic on any
/// input, and they print no content.
pub trait ModelAdapter: Debug + Send + Sync {
    /// The family's name, as its folder is called.
    fn family(&self) -> &'static str;

    /// Whether the adapter has a native form of conversations at all; every call goes by Converse where it has none.
    fn converses(&self) -> bool {
        true
    }

    /// Turns a call into a native body for InvokeModel, and into the decoder of what comes back.
    ///
    /// The members that it takes are its tested list: for each of them the native answer equals Converse's.
    ///
    /// # Errors
    /// `Unsupported` with every member that is not on the list; nothing is dropped in silence. Such a call
    /// goes by Converse, unless its caller insists on the native route.
    fn encode(&self, model: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError>;

    /// The most output tokens that a native body asks for, under the family's own name for it; `None` where it
    /// leaves that to the model, says it twice, or cannot be read.
    fn asked_output(&self, model: &Model, body: &[u8]) -> Option<i64>;

    /// Reads the usage of a raw native reply or stream, which otherwise passes as it is.
    fn meter(&self, model: &Model) -> Box<dyn UsageMeter>;
}

/// Watches a raw native reply pass. One meter watches one reply.
pub trait UsageMeter: Debug + Send {
    /// Looks at the next piece. What it does not understand it ignores.
    fn feed(&mut self, piece: &Piece<'_>);

    /// What the reply has reported so far, in Converse's terms; `None` where it has reported nothing.
    fn usage(&self) -> Option<v1::TokenUsage>;

    /// Whether a stream has come to its end: the family's own terminator, or Bedrock's invocation metrics.
    fn is_complete(&self) -> bool;
}

/// A Converse call in either mode. The streaming request holds every member of the unary one.
#[derive(Debug, Clone, PartialEq)]
pub struct ConverseCall {
    /// The request as the caller made it.
    pub request: v1::ConverseStreamRequest,
    /// How the caller wants the answer.
    pub mode: Mode,
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a whole.
    Unary,
    /// Event by event.
    Stream,
}

/// What an adapter made of a call.
pub struct Encoded {
    /// What goes upstream.
    pub wire: Wire,
    /// Reads what comes back.
    pub decoder: Box<dyn StreamDecoder>,
}

/// Bytes for one of Bedrock's operations. The same call always gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// For Converse or ConverseStream.
    Converse {
        /// The JSON body.
        body: Content,
    },
    /// For InvokeModel or InvokeModelWithResponseStream.
    Invoke {
        /// The native body.
        body: Content,
        /// What InvokeModel takes beside the body.
        headers: InvokeHeaders,
    },
}

/// What InvokeModel takes as headers. Unset ones are not sent. They are the caller's words, and not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InvokeHeaders {
    /// The body's media type; `application/json` where unset.
    pub content_type: Option<String>,
    /// The media type that is wanted; `application/json` where unset.
    pub accept: Option<String>,
    /// `ENABLED`, `DISABLED` or `ENABLED_FULL`.
    pub trace: Option<String>,
    /// The guardrail's id or ARN.
    pub guardrail_identifier: Option<String>,
    /// The guardrail's version.
    pub guardrail_version: Option<String>,
    /// `standard` or `optimized`.
    pub performance_config_latency: Option<String>,
    /// `priority`, `default`, `flex` or `reserved`.
    pub service_tier: Option<String>,
    /// A JSON object of strings.
    pub request_metadata: Option<String>,
}

impl InvokeHeaders {
    /// Every header under its name in AWS's model.
    #[must_use]
    pub fn all(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("contentType", self.content_type.as_deref()),
            ("accept", self.accept.as_deref()),
            ("trace", self.trace.as_deref()),
            ("guardrailIdentifier", self.guardrail_identifier.as_deref()),
            ("guardrailVersion", self.guardrail_version.as_deref()),
            ("performanceConfigLatency", self.performance_config_latency.as_deref()),
            ("serviceTier", self.service_tier.as_deref()),
            ("requestMetadata", self.request_metadata.as_deref()),
        ]
    }
}

/// What InvokeModel answers as headers. Bedrock sends the counts for unary calls, though it does not document
/// them; never require one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyHead {
    /// The body's media type.
    pub content_type: Option<String>,
    /// The latency class that served.
    pub performance_config_latency: Option<String>,
    /// The tier that served.
    pub service_tier: Option<String>,
    /// Input tokens beside those of the prompt cache.
    pub input_tokens: Option<i32>,
    /// Output tokens.
    pub output_tokens: Option<i32>,
    /// Tokens read from the prompt cache.
    pub cache_read_input_tokens: Option<i32>,
    /// Tokens written to the prompt cache.
    pub cache_write_input_tokens: Option<i32>,
    /// How long the model took, in milliseconds.
    pub latency_ms: Option<i64>,
}

/// Turns what the upstream sends into [`Event`]s. One decoder reads one reply. It holds content on its way, and
/// has no `Debug` that could print it.
pub trait StreamDecoder: Send {
    /// Reads the next piece of the reply, and adds the events in it to `events`.
    ///
    /// An event or member that the decoder does not know becomes a warning event; it is no error.
    ///
    /// # Errors
    /// `Protocol` where the piece is not what the family's format says. The decoder is then finished.
    fn feed(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) -> Result<(), AdapterError>;
}

/// A piece of a reply.
#[derive(Debug, Clone)]
pub enum Piece<'p> {
    /// The headers of a reply of InvokeModel, before everything else. Converse has none.
    Head(&'p ReplyHead),
    /// The whole body of a unary reply.
    Whole(Content),
    /// One frame of an event stream.
    Frame {
        /// The frame's `:event-type`.
        event: &'p str,
        /// The frame's payload; for a `chunk` of InvokeModel the native bytes inside it.
        payload: Content,
    },
}

impl Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("wire", &self.wire).finish_non_exhaustive()
    }
}

impl Debug for InvokeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvokeHeaders").finish_non_exhaustive()
    }
}

impl From<v1::ConverseRequest> for ConverseCall {
    fn from(request: v1::ConverseRequest) -> Self {
        let guardrail_config = request.guardrail_config.map(|config| v1::GuardrailStreamConfiguration {
            guardrail_identifier: config.guardrail_identifier,
            guardrail_version: config.guardrail_version,
            trace: config.trace,
            stream_processing_mode: None,
        });
        let request = v1::ConverseStreamRequest {
            model_id: request.model_id,
            messages: request.messages,
            system: request.system,
            inference_config: request.inference_config,
            tool_config: request.tool_config,
            guardrail_config,
            additional_model_request_fields: request.additional_model_request_fields,
            prompt_variables: request.prompt_variables,
            additional_model_response_field_paths: request.additional_model_response_field_paths,
            request_metadata: request.request_metadata,
            performance_config: request.performance_config,
            service_tier: request.service_tier,
            output_config: request.output_config,
            additional_model_request_fields_text: request.additional_model_request_fields_text,
            options: request.options,
        };
        Self { request, mode: Mode::Unary }
    }
}

impl From<v1::ConverseStreamRequest> for ConverseCall {
    fn from(request: v1::ConverseStreamRequest) -> Self {
        Self { request, mode: Mode::Stream }
    }
}
