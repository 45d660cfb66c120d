//! Size: what a conversation holds, in bytes and media.

use bedrock_inference_proto::v1::content_block::Kind;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseStreamRequest, DocumentBlock, DocumentSource, GuardrailConverseContentBlock,
    ImageBlock, ImageSource, Tool, ToolResultContentBlock, document_source, guardrail_converse_content_block,
    guardrail_converse_image_source, image_source, system_content_block, tool, tool_input_schema,
    tool_result_content_block,
};
use prost::Message as _;
use prost_types::Value;

use super::native::WIDE;

/// JSON is longer as text than as a message, by as much as a number with all its digits: 24 bytes for 11.
const JSON_AS_TEXT: usize = 3;

/// What a request holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes that may be a token each.
    pub(super) text: i64,
    /// Bytes of media among native JSON, which may be a token each for all that is known of the body.
    pub(super) encoded: i64,
    /// Images whose bytes are known to be one.
    pub(super) images: i64,
    /// Images, documents and all other media.
    pub(super) media: i64,
    /// It holds what can be of any length: a video, a PDF, something that lies in S3, a tool that the provider runs.
    pub(super) boundless: bool,
    /// It asks for a wider window.
    pub(super) wide: bool,
}

impl Size {
    pub(super) fn of_conversation(request: &ConverseStreamRequest) -> Self {
        let mut size = Self { boundless: !request.prompt_variables.is_empty(), ..Self::default() };
        let mut bytes = request.encoded_len();
        for block in request.messages.iter().flat_map(|message| &message.content) {
            size.block(block, &mut bytes);
        }
        for block in &request.system {
            if let Some(system_content_block::Kind::GuardContent(guarded)) = &block.kind {
                size.guarded(guarded, &mut bytes);
            }
        }
        for tool in request.tool_config.iter().flat_map(|config| &config.tools) {
            size.tool(tool, &mut bytes);
        }
        if let Some(fields) = &request.additional_model_request_fields {
            add_json(fields, &mut bytes);
            size.wide |= has_word(fields, WIDE);
        }
        size.wide |=
            request.additional_model_request_fields_text.as_ref().is_some_and(|text| text.contains(WIDE));
        size.text = i64::try_from(bytes).unwrap_or(i64::MAX);
        size
    }

    fn block(&mut self, block: &ContentBlock, bytes: &mut usize) {
        match &block.kind {
            Some(Kind::Image(image)) => self.image(image, bytes),
            Some(Kind::Document(document)) => self.document(document, bytes),
            Some(Kind::Video(_) | Kind::Audio(_)) => self.boundless(),
            Some(Kind::GuardContent(guarded)) => self.guarded(guarded, bytes),
            Some(Kind::ToolUse(used)) => used.input.iter().for_each(|input| add_json(input, bytes)),
            Some(Kind::ToolResult(result)) => {
                result.content.iter().for_each(|content| self.result(content, bytes));
            }
            _ => {}
        }
    }

    fn result(&mut self, content: &ToolResultContentBlock, bytes: &mut usize) {
        use tool_result_content_block::Kind;
        match &content.kind {
            Some(Kind::Json(json)) => add_json(json, bytes),
            Some(Kind::Image(image)) => self.image(image, bytes),
            Some(Kind::Document(document)) => self.document(document, bytes),
            Some(Kind::Video(_)) => self.boundless(),
            Some(Kind::Text(_) | Kind::SearchResult(_)) | None => {}
        }
    }

    fn tool(&mut self, tool: &Tool, bytes: &mut usize) {
        match &tool.kind {
            Some(tool::Kind::ToolSpec(tool)) => {
                let schema = tool.input_schema.as_ref().and_then(|schema| schema.kind.as_ref());
                if let Some(tool_input_schema::Kind::Json(schema)) = schema {
                    add_json(schema, bytes);
                }
            }
            // What it finds is read by the model too.
            Some(tool::Kind::SystemTool(_)) => self.boundless = true,
            Some(tool::Kind::CachePoint(_)) | None => {}
        }
    }

    fn guarded(&mut self, guarded: &GuardrailConverseContentBlock, bytes: &mut usize) {
        use guardrail_converse_content_block::Kind;
        if let Some(Kind::Image(image)) = &guarded.kind {
            let source = image.source.as_ref().and_then(|source| source.kind.as_ref());
            let Some(guardrail_converse_image_source::Kind::Bytes(image)) = source else { return };
            self.image_of(image.len(), bytes);
        }
    }

    fn image(&mut self, image: &ImageBlock, bytes: &mut usize) {
        match &image.source {
            Some(ImageSource { kind: Some(image_source::Kind::Bytes(image)) }) => {
                self.image_of(image.len(), bytes);
            }
            // An image is one wherever it lies.
            _ => self.image_of(0, bytes),
        }
    }

    /// Counted by its kind, not by its bytes.
    fn image_of(&mut self, own: usize, bytes: &mut usize) {
        self.images += 1;
        self.media += 1;
        *bytes = bytes.saturating_sub(own);
    }

    /// Text counts like any other. Other formats say nothing of their length by their bytes.
    fn document(&mut self, document: &DocumentBlock, bytes: &mut usize) {
        match document.source.as_ref().map(|DocumentSource { kind, .. }| kind) {
            Some(Some(document_source::Kind::Bytes(own))) => {
                if !matches!(document.format.as_deref(), Some("txt" | "md" | "csv" | "html")) {
                    *bytes = bytes.saturating_sub(own.len());
                    self.boundless();
                }
            }
            Some(Some(document_source::Kind::S3Location(_))) => self.boundless(),
            Some(Some(document_source::Kind::Text(_)) | None) | None => {}
        }
    }

    fn boundless(&mut self) {
        self.media += 1;
        self.boundless = true;
    }
}

/// Counts JSON as the text that it will be; it has been counted once as it travels.
fn add_json(json: &Value, bytes: &mut usize) {
    *bytes = bytes.saturating_add(json.encoded_len().saturating_mul(JSON_AS_TEXT - 1));
}

/// Whether a text at any depth begins so.
fn has_word(value: &Value, word: &str) -> bool {
    use prost_types::value::Kind;
    match &value.kind {
        Some(Kind::StringValue(text)) => text.starts_with(word),
        Some(Kind::StructValue(members)) => members.fields.values().any(|value| has_word(value, word)),
        Some(Kind::ListValue(list)) => list.values.iter().any(|value| has_word(value, word)),
        _ => false,
    }
}
