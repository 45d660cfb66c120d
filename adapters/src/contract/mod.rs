//! The contract of an adapter: one call in, wire bytes out, the reply's bytes in, events out.

mod error;
mod event;
mod fold;
mod grammar;
mod model;
mod unfold;
mod usage;

use std::fmt::Debug;

use bedrock_inference_proto::v1;
use bytes::Bytes;

pub use error::{AdapterError, AdapterErrorKind};
pub use event::Event;
pub use fold::Fold;
pub use grammar::Grammar;
use model::ModelTable;
pub use model::{Capability, Lifecycle, Limits, Model};
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

/// Speaks one model family's body format.
///
/// Implementations are pure: no I/O, no clock, no tasks, no state between calls. They never panic on any
/// input, and they print no content.
pub trait ModelAdapter: Debug + Send + Sync {
    /// The family's name, as its folder is called.
    fn family(&self) -> &'static str;

    /// Turns a call into the bytes that go upstream, and into the decoder of what comes back.
    ///
    /// # Errors
    /// `Unsupported` with every member that the wire cannot say; nothing is dropped in silence.
    fn encode(&self, model: &Model, call: &ConverseCall) -> Result<Encoded, AdapterError>;
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
#[derive(Debug)]
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
        body: Bytes,
    },
}

/// Turns what the upstream sends into [`Event`]s. One decoder reads one reply.
pub trait StreamDecoder: Debug + Send {
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
    /// The whole body of a unary reply.
    Whole(Bytes),
    /// One frame of an event stream.
    Frame {
        /// The frame's `:event-type`.
        event: &'p str,
        /// The frame's payload.
        payload: Bytes,
    },
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
