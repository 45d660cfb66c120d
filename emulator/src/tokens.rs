//! The emulator's own token count: deterministic, plausible, and nobody's tokenizer.

use std::io;

use serde::Serialize;

use crate::digest::Digest;
use crate::image_header::pixel_size;
use crate::prompt::{Block, Document, Image, Prompt, ResultBlock, Role, Source, SystemBlock, Tool, Ttl};

/// Bytes of text that make one token.
pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// Pixels that make one token, after Anthropic's rule of thumb.
const PIXELS_PER_TOKEN: u64 = 750;

/// Bytes of a binary document that make one token.
const DOCUMENT_BYTES_PER_TOKEN: usize = 16;

/// What an image or a document counts whose bytes the emulator cannot see.
const UNSEEN_TOKENS: u32 = 1_000;

/// What one turn counts beside its content.
const TURN_TOKENS: u32 = 3;

/// The tokens of a text: a quarter of its bytes, and at least one unless it is empty.
pub(crate) fn of_text(text: &str) -> u32 {
    of_bytes(text.len(), BYTES_PER_TOKEN)
}

/// The tokens of a JSON value, as its compact text.
pub(crate) fn of_json(value: &impl Serialize) -> u32 {
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut counter, value);
    of_bytes(counter.0, BYTES_PER_TOKEN)
}

fn of_bytes(bytes: usize, per_token: usize) -> u32 {
    u32::try_from(bytes.div_ceil(per_token)).unwrap_or(u32::MAX)
}

/// Counts bytes without keeping them.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn of_image(image: &Image) -> u32 {
    let Source::Bytes(bytes) = &image.source else { return UNSEEN_TOKENS };
    let Some((width, height)) = pixel_size(bytes) else { return UNSEEN_TOKENS };
    let tokens = (u64::from(width) * u64::from(height)).div_ceil(PIXELS_PER_TOKEN);
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

fn of_document(document: &Document) -> u32 {
    match (&document.source, document.format.as_str()) {
        (Source::S3(_), _) => UNSEEN_TOKENS,
        (Source::Bytes(bytes), "txt" | "md" | "csv" | "html") => of_bytes(bytes.len(), BYTES_PER_TOKEN),
        (Source::Bytes(bytes), _) => of_bytes(bytes.len(), DOCUMENT_BYTES_PER_TOKEN),
    }
}

fn of_result(part: &ResultBlock) -> u32 {
    match part {
        ResultBlock::Json(value) => of_json(value),
        ResultBlock::Text(text) => of_text(text),
        ResultBlock::Image(image) => of_image(image),
        ResultBlock::Document(document) => of_document(document),
        ResultBlock::Other(_) => UNSEEN_TOKENS,
    }
}

/// All input tokens of a prompt; never zero.
pub(crate) fn of_prompt(prompt: &Prompt) -> u32 {
    pieces(prompt).map(|piece| piece.tokens()).fold(0, u32::saturating_add).max(1)
}

/// One part of a prompt, in the order in which models read: tools, system, messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'p> {
    Tool(&'p Tool),
    System(&'p SystemBlock),
    Turn(Role),
    Block(&'p Block),
}

/// The parts of a prompt in reading order.
pub(crate) fn pieces(prompt: &Prompt) -> impl Iterator<Item = Piece<'_>> {
    let messages = prompt.messages.iter().flat_map(|message| {
        std::iter::once(Piece::Turn(message.role)).chain(message.content.iter().map(Piece::Block))
    });
    prompt.tools.iter().map(Piece::Tool).chain(prompt.system.iter().map(Piece::System)).chain(messages)
}

impl Piece<'_> {
    /// What the part counts.
    pub(crate) fn tokens(&self) -> u32 {
        match self {
            Piece::Turn(_) => TURN_TOKENS,
            Piece::Tool(Tool::Spec(tool)) => {
                of_text(&tool.name) + of_text(&tool.description) + of_json(&tool.schema)
            }
            Piece::Tool(Tool::Provided(name)) => of_text(name),
            Piece::System(SystemBlock::Text(text) | SystemBlock::GuardText(text)) => of_text(text),
            Piece::Block(block) => of_block(block),
            Piece::Tool(Tool::CachePoint(_)) | Piece::System(SystemBlock::CachePoint(_)) => 0,
        }
    }

    /// The checkpoint this part is, if it is one.
    pub(crate) fn checkpoint(&self) -> Option<Ttl> {
        match self {
            Piece::Tool(Tool::CachePoint(ttl))
            | Piece::System(SystemBlock::CachePoint(ttl))
            | Piece::Block(Block::CachePoint(ttl)) => Some(*ttl),
            _ => None,
        }
    }

    /// Adds the part to a prefix hash.
    pub(crate) fn add_to(&self, digest: &mut Digest) {
        match self {
            // The checkpoints themselves are no content: moving one must not change the prefix.
            _ if self.checkpoint().is_some() => {}
            Piece::Block(Block::Image(image) | Block::GuardImage(image)) => add_source(digest, &image.source),
            Piece::Block(Block::Document(document)) => {
                digest.add(&document.name);
                add_source(digest, &document.source);
            }
            Piece::Block(Block::Media { source, .. }) => add_source(digest, source),
            Piece::Block(Block::ToolResult(result)) => {
                digest.add(&result.id);
                result.content.iter().for_each(|part| add_result(digest, part));
            }
            Piece::Turn(role) => digest.add(format!("{role:?}")),
            // A debug form is stable within a build, which is as long as the cache lives.
            other => digest.add(format!("{other:?}")),
        }
    }
}

/// JSON and its text are the same: not every wire format has JSON results.
fn add_result(digest: &mut Digest, part: &ResultBlock) {
    match part {
        ResultBlock::Json(value) => digest.add(value.to_string()),
        ResultBlock::Text(text) => digest.add(text),
        ResultBlock::Image(image) => add_source(digest, &image.source),
        ResultBlock::Document(document) => add_source(digest, &document.source),
        ResultBlock::Other(what) => digest.add(what),
    }
}

fn add_source(digest: &mut Digest, source: &Source) {
    match source {
        Source::Bytes(bytes) => digest.add(bytes),
        Source::S3(uri) => digest.add(uri),
    }
}

fn of_block(block: &Block) -> u32 {
    match block {
        Block::Text(text) | Block::GuardText(text) | Block::RedactedReasoning(text) => of_text(text),
        Block::Image(image) | Block::GuardImage(image) => of_image(image),
        Block::Document(document) => of_document(document),
        Block::Media { .. } => UNSEEN_TOKENS,
        Block::ToolUse { name, input, .. } => of_text(name) + of_json(input),
        Block::ToolResult(result) => result.content.iter().map(of_result).fold(0, u32::saturating_add),
        Block::Reasoning { text, .. } => of_text(text),
        Block::SearchResult(found) => of_text(&found.title) + of_text(&found.text),
        Block::CachePoint(_) | Block::ToolChange => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_are_a_token_and_a_text_is_never_free() {
        for (text, tokens) in [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("\u{1f600}", 1)] {
            assert_eq!(of_text(text), tokens, "{text:?}");
        }
        assert_eq!(of_json(&serde_json::json!({"a": 1})), 2);
    }
}
