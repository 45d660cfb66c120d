//! Folding the pieces of one content block.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    Citation, CitationGeneratedContent, CitationSourceContent, CitationsContentBlock, CitationsDelta,
    ContentBlock, ContentBlockDelta, ErrorBlock, ImageBlock, ImageBlockStart, ImageSource,
    ReasoningContentBlock, ReasoningTextBlock, ToolResultBlock, ToolResultBlockDelta, ToolResultBlockStart,
    ToolResultContentBlock, ToolUseBlock, ToolUseBlockStart, citation_generated_content,
    citation_source_content, content_block, content_block_delta, content_block_start, image_source,
    reasoning_content_block, reasoning_content_block_delta, tool_result_block_delta,
    tool_result_content_block,
};
use bytes::{Bytes, BytesMut};

/// The pieces of one block so far.
#[derive(Default)]
pub(super) struct BlockFold {
    start: Option<content_block_start::Kind>,
    text: Option<String>,
    tool_input: String,
    tool_result: Vec<ToolResultContentBlock>,
    reasoning: Option<String>,
    signature: Option<String>,
    redacted: Option<BytesMut>,
    citations: Vec<Citation>,
    image: BytesMut,
    image_location: Option<image_source::Kind>,
    image_error: Option<ErrorBlock>,
    /// A block that came whole.
    whole: Option<ContentBlock>,
    /// A delta that this version does not know; it stands for the block only where nothing known came.
    unknown: Option<content_block::Kind>,
}

impl BlockFold {
    pub(super) fn start(&mut self, start: Option<content_block_start::Kind>) {
        self.start = start;
    }

    pub(super) fn set(&mut self, block: ContentBlock) {
        self.whole = Some(block);
    }

    pub(super) fn add(&mut self, delta: ContentBlockDelta) {
        for part in delta.tool_result {
            self.add_tool_result(part);
        }
        match delta.kind {
            Some(content_block_delta::Kind::Text(text)) => append(&mut self.text, &text),
            Some(content_block_delta::Kind::ToolUse(part)) => {
                self.tool_input.push_str(part.input.as_deref().unwrap_or_default());
            }
            Some(content_block_delta::Kind::ReasoningContent(part)) => self.add_reasoning(part.kind),
            Some(content_block_delta::Kind::Citation(part)) => self.citations.push(citation(part)),
            Some(content_block_delta::Kind::Image(part)) => {
                match part.source.and_then(|source| source.kind) {
                    Some(image_source::Kind::Bytes(bytes)) => self.image.extend_from_slice(&bytes),
                    Some(location) => self.image_location = Some(location),
                    None => {}
                }
                self.image_error = part.error.or(self.image_error.take());
            }
            Some(content_block_delta::Kind::Unknown(value)) => {
                self.unknown = Some(content_block::Kind::Unknown(value));
            }
            None => {}
        }
    }

    /// The block, and whether its tool input was not JSON.
    pub(super) fn finish(mut self) -> (ContentBlock, bool) {
        if let Some(block) = self.whole.take() {
            return (block, false);
        }
        let (kind, malformed) = match self.start.take() {
            Some(content_block_start::Kind::ToolUse(start)) => self.tool_use(start),
            Some(content_block_start::Kind::ToolResult(start)) => (self.tool_result(start), false),
            Some(content_block_start::Kind::Image(start)) => (self.image(start), false),
            None => (self.without_start(), false),
        };
        (ContentBlock { kind: Some(kind) }, malformed)
    }

    /// Pieces of text that follow each other are one text; each JSON piece is a part of its own.
    fn add_tool_result(&mut self, part: ToolResultBlockDelta) {
        use tool_result_content_block::Kind;
        let kind = match part.kind {
            Some(tool_result_block_delta::Kind::Text(text)) => {
                if let Some(ToolResultContentBlock { kind: Some(Kind::Text(last)), .. }) =
                    self.tool_result.last_mut()
                {
                    last.push_str(&text);
                    return;
                }
                Some(Kind::Text(text))
            }
            Some(tool_result_block_delta::Kind::Json(json)) => Some(Kind::Json(json)),
            None => None,
        };
        self.tool_result.push(ToolResultContentBlock { kind, json_text: part.json_text });
    }

    fn add_reasoning(&mut self, part: Option<reasoning_content_block_delta::Kind>) {
        match part {
            Some(reasoning_content_block_delta::Kind::Text(text)) => {
                append(&mut self.reasoning, &text);
            }
            Some(reasoning_content_block_delta::Kind::Signature(text)) => {
                append(&mut self.signature, &text);
            }
            Some(reasoning_content_block_delta::Kind::RedactedContent(bytes)) => {
                self.redacted.get_or_insert_default().extend_from_slice(&bytes);
            }
            None => {}
        }
    }

    fn tool_use(self, start: ToolUseBlockStart) -> (content_block::Kind, bool) {
        let text = if self.tool_input.is_empty() { "{}" } else { &self.tool_input };
        let (input, input_text, malformed) = match document_from_json(text) {
            Ok((input, text)) => (input, text, false),
            // An answer cut off by max_tokens ends in the middle of its JSON.
            Err(_) => (None, Some(self.tool_input), true),
        };
        let block = ToolUseBlock {
            tool_use_id: start.tool_use_id,
            name: start.name,
            input,
            r#type: start.r#type,
            input_text,
        };
        (content_block::Kind::ToolUse(block), malformed)
    }

    fn tool_result(self, start: ToolResultBlockStart) -> content_block::Kind {
        content_block::Kind::ToolResult(ToolResultBlock {
            tool_use_id: start.tool_use_id,
            content: self.tool_result,
            status: start.status,
            r#type: start.r#type,
        })
    }

    fn image(self, start: ImageBlockStart) -> content_block::Kind {
        let bytes = (!self.image.is_empty()).then(|| image_source::Kind::Bytes(self.image.freeze()));
        let source = bytes.or(self.image_location).map(|kind| ImageSource { kind: Some(kind) });
        content_block::Kind::Image(ImageBlock { format: start.format, source, error: self.image_error })
    }

    fn without_start(self) -> content_block::Kind {
        if let Some(redacted) = self.redacted {
            return reasoning(reasoning_content_block::Kind::RedactedContent(Bytes::from(redacted)));
        }
        if self.reasoning.is_some() || self.signature.is_some() {
            return reasoning(reasoning_content_block::Kind::ReasoningText(ReasoningTextBlock {
                text: self.reasoning,
                signature: self.signature,
            }));
        }
        if let (None, [], Some(unknown)) = (&self.text, self.citations.as_slice(), self.unknown) {
            return unknown;
        }
        if self.citations.is_empty() {
            return content_block::Kind::Text(self.text.unwrap_or_default());
        }
        let text = self.text.map(citation_generated_content::Kind::Text);
        content_block::Kind::CitationsContent(CitationsContentBlock {
            content: text.map(|kind| CitationGeneratedContent { kind: Some(kind) }).into_iter().collect(),
            citations: self.citations,
        })
    }
}

fn reasoning(kind: reasoning_content_block::Kind) -> content_block::Kind {
    content_block::Kind::ReasoningContent(ReasoningContentBlock { kind: Some(kind) })
}

fn citation(delta: CitationsDelta) -> Citation {
    let source_content = delta
        .source_content
        .into_iter()
        .map(|content| CitationSourceContent { kind: content.text.map(citation_source_content::Kind::Text) });
    Citation {
        title: delta.title,
        source: delta.source,
        source_content: source_content.collect(),
        location: delta.location,
    }
}

fn append(text: &mut Option<String>, piece: &str) {
    text.get_or_insert_default().push_str(piece);
}
