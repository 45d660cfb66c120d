//! The content blocks of Claude's native request.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::errors::{Failure, Outcome};
use crate::prompt::reader::{Place, present};
use crate::prompt::{Block, Document, Image, ResultBlock, SearchResult, Source, ToolResult, Ttl, content};

type Members = Map<String, Value>;

const KINDS: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
];

/// What a document without a title is called.
const UNTITLED: &str = "document";

/// Reads content: a string, or a list of blocks. A checkpoint follows the block that carries it.
pub(super) fn blocks(at: &Place<'_>, value: Value) -> Outcome<Vec<Block>> {
    if value.is_string() {
        return Ok(vec![Block::Text(content::text(at, value)?)]);
    }
    let items = at.list(value)?;
    if items.is_empty() {
        return Err(Failure::from_model(format!("{at}: all messages must have non-empty content")));
    }
    let mut blocks = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let (block, checkpoint) = block(&at.index(index), item)?;
        blocks.push(block);
        blocks.extend(checkpoint.map(Block::CachePoint));
    }
    Ok(blocks)
}

fn block(at: &Place<'_>, value: Value) -> Outcome<(Block, Option<Ttl>)> {
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    let checkpoint = cache_control(at, &mut members)?;
    let block = match kind.as_str() {
        "text" => {
            // Citations come back with the texts they belong to.
            present(&mut members, "citations");
            Block::Text(text(at, &mut members)?)
        }
        "image" => Block::Image(image(at, &mut members)?),
        "document" => Block::Document(document(at, &mut members)?),
        "search_result" => Block::SearchResult(search_result(at, &mut members)?),
        "tool_use" => tool_use(at, &mut members)?,
        "tool_result" => Block::ToolResult(tool_result(at, &mut members)?),
        "thinking" => Block::Reasoning {
            text: at.required_string(&mut members, "thinking")?,
            signature: at.optional_string(&mut members, "signature")?,
        },
        "redacted_thinking" => Block::RedactedReasoning(at.required_string(&mut members, "data")?),
        _ => return Err(at.member("type").not_one_of(&kind, KINDS)),
    };
    no_more(at, &members)?;
    if checkpoint.is_some() && kind.ends_with("thinking") {
        return Err(Failure::from_model(format!(
            "{at}.{kind}.cache_control: Extra inputs are not permitted"
        )));
    }
    Ok((block, checkpoint))
}

/// Refuses what is left of an object after all known members were taken; nulls do not count.
pub(super) fn no_more(at: &Place<'_>, members: &Members) -> Outcome<()> {
    match members.iter().find(|(_, value)| !value.is_null()) {
        Some((name, _)) => Err(Failure::from_model(format!("{at}.{name}: Extra inputs are not permitted"))),
        None => Ok(()),
    }
}

/// Reads the checkpoint that a block, a tool or a system block carries.
pub(super) fn cache_control(at: &Place<'_>, members: &mut Members) -> Outcome<Option<Ttl>> {
    let Some(value) = present(members, "cache_control") else { return Ok(None) };
    let at = at.member("cache_control");
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    if kind != "ephemeral" {
        return Err(at.member("type").not_one_of(&kind, &["ephemeral"]));
    }
    let ttl = at.optional_word(&mut members, "ttl", &["5m", "1h"])?;
    no_more(&at, &members)?;
    Ok(Some(if ttl.as_deref() == Some("1h") { Ttl::OneHour } else { Ttl::FiveMinutes }))
}

fn text(at: &Place<'_>, members: &mut Members) -> Outcome<String> {
    let value = at.required(members, "text")?;
    content::text(&at.member("text"), value)
}

/// The source of an image or a document, with its kind.
fn source(at: &Place<'_>, members: &mut Members) -> Outcome<(String, Members)> {
    let value = at.required(members, "source")?;
    let at = at.member("source");
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    if matches!(kind.as_str(), "url" | "file") {
        return Err(Failure::from_model(format!(
            "{at}.type: '{kind}' sources are not supported on Bedrock, expected 'base64'"
        )));
    }
    Ok((kind, members))
}

fn image(at: &Place<'_>, members: &mut Members) -> Outcome<Image> {
    let (kind, mut members) = source(at, members)?;
    let at = at.member("source");
    if kind != "base64" {
        return Err(at.member("type").not_one_of(&kind, &["base64"]));
    }
    let media_type = at.required_string(&mut members, "media_type")?;
    let known = ["image/jpeg", "image/png", "image/gif", "image/webp"];
    if !known.contains(&media_type.as_str()) {
        return Err(at.member("media_type").not_one_of(&media_type, &known));
    }
    let data = at.required(&mut members, "data")?;
    no_more(&at, &members)?;
    let bytes = content::base64_bytes(&at.member("data"), data)?;
    Ok(Image { format: media_type.trim_start_matches("image/").to_owned(), source: Source::Bytes(bytes) })
}

fn document(at: &Place<'_>, members: &mut Members) -> Outcome<Document> {
    let name = at.optional_string(members, "title")?.unwrap_or_else(|| UNTITLED.to_owned());
    at.optional_string(members, "context")?;
    let citable = content::citable(at, members)?;
    let (kind, mut members) = source(at, members)?;
    let at = at.member("source");
    let (format, bytes) = match kind.as_str() {
        "base64" => ("pdf", media(&at, &mut members, "application/pdf")?),
        "text" => ("txt", media(&at, &mut members, "text/plain")?),
        "content" => ("txt", Bytes::from(chunks(&at, &mut members)?)),
        _ => return Err(at.member("type").not_one_of(&kind, &["base64", "text", "content"])),
    };
    no_more(&at, &members)?;
    let chunked = kind == "content";
    Ok(Document { format: format.to_owned(), name, source: Source::Bytes(bytes), chunked, citable })
}

/// The data of a source that can have only one media type: text as it is, anything else as base64.
fn media(at: &Place<'_>, members: &mut Members, expected: &str) -> Outcome<Bytes> {
    let media_type = at.required_string(members, "media_type")?;
    if media_type != expected {
        return Err(at.member("media_type").not_one_of(&media_type, &[expected]));
    }
    let data = at.required(members, "data")?;
    let at = at.member("data");
    if expected == "text/plain" {
        return Ok(Bytes::from(content::text(&at, data)?));
    }
    content::base64_bytes(&at, data)
}

/// The chunks of a document: a string, or a list of texts.
fn chunks(at: &Place<'_>, members: &mut Members) -> Outcome<String> {
    let value = at.required(members, "content")?;
    let at = at.member("content");
    if value.is_string() {
        return at.string(value);
    }
    texts(&at, value)
}

/// The texts of a list of text blocks, joined by newlines.
fn texts(at: &Place<'_>, value: Value) -> Outcome<String> {
    let mut texts = Vec::new();
    for (index, item) in at.list(value)?.into_iter().enumerate() {
        let at = at.index(index);
        let mut members = at.object(item)?;
        let kind = at.required_string(&mut members, "type")?;
        if kind != "text" {
            return Err(at.member("type").not_one_of(&kind, &["text"]));
        }
        cache_control(&at, &mut members)?;
        texts.push(text(&at, &mut members)?);
        no_more(&at, &members)?;
    }
    Ok(texts.join("\n"))
}

fn search_result(at: &Place<'_>, members: &mut Members) -> Outcome<SearchResult> {
    let value = at.required(members, "content")?;
    Ok(SearchResult {
        source: at.required_string(members, "source")?,
        title: at.required_string(members, "title")?,
        citable: content::citable(at, members)?,
        text: texts(&at.member("content"), value)?,
    })
}

fn tool_use(at: &Place<'_>, members: &mut Members) -> Outcome<Block> {
    let id = tool_use_id(at, members, "id")?;
    let name = at.required_string(members, "name")?;
    let input = at.required(members, "input")?;
    if !input.is_object() {
        return Err(Failure::from_model(format!("{at}.input: Input should be a valid dictionary")));
    }
    Ok(Block::ToolUse { id, name, input })
}

/// Ids of other models are welcome, as long as they are made of the same letters.
fn tool_use_id(at: &Place<'_>, members: &mut Members, name: &str) -> Outcome<String> {
    let id = at.required_string(members, name)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.is_empty() || !id.chars().all(allowed) {
        return Err(Failure::from_model(format!(
            "{at}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'"
        )));
    }
    Ok(id)
}

fn tool_result(at: &Place<'_>, members: &mut Members) -> Outcome<ToolResult> {
    let id = tool_use_id(at, members, "tool_use_id")?;
    let failed = match present(members, "is_error") {
        None => false,
        Some(Value::Bool(failed)) => failed,
        Some(_) => {
            return Err(Failure::from_model(format!("{at}.is_error: Input should be a valid boolean")));
        }
    };
    let inside = at.member("content");
    let content = match present(members, "content") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![ResultBlock::Text(text)],
        Some(value) => {
            let items = inside.list(value)?.into_iter().enumerate();
            items.map(|(index, item)| result_block(&inside.index(index), item)).collect::<Outcome<_>>()?
        }
    };
    Ok(ToolResult { id, content, failed })
}

fn result_block(at: &Place<'_>, value: Value) -> Outcome<ResultBlock> {
    let mut members = at.object(value)?;
    let kind = at.required_string(&mut members, "type")?;
    cache_control(at, &mut members)?;
    let block = match kind.as_str() {
        // An empty output is a legal result of a tool, unlike an empty message.
        "text" => ResultBlock::Text(at.required_string(&mut members, "text")?),
        "image" => ResultBlock::Image(image(at, &mut members)?),
        "document" => ResultBlock::Document(document(at, &mut members)?),
        "search_result" => search_result(at, &mut members).map(|_| ResultBlock::Other("a search result"))?,
        _ => {
            return Err(at.member("type").not_one_of(&kind, &["text", "image", "document", "search_result"]));
        }
    };
    no_more(at, &members)?;
    Ok(block)
}
