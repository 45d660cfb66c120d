//! Reading content blocks: the union that messages, tool results and guarded content are made of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::reader::{Place, present};
use super::{Block, Document, Image, ResultBlock, SearchResult, Source, ToolResult, Ttl};
use crate::errors::{Failure, Outcome};

const BLOCKS: &[&str] = &[
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
    "toolAddition",
    "toolRemoval",
];
const IMAGE_FORMATS: &[&str] = &["png", "jpeg", "gif", "webp"];
const DOCUMENT_FORMATS: &[&str] = &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
const VIDEO_FORMATS: &[&str] = &["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"];
const AUDIO_FORMATS: &[&str] = &[
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];

/// Reads one content block.
pub(super) fn block(at: &Place<'_>, value: Value) -> Outcome<Block> {
    let (kind, value) = at.union(value, "ContentBlock", BLOCKS)?;
    let at = at.member(&kind);
    Ok(match kind.as_str() {
        "text" => Block::Text(text(&at, value)?),
        "image" => Block::Image(image(&at, value)?),
        "document" => Block::Document(document(&at, value)?),
        "video" => media(&at, value, "video", VIDEO_FORMATS)?,
        "audio" => media(&at, value, "audio", AUDIO_FORMATS)?,
        "toolUse" => tool_use(&at, value)?,
        "toolResult" => Block::ToolResult(tool_result(&at, value)?),
        "guardContent" => guard_content(&at, value)?,
        "cachePoint" => Block::CachePoint(cache_point(&at, value)?),
        "reasoningContent" => reasoning(&at, value)?,
        "citationsContent" => Block::Text(cited_text(&at, value)?),
        "searchResult" => search_result(&at, value)?,
        _ => {
            let mut members = at.object(value)?;
            let tool = at.required(&mut members, "tool")?;
            at.member("tool").object(tool)?;
            Block::ToolChange
        }
    })
}

/// Reads a text that says something.
pub(super) fn text(at: &Place<'_>, value: Value) -> Outcome<String> {
    let text = at.string(value)?;
    if text.trim().is_empty() {
        return Err(Failure::validation(format!(
            "The text field in the ContentBlock object at {at} is blank. Add text to the text field, and try again."
        )));
    }
    Ok(text)
}

/// Reads the TTL of a checkpoint.
pub(super) fn cache_point(at: &Place<'_>, value: Value) -> Outcome<Ttl> {
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    if kind != "default" {
        return Err(at.member("type").not_one_of(&kind, &["default"]));
    }
    Ok(match at.optional_word(&mut members, "ttl", &["5m", "1h"])?.as_deref() {
        Some("1h") => Ttl::OneHour,
        _ => Ttl::FiveMinutes,
    })
}

/// Reads guarded content of a message or of the system prompt.
pub(super) fn guard_content(at: &Place<'_>, value: Value) -> Outcome<Block> {
    let (kind, value) = at.union(value, "GuardrailConverseContentBlock", &["text", "image"])?;
    let at = at.member(&kind);
    if kind == "image" {
        let image = image(&at, value)?;
        if !matches!(image.format.as_str(), "png" | "jpeg") {
            return Err(at.member("format").not_one_of(&image.format, &["png", "jpeg"]));
        }
        return Ok(Block::GuardImage(image));
    }
    let mut members = at.object(value)?;
    Ok(Block::GuardText(at.required_string(&mut members, "text")?))
}

fn image(at: &Place<'_>, value: Value) -> Outcome<Image> {
    let mut members = at.object(value)?;
    Ok(Image {
        format: format(at, &mut members, IMAGE_FORMATS)?,
        source: source(at, &mut members, "ImageSource")?,
    })
}

fn media(at: &Place<'_>, value: Value, kind: &'static str, formats: &[&str]) -> Outcome<Block> {
    let mut members = at.object(value)?;
    let format = format(at, &mut members, formats)?;
    Ok(Block::Media { kind, format, source: source(at, &mut members, "MediaSource")? })
}

fn format(at: &Place<'_>, members: &mut Map<String, Value>, formats: &[&str]) -> Outcome<String> {
    let found = at.optional_word(members, "format", formats)?;
    found.ok_or_else(|| at.member("format").constraint("Member must not be null"))
}

fn source(at: &Place<'_>, members: &mut Map<String, Value>, union: &str) -> Outcome<Source> {
    let value = at.required(members, "source")?;
    let at = at.member("source");
    let (kind, value) = at.union(value, union, &["bytes", "s3Location"])?;
    bytes_or_s3(&at.member(&kind), &kind, value)
}

fn bytes_or_s3(at: &Place<'_>, kind: &str, value: Value) -> Outcome<Source> {
    if kind == "s3Location" {
        let mut members = at.object(value)?;
        return Ok(Source::S3(at.required_string(&mut members, "uri")?));
    }
    Ok(Source::Bytes(base64_bytes(at, value)?))
}

/// Reads bytes written as base64 text.
pub(super) fn base64_bytes(at: &Place<'_>, value: Value) -> Outcome<Bytes> {
    let encoded = at.string(value)?;
    let decoded = STANDARD.decode(&encoded).map_err(|_| {
        Failure::validation(format!(
            "The value at {at} is not valid base64: expected standard, padded base64."
        ))
    })?;
    if decoded.is_empty() {
        return Err(at.constraint("Member must have length greater than or equal to 1"));
    }
    Ok(Bytes::from(decoded))
}

fn document(at: &Place<'_>, value: Value) -> Outcome<Document> {
    let mut members = at.object(value)?;
    let format = at.optional_word(&mut members, "format", DOCUMENT_FORMATS)?;
    let name = at.required_string(&mut members, "name")?;
    check_document_name(at, &name)?;
    let citable = citable(at, &mut members)?;
    let value = at.required(&mut members, "source")?;
    let at = at.member("source");
    let (kind, value) = at.union(value, "DocumentSource", &["bytes", "s3Location", "text", "content"])?;
    let at = at.member(&kind);
    let source = match kind.as_str() {
        "text" => Source::Bytes(Bytes::from(text(&at, value)?)),
        "content" => Source::Bytes(Bytes::from(text_list(&at, value)?)),
        _ => bytes_or_s3(&at, &kind, value)?,
    };
    let format = format.unwrap_or_else(|| "txt".to_owned());
    Ok(Document { format, name, source, chunked: kind == "content", citable })
}

/// Reads whether citations are enabled.
pub(super) fn citable(at: &Place<'_>, members: &mut Map<String, Value>) -> Outcome<bool> {
    let Some(value) = present(members, "citations") else { return Ok(false) };
    let at = at.member("citations");
    match at.object(value)?.remove("enabled") {
        Some(Value::Bool(enabled)) => Ok(enabled),
        _ => Err(at.member("enabled").constraint("Member must be a boolean")),
    }
}

fn check_document_name(at: &Place<'_>, name: &str) -> Outcome<()> {
    if name.is_empty() || name.chars().count() > 200 {
        return Err(at.member("name").constraint("Member must have length between 1 and 200"));
    }
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "-()[]".contains(c);
    let double_space =
        name.chars().zip(name.chars().skip(1)).any(|(a, b)| a.is_whitespace() && b.is_whitespace());
    if double_space || !name.chars().all(allowed) {
        return Err(Failure::validation(
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, \
             parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.",
        ));
    }
    Ok(())
}

fn tool_use(at: &Place<'_>, value: Value) -> Outcome<Block> {
    let mut members = at.object(value)?;
    let id = tool_use_id(at, &mut members)?;
    let name = at.required_string(&mut members, "name")?;
    let input = at.required(&mut members, "input")?;
    if !input.is_object() {
        return Err(Failure::validation(format!(
            "The format of the value at {at}.input is invalid. Provide a json object for the field and try again."
        )));
    }
    Ok(Block::ToolUse { id, name, input })
}

fn tool_use_id(at: &Place<'_>, members: &mut Map<String, Value>) -> Outcome<String> {
    let id = at.required_string(members, "toolUseId")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if id.is_empty() || id.len() > 64 || !id.chars().all(allowed) {
        return Err(at.member("toolUseId").constraint(
            "Member must have length between 1 and 64 and satisfy regular expression pattern: [a-zA-Z0-9_.:-]+",
        ));
    }
    Ok(id)
}

fn tool_result(at: &Place<'_>, value: Value) -> Outcome<ToolResult> {
    let mut members = at.object(value)?;
    let id = tool_use_id(at, &mut members)?;
    let status = at.optional_word(&mut members, "status", &["success", "error"])?;
    let items = at.required(&mut members, "content")?;
    let at = at.member("content");
    let items = at.list(items)?.into_iter().enumerate();
    let content = items.map(|(index, item)| result_block(&at.index(index), item)).collect::<Outcome<_>>()?;
    Ok(ToolResult { id, content, failed: status.as_deref() == Some("error") })
}

fn result_block(at: &Place<'_>, value: Value) -> Outcome<ResultBlock> {
    let known = &["json", "text", "image", "document", "video", "searchResult"];
    let (kind, value) = at.union(value, "ToolResultContentBlock", known)?;
    let at = at.member(&kind);
    Ok(match kind.as_str() {
        "json" => ResultBlock::Json(value),
        // An empty output is a legal result of a tool, unlike an empty message.
        "text" => ResultBlock::Text(at.string(value)?),
        "image" => ResultBlock::Image(image(&at, value)?),
        "document" => ResultBlock::Document(document(&at, value)?),
        "video" => media(&at, value, "video", VIDEO_FORMATS).map(|_| ResultBlock::Other("a video"))?,
        _ => search_result(&at, value).map(|_| ResultBlock::Other("a search result"))?,
    })
}

fn reasoning(at: &Place<'_>, value: Value) -> Outcome<Block> {
    let (kind, value) = at.union(value, "ReasoningContentBlock", &["reasoningText", "redactedContent"])?;
    let at = at.member(&kind);
    if kind == "redactedContent" {
        return Ok(Block::RedactedReasoning(at.string(value)?));
    }
    let mut members = at.object(value)?;
    let text = at.required_string(&mut members, "text")?;
    Ok(Block::Reasoning { text, signature: at.optional_string(&mut members, "signature")? })
}

fn cited_text(at: &Place<'_>, value: Value) -> Outcome<String> {
    let mut members = at.object(value)?;
    let content = present(&mut members, "content").unwrap_or_else(|| Value::Array(Vec::new()));
    text_list(&at.member("content"), content)
}

fn search_result(at: &Place<'_>, value: Value) -> Outcome<Block> {
    let mut members = at.object(value)?;
    let source = at.required_string(&mut members, "source")?;
    let title = at.required_string(&mut members, "title")?;
    let citable = citable(at, &mut members)?;
    let content = at.required(&mut members, "content")?;
    let text = text_list(&at.member("content"), content)?;
    Ok(Block::SearchResult(SearchResult { source, title, text, citable }))
}

/// The texts of a list of `{"text": ...}`, joined by newlines.
fn text_list(at: &Place<'_>, value: Value) -> Outcome<String> {
    let mut texts = Vec::new();
    for (index, item) in at.list(value)?.into_iter().enumerate() {
        let at = at.index(index);
        let mut members = at.object(item)?;
        texts.push(at.required_string(&mut members, "text")?);
    }
    Ok(texts.join("\n"))
}
