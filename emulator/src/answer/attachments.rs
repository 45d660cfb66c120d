//! Describes images, documents and media by what can be seen from outside.

use crate::image_header::pixel_size;
use crate::prompt::{Block, Document, Image, Message, Source};

/// One description for each attachment of the message.
pub(super) fn describe(message: &Message) -> Vec<String> {
    let descriptions = message.content.iter().map(|block| match block {
        Block::Image(found) | Block::GuardImage(found) => Some(image(found)),
        Block::Document(found) => Some(document(found)),
        Block::Media { kind, format, source } => Some(format!("a {format} {kind} ({})", place(source))),
        Block::SearchResult(found) => {
            Some(format!("a search result \u{201c}{}\u{201d} ({} bytes)", found.title, found.text.len()))
        }
        _ => None,
    });
    descriptions.flatten().collect()
}

/// An image by format, pixel size and byte size.
pub(super) fn image(image: &Image) -> String {
    let pixels = match &image.source {
        Source::Bytes(bytes) => pixel_size(bytes),
        Source::S3(_) => None,
    };
    let size = pixels.map_or_else(String::new, |(width, height)| format!("{width}x{height} pixels, "));
    format!("a {} image ({size}{})", image.format, place(&image.source))
}

/// A document by name, format and size.
pub(super) fn document(document: &Document) -> String {
    format!(
        "the {} document \u{201c}{}\u{201d} ({})",
        document.format,
        document.name,
        place(&document.source)
    )
}

fn place(source: &Source) -> String {
    match source {
        Source::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Source::S3(uri) => format!("at {uri}"),
    }
}
