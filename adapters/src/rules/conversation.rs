//! What Converse and CountTokens have in common: the conversation, and how to go through its blocks.

use std::fmt;

use bedrock_inference_proto::codec::document_to_json;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseStreamRequest, ConverseTokensRequest, Message, SystemContentBlock,
    ToolConfiguration, content_block,
};

use super::fields::Fields;

/// A conversation and what frames it.
pub(super) struct Conversation<'r> {
    pub(super) messages: &'r [Message],
    pub(super) system: &'r [SystemContentBlock],
    pub(super) tool_config: Option<&'r ToolConfiguration>,
    /// The additional model request fields.
    pub(super) fields: Fields,
}

/// One content block of a message, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'r> {
    pub(super) message: usize,
    pub(super) index: usize,
    pub(super) role: Role,
    pub(super) kind: &'r content_block::Kind,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
    System,
    /// Unset, or a word that this version does not know: no rule judges it.
    Other,
}

impl Role {
    pub(super) fn of(message: &Message) -> Self {
        match message.role.as_deref() {
            Some("user") => Self::User,
            Some("assistant") => Self::Assistant,
            Some("system") => Self::System,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Other => "of another role",
        }
    }
}

/// The block's place, in AWS's names.
impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages[{}].content[{}].{}", self.message, self.index, self.name())
    }
}

impl Block<'_> {
    fn name(&self) -> &'static str {
        use content_block::Kind;
        match self.kind {
            Kind::Text(_) => "text",
            Kind::Image(_) => "image",
            Kind::Document(_) => "document",
            Kind::Video(_) => "video",
            Kind::Audio(_) => "audio",
            Kind::ToolUse(_) => "toolUse",
            Kind::ToolResult(_) => "toolResult",
            Kind::GuardContent(_) => "guardContent",
            Kind::CachePoint(_) => "cachePoint",
            Kind::ReasoningContent(_) => "reasoningContent",
            Kind::CitationsContent(_) => "citationsContent",
            Kind::SearchResult(_) => "searchResult",
            Kind::ToolAddition(_) => "toolAddition",
            Kind::ToolRemoval(_) => "toolRemoval",
            Kind::Unknown(_) => "unknown",
        }
    }
}

impl<'r> Conversation<'r> {
    /// Every block that is set.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block<'r>> {
        self.messages.iter().enumerate().flat_map(|(at, message)| blocks(at, message))
    }

    /// Where the message is with which the answer begins: the assistant has the last word, and does not wait for
    /// a tool that the provider runs.
    pub(super) fn prefill(&self) -> Option<usize> {
        let last = self.messages.last().filter(|last| Role::of(last) == Role::Assistant)?;
        let block = last.content.last();
        let waits = match block.and_then(|ContentBlock { kind }| kind.as_ref()) {
            Some(content_block::Kind::ToolUse(tool_use)) => tool_use.r#type.is_some(),
            _ => false,
        };
        (!waits).then_some(self.messages.len() - 1)
    }

    /// The turns of user and assistant, with their places; those of the system stand between them.
    pub(super) fn turns(&self) -> impl DoubleEndedIterator<Item = (usize, &'r Message)> {
        self.messages.iter().enumerate().filter(|(_, message)| Role::of(message) != Role::System)
    }
}

/// The blocks of one message that are set.
pub(super) fn blocks(message: usize, of: &Message) -> impl Iterator<Item = Block<'_>> {
    let role = Role::of(of);
    let set = of.content.iter().enumerate().filter_map(|(index, block)| Some((index, block.kind.as_ref()?)));
    set.map(move |(index, kind)| Block { message, index, role, kind })
}

macro_rules! conversation {
    ($($request:ty),*) => {$(
        impl<'r> From<&'r $request> for Conversation<'r> {
            fn from(request: &'r $request) -> Self {
                let value = request.additional_model_request_fields.as_ref();
                let fields = match (&request.additional_model_request_fields_text, value) {
                    (Some(text), _) => Fields::read(text),
                    (None, Some(value)) => Fields::read(&document_to_json(value)),
                    (None, None) => Fields::default(),
                };
                Self {
                    messages: &request.messages,
                    system: &request.system,
                    tool_config: request.tool_config.as_ref(),
                    fields,
                }
            }
        }
    )*};
}
conversation!(ConverseStreamRequest, ConverseTokensRequest);
