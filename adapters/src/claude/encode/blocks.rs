//! The content of a message, block by block.

use bedrock_inference_proto::codec::document_to_json;
use bedrock_inference_proto::v1::{
    CitationsContentBlock, ContentBlock, ReasoningContentBlock, ToolResultBlock, ToolResultContentBlock,
    ToolUseBlock, citation_generated_content, content_block, reasoning_content_block,
    tool_result_content_block,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

use super::cache::{self, CacheControl};
use super::citations::{self, Cited};
use super::free_form;
use super::place::Place;
use super::sources::{self, Base64, Citing, Source};
use crate::contract::CONVERSE_ONLY;
use crate::contract::Refusals;

/// A native content block.
#[derive(Serialize)]
pub(super) struct Block<'r> {
    #[serde(flatten)]
    kind: Kind<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'r>>,
}

/// What a block holds.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Kind<'r> {
    Text {
        text: Cow<'r, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Cited<'r>>,
    },
    Image {
        source: Source<'r>,
    },
    Document {
        source: Source<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Citing>,
    },
    SearchResult {
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'r str>,
        content: Vec<Kind<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Citing>,
    },
    Thinking {
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'r str>,
    },
    RedactedThinking {
        data: Base64<'r>,
    },
    ToolUse {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<Box<RawValue>>,
    },
    ToolResult {
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_use_id: Option<&'r str>,
        content: Vec<Kind<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
}

impl<'r> Kind<'r> {
    pub(super) fn text(text: &'r str) -> Self {
        Self::Text { text: Cow::Borrowed(text), citations: Vec::new() }
    }
}

impl<'r> From<Kind<'r>> for Block<'r> {
    fn from(kind: Kind<'r>) -> Self {
        Self { kind, cache_control: None }
    }
}

impl<'r> Block<'r> {
    /// Where the block carries its cache mark; Anthropic takes none on reasoning.
    pub(super) fn cache_control(&mut self) -> Option<&mut Option<CacheControl<'r>>> {
        match self.kind {
            Kind::Thinking { .. } | Kind::RedactedThinking { .. } => None,
            _ => Some(&mut self.cache_control),
        }
    }
}

/// The blocks of a message.
pub(super) fn encode<'r>(
    content: &'r [ContentBlock],
    list: &Place<'_>,
    refusals: &mut Refusals,
) -> Vec<Block<'r>> {
    let mut blocks: Vec<Block<'r>> = Vec::with_capacity(content.len());
    for (index, block) in content.iter().enumerate() {
        let place = list.index(index);
        if let Some(content_block::Kind::CachePoint(point)) = &block.kind {
            let before = blocks.last_mut().and_then(Block::cache_control);
            cache::mark(before, point, &place.member("cachePoint"), refusals);
        } else {
            blocks.push(encode_block(block, &place, refusals));
        }
    }
    blocks
}

fn encode_block<'r>(block: &'r ContentBlock, place: &Place<'_>, refusals: &mut Refusals) -> Block<'r> {
    use content_block::Kind as Content;
    let mut converse_only = |name| place.member(name).refuse(CONVERSE_ONLY, refusals);
    let kind = match &block.kind {
        Some(Content::Text(text)) => Kind::text(text),
        Some(Content::Image(image)) => sources::image(image, &place.member("image"), refusals),
        Some(Content::Document(document)) => sources::document(document, &place.member("document"), refusals),
        Some(Content::SearchResult(result)) => sources::search_result(result),
        Some(Content::ToolUse(tool)) => tool_use(tool, &place.member("toolUse"), refusals),
        Some(Content::ToolResult(result)) => tool_result(result, &place.member("toolResult"), refusals),
        Some(Content::ReasoningContent(block)) => {
            reasoning(block, &place.member("reasoningContent"), refusals)
        }
        Some(Content::CitationsContent(block)) => cited(block, &place.member("citationsContent"), refusals),
        Some(Content::CachePoint(_)) => converse_only("cachePoint"),
        Some(Content::Video(_)) => converse_only("video"),
        Some(Content::Audio(_)) => converse_only("audio"),
        Some(Content::GuardContent(_)) => converse_only("guardContent"),
        Some(Content::ToolAddition(_)) => converse_only("toolAddition"),
        Some(Content::ToolRemoval(_)) => converse_only("toolRemoval"),
        Some(Content::Unknown(_)) => place.refuse("holds a member that this version does not know", refusals),
        None => return place.refuse_empty(refusals),
    };
    kind.into()
}

fn tool_use<'r>(tool: &'r ToolUseBlock, place: &Place<'_>, refusals: &mut Refusals) -> Kind<'r> {
    let set = tool.r#type.is_some();
    refusals.refuse_if(set, &place.member("type").to_string(), CONVERSE_ONLY);
    refuse_foreign_id(tool.tool_use_id.as_deref(), place, refusals);
    let input = tool.input_text.clone().or_else(|| tool.input.as_ref().map(document_to_json));
    Kind::ToolUse {
        id: tool.tool_use_id.as_deref(),
        name: tool.name.as_deref(),
        input: free_form(input, &place.member("input"), refusals),
    }
}

fn tool_result<'r>(result: &'r ToolResultBlock, place: &Place<'_>, refusals: &mut Refusals) -> Kind<'r> {
    let set = result.r#type.is_some();
    refusals.refuse_if(set, &place.member("type").to_string(), CONVERSE_ONLY);
    refuse_foreign_id(result.tool_use_id.as_deref(), place, refusals);
    let status = result.status.as_deref();
    if !matches!(status, None | Some("success" | "error")) {
        refusals.refuse(place.member("status").to_string(), "is neither success nor error");
    }
    let list = place.member("content");
    let parts = result.content.iter().enumerate();
    Kind::ToolResult {
        tool_use_id: result.tool_use_id.as_deref(),
        content: parts.map(|(index, part)| tool_result_part(part, &list.index(index), refusals)).collect(),
        is_error: (status == Some("error")).then_some(true),
    }
}

/// Converse takes dots and colons in an id, as other families' ids have them; Anthropic does not.
fn refuse_foreign_id(id: Option<&str>, place: &Place<'_>, refusals: &mut Refusals) {
    let own = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let foreign = id.is_some_and(|id| !own(id));
    let path = place.member("toolUseId").to_string();
    refusals.refuse_if(foreign, &path, "holds characters that only Converse takes");
}

/// The native format has no JSON here: it stands as text.
fn tool_result_part<'r>(
    part: &'r ToolResultContentBlock,
    place: &Place<'_>,
    refusals: &mut Refusals,
) -> Kind<'r> {
    use tool_result_content_block::Kind as Part;
    let json = match (&part.kind, &part.json_text) {
        (None | Some(Part::Json(_)), Some(text)) => Some(text.clone()),
        (Some(_), Some(_)) => return place.refuse("has two members set, where one is needed", refusals),
        (Some(Part::Json(json)), None) => Some(document_to_json(json)),
        (_, None) => None,
    };
    if let Some(json) = json {
        let raw = free_form(Some(json), &place.member("json"), refusals);
        let text = Cow::Owned(raw.map(|raw| raw.get().to_owned()).unwrap_or_default());
        return Kind::Text { text, citations: Vec::new() };
    }
    match &part.kind {
        Some(Part::Text(text)) => Kind::text(text),
        Some(Part::Image(image)) => sources::image(image, &place.member("image"), refusals),
        Some(Part::Document(document)) => sources::document(document, &place.member("document"), refusals),
        Some(Part::SearchResult(result)) => sources::search_result(result),
        Some(Part::Video(_)) => place.member("video").refuse(CONVERSE_ONLY, refusals),
        Some(Part::Json(_)) | None => place.refuse("has no member set, where one is needed", refusals),
    }
}

/// Reasoning goes back unmodified: Anthropic checks its signature.
fn reasoning<'r>(block: &'r ReasoningContentBlock, place: &Place<'_>, refusals: &mut Refusals) -> Kind<'r> {
    match &block.kind {
        Some(reasoning_content_block::Kind::ReasoningText(text)) => {
            // The native format needs the text, even where the model kept it to itself.
            let thinking = text.text.as_deref().or(text.signature.is_some().then_some(""));
            Kind::Thinking { thinking, signature: text.signature.as_deref() }
        }
        Some(reasoning_content_block::Kind::RedactedContent(bytes)) => {
            Kind::RedactedThinking { data: Base64(bytes) }
        }
        None => place.refuse("has no member set, where one is needed", refusals),
    }
}

/// Text that cites its sources, as an earlier answer had it.
fn cited<'r>(block: &'r CitationsContentBlock, place: &Place<'_>, refusals: &mut Refusals) -> Kind<'r> {
    let [content] = block.content.as_slice() else {
        return place.member("content").refuse("is not exactly one text", refusals);
    };
    let Some(citation_generated_content::Kind::Text(text)) = &content.kind else {
        return place.member("content").refuse("is not exactly one text", refusals);
    };
    let citations = citations::encode(&block.citations, &place.member("citations"), refusals);
    Kind::Text { text: Cow::Borrowed(text), citations }
}
