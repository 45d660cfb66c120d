//! Images, documents, video and sound: which model takes them, how many, and how large.

use std::collections::HashSet;
use std::fmt::Display;

use bedrock_inference_proto::v1::content_block::Kind;
use bedrock_inference_proto::v1::{
    DocumentBlock, ImageBlock, Message, document_source, guardrail_converse_content_block, image_source,
    tool_result_content_block,
};

use super::conversation::{Block, Conversation, blocks};
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

/// The most images of a message to Claude.
const MOST_IMAGES: usize = 20;

/// The largest image that Claude takes, in bytes: AWS says 3.75 MB.
const LARGEST_IMAGE: usize = 3_932_160;

/// The most documents of one message.
const MOST_DOCUMENTS: usize = 5;

/// The largest document, in bytes: AWS says 4.5 MB.
const LARGEST_DOCUMENT: usize = 4_718_592;

pub(super) fn check(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    for block in conversation.blocks() {
        for_each_medium(block, |place, medium| check_medium(model, place, medium, findings));
    }
    check_names_differ(conversation, findings);
    for (at, message) in conversation.messages.iter().enumerate() {
        check_numbers(model, at, message, findings);
        check_company(at, message, findings);
    }
}

fn check_medium(model: &Model, place: &dyn Display, medium: Medium<'_>, findings: &mut Findings) {
    if !takes(model, &medium) {
        findings.of_model(place, "is set; the model takes none");
    }
    match medium {
        Medium::Image(image) if model.is_of(&["anthropic"]) => check_image(image, place, findings),
        Medium::Document(document) => check_document(model, document, place, findings),
        Medium::Image(_) | Medium::GuardedImage | Medium::Video | Medium::Audio => {}
    }
}

/// AWS counts what one message holds, and says nothing of what tool results hold.
fn check_numbers(model: &Model, at: usize, message: &Message, findings: &mut Findings) {
    let (mut images, mut documents) = (0_usize, 0_usize);
    for block in blocks(at, message) {
        match block.kind {
            Kind::Image(_) => images += 1,
            Kind::Document(_) => documents += 1,
            _ => {}
        }
    }
    let path = format_args!("messages[{at}].content");
    if images > MOST_IMAGES && model.is_of(&["anthropic"]) {
        let description = format_args!("holds {images} images; the model takes at most {MOST_IMAGES}");
        findings.of_model(path, description);
    }
    if documents > MOST_DOCUMENTS {
        let description = format_args!("holds {documents} documents; at most {MOST_DOCUMENTS} are accepted");
        findings.of_service(path, description);
    }
}

/// Something to see, read or hear.
enum Medium<'r> {
    Image(&'r ImageBlock),
    GuardedImage,
    Document(&'r DocumentBlock),
    Video,
    Audio,
}

/// Goes through the media of a block, those in a tool result among them, each with its place.
fn for_each_medium<'r>(block: Block<'r>, mut see: impl FnMut(&dyn Display, Medium<'r>)) {
    match block.kind {
        Kind::Image(image) => see(&block, Medium::Image(image)),
        Kind::Document(document) => see(&block, Medium::Document(document)),
        Kind::Video(_) => see(&block, Medium::Video),
        Kind::Audio(_) => see(&block, Medium::Audio),
        Kind::GuardContent(guarded) => {
            if let Some(guardrail_converse_content_block::Kind::Image(_)) = guarded.kind {
                see(&format_args!("{block}.image"), Medium::GuardedImage);
            }
        }
        Kind::ToolResult(result) => {
            for (at, content) in result.content.iter().enumerate() {
                let (name, medium) = match &content.kind {
                    Some(tool_result_content_block::Kind::Image(image)) => ("image", Medium::Image(image)),
                    Some(tool_result_content_block::Kind::Document(document)) => {
                        ("document", Medium::Document(document))
                    }
                    Some(tool_result_content_block::Kind::Video(_)) => ("video", Medium::Video),
                    _ => continue,
                };
                see(&format_args!("{block}.content[{at}].{name}"), medium);
            }
        }
        _ => {}
    }
}

fn takes(model: &Model, medium: &Medium<'_>) -> bool {
    match medium {
        Medium::Image(_) | Medium::GuardedImage => model.may(Capability::Images),
        Medium::Document(_) => model.may(Capability::Documents),
        Medium::Video => model.may(Capability::Video),
        Medium::Audio => !model.refuses(Refused::Audio),
    }
}

fn check_image(image: &ImageBlock, place: &dyn Display, findings: &mut Findings) {
    if let Some(image_source::Kind::Bytes(bytes)) =
        image.source.as_ref().and_then(|source| source.kind.as_ref())
        && bytes.len() > LARGEST_IMAGE
    {
        let description = format_args!("has {} bytes; the model takes at most {LARGEST_IMAGE}", bytes.len());
        findings.of_model(format_args!("{place}.source.bytes"), description);
    }
}

fn check_document(model: &Model, document: &DocumentBlock, place: &dyn Display, findings: &mut Findings) {
    let kind = document.source.as_ref().and_then(|source| source.kind.as_ref());
    if let Some(document_source::Kind::Bytes(bytes)) = kind
        && bytes.len() > LARGEST_DOCUMENT
        && !may_be_large(model, document.format.as_deref())
    {
        let description =
            format_args!("has {} bytes; the model takes at most {LARGEST_DOCUMENT}", bytes.len());
        findings.of_model(format_args!("{place}.source.bytes"), description);
    }
    if document.name.as_deref().is_some_and(|name| !is_name(name)) {
        findings.of_service(
            format_args!("{place}.name"),
            "holds other characters than letters, digits, single spaces, hyphens, parentheses and square brackets",
        );
    }
}

/// AWS limits neither the PDFs of Claude 4 and later nor the PDFs and DOCX of Nova. A format that is left out or
/// unknown is not judged.
fn may_be_large(model: &Model, format: Option<&str>) -> bool {
    match format {
        Some("pdf") => model.is_of(&["anthropic", "amazon"]),
        Some("docx") => model.is_of(&["amazon"]),
        Some("csv" | "doc" | "xls" | "xlsx" | "html" | "txt" | "md") => false,
        _ => true,
    }
}

/// Letters and digits of any script, `-()[]`, and no two spaces in a row.
fn is_name(name: &str) -> bool {
    let mut before_space = false;
    name.chars().all(|letter| {
        let space = letter.is_whitespace();
        let good = letter.is_alphanumeric() || "-()[]".contains(letter) || (space && !before_space);
        before_space = space;
        good
    })
}

/// The documents of a request have names of their own.
fn check_names_differ(conversation: &Conversation<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for block in conversation.blocks() {
        if let Kind::Document(DocumentBlock { name: Some(name), .. }) = block.kind
            && !seen.insert(name)
        {
            findings.of_service(format_args!("{block}.name"), "is the name of a document before it too");
        }
    }
}

/// A document needs text beside it.
fn check_company(at: usize, message: &Message, findings: &mut Findings) {
    let is_text = |block: Block<'_>| match block.kind {
        Kind::Text(_) => true,
        Kind::GuardContent(guarded) => {
            matches!(guarded.kind, Some(guardrail_converse_content_block::Kind::Text(_)))
        }
        _ => false,
    };
    let has_document = blocks(at, message).any(|block| matches!(block.kind, Kind::Document(_)));
    if has_document && !blocks(at, message).any(is_text) {
        findings.of_service(
            format_args!("messages[{at}].content"),
            "holds a document and no text; a text block is needed beside it",
        );
    }
}
