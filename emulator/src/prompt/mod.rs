//! What a model is asked, whatever the wire format was: the input of every answer.

mod content;
mod conversation;
mod converse;
mod native;
mod parameters;
mod reader;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::models::Model;

pub(crate) use converse::parse_converse;
pub(crate) use native::{Invocation, PERFORMANCE_LATENCY, REQUEST_METADATA, SERVICE_TIER, parse_native};

/// A validated request to a model.
#[derive(Debug)]
pub(crate) struct Prompt {
    /// The model that is played.
    pub(crate) model: Arc<Model>,
    /// The instructions beside the conversation.
    pub(crate) system: Vec<SystemBlock>,
    /// The conversation; the last message is the one to answer.
    pub(crate) messages: Vec<Message>,
    /// What the model may call, in the caller's order; empty when no tools were offered.
    pub(crate) tools: Vec<Tool>,
    /// Whether and what the model must call.
    pub(crate) tool_choice: ToolChoice,
    /// At most one tool call an answer.
    pub(crate) single_tool_use: bool,
    /// Length, sampling and stop sequences.
    pub(crate) inference: Inference,
    /// Whether the answer starts with reasoning.
    pub(crate) reasoning: bool,
    /// The JSON schema the text must satisfy.
    pub(crate) output_schema: Option<Value>,
    /// The guardrail to apply.
    pub(crate) guardrail: Option<GuardrailRequest>,
    /// JSON pointers into the native response that the caller wants to see.
    pub(crate) response_paths: Vec<String>,
    /// The latency mode asked for, echoed in the response.
    pub(crate) latency: Option<String>,
    /// The service tier asked for, echoed in the response.
    pub(crate) service_tier: Option<String>,
}

impl Prompt {
    /// A prompt that says nothing yet.
    pub(crate) fn empty(model: Arc<Model>) -> Self {
        Self {
            model,
            system: Vec::new(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            single_tool_use: false,
            inference: Inference::default(),
            reasoning: false,
            output_schema: None,
            guardrail: None,
            response_paths: Vec::new(),
            latency: None,
            service_tier: None,
        }
    }

    /// The most tokens the answer may have.
    pub(crate) fn max_tokens(&self) -> u32 {
        self.inference.max_tokens.unwrap_or(self.model.max_output_tokens)
    }

    /// The texts of the last user message, joined by spaces.
    pub(crate) fn last_user_text(&self) -> String {
        let last = self.messages.iter().rfind(|message| message.role == Role::User);
        last.map(Message::text).unwrap_or_default()
    }

    /// The results in the last message, if it brings any.
    pub(crate) fn last_tool_results(&self) -> impl Iterator<Item = &ToolResult> {
        let last = self.messages.iter().rfind(|message| message.role != Role::System);
        last.into_iter().flat_map(|message| &message.content).filter_map(|block| match block {
            Block::ToolResult(result) => Some(result),
            _ => None,
        })
    }

    /// The name of the tool that a call in the history used.
    pub(crate) fn tool_name(&self, tool_use_id: &str) -> Option<&str> {
        self.messages.iter().flat_map(|message| &message.content).find_map(|block| match block {
            Block::ToolUse { id, name, .. } if id == tool_use_id => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the conversation; newest Claude only.
    System,
}

/// One turn.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: Vec<Block>,
}

impl Message {
    /// The texts of the message, joined by spaces.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.content.iter().filter_map(Block::as_text).collect();
        texts.join(" ")
    }
}

/// One part of a turn.
#[derive(Debug)]
pub(crate) enum Block {
    Text(String),
    Image(Image),
    Document(Document),
    /// A video or a sound; the emulator knows its kind and size.
    Media {
        kind: &'static str,
        format: String,
        source: Source,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ToolResult(ToolResult),
    /// Text that the guardrail must look at.
    GuardText(String),
    /// An image that the guardrail must look at.
    GuardImage(Image),
    CachePoint(Ttl),
    Reasoning {
        text: String,
        signature: Option<String>,
    },
    /// Reasoning that only the model can read, as base64 text.
    RedactedReasoning(String),
    SearchResult(SearchResult),
    /// A tool added to or removed from the conversation.
    ToolChange,
}

impl Block {
    /// The plain text of the block, if it is a text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::GuardText(text) => Some(text),
            _ => None,
        }
    }
}

/// Where bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    Bytes(Bytes),
    S3(String),
}

/// An image and its declared format.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) format: String,
    pub(crate) source: Source,
}

/// A document for the model to read.
#[derive(Debug)]
pub(crate) struct Document {
    /// The declared format; `txt` where the caller gave none.
    pub(crate) format: String,
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Whether the caller gave the text in chunks of its own.
    pub(crate) chunked: bool,
    /// Whether the answer may cite it.
    pub(crate) citable: bool,
}

/// Something found, for the model to read.
#[derive(Debug)]
pub(crate) struct SearchResult {
    /// Where it was found.
    pub(crate) source: String,
    pub(crate) title: String,
    pub(crate) text: String,
    /// Whether the answer may cite it.
    pub(crate) citable: bool,
}

/// What a tool gave back.
#[derive(Debug)]
pub(crate) struct ToolResult {
    pub(crate) id: String,
    pub(crate) content: Vec<ResultBlock>,
    pub(crate) failed: bool,
}

/// One part of a tool result.
#[derive(Debug)]
pub(crate) enum ResultBlock {
    Json(Value),
    Text(String),
    Image(Image),
    Document(Document),
    /// A video or a search result.
    Other(&'static str),
}

/// One part of the system prompt.
#[derive(Debug)]
pub(crate) enum SystemBlock {
    Text(String),
    GuardText(String),
    CachePoint(Ttl),
}

/// One entry of the tool list.
#[derive(Debug)]
pub(crate) enum Tool {
    Spec(ToolSpec),
    /// A tool the provider runs itself, by name.
    Provided(String),
    CachePoint(Ttl),
}

/// A tool the caller runs.
#[derive(Debug)]
pub(crate) struct ToolSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: Value,
}

/// Whether and what the model must call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    Any,
    Named(String),
    /// Tools are known but must not be called; only Claude's native body can say so.
    None,
}

/// How long a cache checkpoint lives after its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    FiveMinutes,
    OneHour,
}

/// Length, sampling and stop sequences.
#[derive(Debug, Default)]
pub(crate) struct Inference {
    pub(crate) max_tokens: Option<u32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) stop_sequences: Vec<String>,
}

/// The guardrail a caller asks for.
#[derive(Debug)]
pub(crate) struct GuardrailRequest {
    /// The id or ARN as it was sent.
    pub(crate) identifier: String,
    pub(crate) version: String,
    pub(crate) trace: TraceLevel,
    /// Streams only: deltas are sent before they are assessed, so nothing is masked.
    pub(crate) asynchronous: bool,
}

/// How much of its reasons the guardrail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceLevel {
    Disabled,
    Enabled,
    /// Also what was looked for and not found.
    Full,
}
