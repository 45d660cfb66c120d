//! What a random conversation may have besides: one thing that only some families know.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    AnyToolChoice, CitationsConfig, ContentBlock, ConverseRequest, DocumentBlock, DocumentSource,
    JsonSchemaDefinition, OutputConfig, OutputFormat, OutputFormatStructure, SearchResultBlock,
    SearchResultContentBlock, ToolChoice, ToolConfiguration, content_block, document_source,
    output_format_structure, tool_choice,
};

use super::{Family, weather};

/// One more thing in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    Nothing,
    Thinking,
    TopK,
    MustCallATool,
    Document,
    CitedDocument,
    SearchResult,
    StructuredOutput,
}

/// What a family knows.
pub fn of(family: Family) -> Vec<Extra> {
    match family {
        Family::Claude => vec![
            Extra::Nothing,
            Extra::Thinking,
            Extra::TopK,
            Extra::MustCallATool,
            Extra::Document,
            Extra::CitedDocument,
            Extra::SearchResult,
            Extra::StructuredOutput,
        ],
        Family::Nova => vec![Extra::Nothing, Extra::TopK, Extra::MustCallATool],
        Family::Titan => vec![Extra::Nothing],
    }
}

/// Adds it.
pub fn add(extra: Extra, request: &mut ConverseRequest) {
    match extra {
        Extra::Nothing => {}
        Extra::Thinking => {
            fields(request, r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#);
            // Bedrock refuses thinking with a temperature, and with less room than it may take.
            if let Some(config) = &mut request.inference_config {
                config.temperature = None;
                config.max_tokens = Some(2000);
            }
        }
        Extra::TopK if request.model_id.as_deref().is_some_and(|id| id.contains("nova")) => {
            fields(request, r#"{"inferenceConfig":{"topK":20}}"#);
        }
        Extra::TopK => fields(request, r#"{"top_k":50}"#),
        Extra::MustCallATool => {
            let config = request
                .tool_config
                .get_or_insert_with(|| ToolConfiguration { tools: vec![weather()], tool_choice: None });
            config.tool_choice = Some(ToolChoice { kind: Some(tool_choice::Kind::Any(AnyToolChoice {})) });
        }
        Extra::Document => ask_about(request, document(None)),
        Extra::CitedDocument => ask_about(request, document(Some(CitationsConfig { enabled: Some(true) }))),
        Extra::SearchResult => ask_about(request, search_result()),
        Extra::StructuredOutput => request.output_config = Some(structured_output()),
    }
}

fn fields(request: &mut ConverseRequest, json: &str) {
    request.additional_model_request_fields = document_from_json(json).unwrap().0;
}

/// Puts the block beside the question of the first turn.
fn ask_about(request: &mut ConverseRequest, kind: content_block::Kind) {
    request.messages[0].content.push(ContentBlock { kind: Some(kind) });
}

fn document(citations: Option<CitationsConfig>) -> content_block::Kind {
    let text = "The river Seine is 777 kilometres long. It flows through Paris.";
    content_block::Kind::Document(DocumentBlock {
        format: Some("txt".to_owned()),
        name: Some("Rivers of France".to_owned()),
        source: Some(DocumentSource {
            kind: Some(document_source::Kind::Bytes(text.into())),
            content: Vec::new(),
        }),
        context: None,
        citations,
    })
}

fn search_result() -> content_block::Kind {
    let passage = SearchResultContentBlock { text: Some("The Seine flows through Paris.".to_owned()) };
    content_block::Kind::SearchResult(SearchResultBlock {
        source: Some("https://example.com/seine".to_owned()),
        title: Some("The Seine".to_owned()),
        content: vec![passage],
        citations: Some(CitationsConfig { enabled: Some(true) }),
    })
}

fn structured_output() -> OutputConfig {
    let schema = r#"{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}"#;
    let definition = JsonSchemaDefinition { schema: Some(schema.to_owned()), name: None, description: None };
    OutputConfig {
        text_format: Some(OutputFormat {
            r#type: Some("json_schema".to_owned()),
            structure: Some(OutputFormatStructure {
                kind: Some(output_format_structure::Kind::JsonSchema(definition)),
            }),
        }),
        effort: None,
    }
}
