//! Random conversations within each family's tested list.

mod extra;

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    CachePointBlock, ContentBlock, ConverseRequest, ImageBlock, ImageSource, InferenceConfiguration, Message,
    SystemContentBlock, Tool, ToolConfiguration, ToolInputSchema, ToolResultBlock, ToolResultContentBlock,
    ToolSpecification, ToolUseBlock, content_block, image_source, system_content_block, tool,
    tool_input_schema, tool_result_content_block,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A family with native bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Claude,
    Nova,
    Titan,
}

const PICTURE: &[u8] = include_bytes!("../../../src/cli/demo/picture.png");

const QUESTIONS: [&str; 10] = [
    "What is the capital of France?",
    "Write a haiku about rivers.",
    "What is 12*7?",
    "Explain gRPC in one sentence.",
    "Hello!",
    "What is the weather in Paris and Rome?",
    "List three colours.",
    "Tell me about \"quotes\", ümlauts and \u{1F980}.",
    "Repeat after me: one two three four five",
    "What did I say first?",
];

/// A conversation that both routes can say. The case number gives each its own words, so that prompt caches
/// do not meet.
pub fn conversation(family: Family, case: usize) -> impl Strategy<Value = ConverseRequest> {
    let turns = vec((select(&QUESTIONS[..]), any::<bool>()), 1..4);
    let config = (
        proptest::option::of(5..300_i32),
        proptest::option::of(select(vec![0.0, 0.5, 1.0])),
        proptest::option::of(select(vec!["the", "zebra", "three"])),
    );
    let extras = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), select(extra::of(family)));
    (turns, config, extras).prop_map(move |(turns, config, (system, tools, cached, round_trip, extra))| {
        let mut request = ConverseRequest {
            model_id: Some(model(family).to_owned()),
            messages: messages(family, case, &turns),
            inference_config: Some(inference(config)),
            ..ConverseRequest::default()
        };
        if family == Family::Titan {
            return request;
        }
        if system {
            request.system = vec![system_text("Be brief and friendly.")];
        }
        // Natively Nova has no cache points; such a call goes by Converse.
        if cached && family == Family::Claude {
            let long =
                format!("Case {case}. ") + &"Some background that is long enough to be cached. ".repeat(120);
            request.system.push(system_text(&long));
            request.system.push(SystemContentBlock {
                kind: Some(system_content_block::Kind::CachePoint(CachePointBlock {
                    r#type: Some("default".to_owned()),
                    ttl: None,
                })),
            });
        }
        if tools || round_trip {
            request.tool_config = Some(ToolConfiguration { tools: vec![weather()], tool_choice: None });
        }
        if round_trip {
            request.messages.extend(tool_round_trip());
        }
        extra::add(extra, &mut request);
        request
    })
}

fn model(family: Family) -> &'static str {
    match family {
        Family::Claude => "anthropic.claude-sonnet-4-5-20250929-v1:0",
        Family::Nova => "amazon.nova-lite-v1:0",
        Family::Titan => "amazon.titan-text-express-v1",
    }
}

fn messages(family: Family, case: usize, turns: &[(&str, bool)]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (position, (question, picture)) in turns.iter().enumerate() {
        if position > 0 {
            messages.push(message("assistant", vec![text("I see.")]));
        }
        let mut content = vec![text(&format!("{question} ({case})"))];
        if *picture && family != Family::Titan {
            content.push(image());
        }
        messages.push(message("user", content));
    }
    messages
}

fn inference(
    (max_tokens, temperature, stop): (Option<i32>, Option<f64>, Option<&str>),
) -> InferenceConfiguration {
    InferenceConfiguration {
        max_tokens,
        temperature,
        top_p: None,
        stop_sequences: stop.map(str::to_owned).into_iter().collect(),
    }
}

fn message(role: &str, content: Vec<ContentBlock>) -> Message {
    Message { role: Some(role.to_owned()), content }
}

fn text(text: &str) -> ContentBlock {
    ContentBlock { kind: Some(content_block::Kind::Text(text.to_owned())) }
}

fn system_text(text: &str) -> SystemContentBlock {
    SystemContentBlock { kind: Some(system_content_block::Kind::Text(text.to_owned())) }
}

fn image() -> ContentBlock {
    let source = Some(ImageSource { kind: Some(image_source::Kind::Bytes(PICTURE.into())) });
    let image = ImageBlock { format: Some("png".to_owned()), source, error: None };
    ContentBlock { kind: Some(content_block::Kind::Image(image)) }
}

fn weather() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}"#;
    let (schema, _) = document_from_json(schema).unwrap();
    Tool {
        kind: Some(tool::Kind::ToolSpec(ToolSpecification {
            name: Some("get_weather".to_owned()),
            description: Some("The weather in a city".to_owned()),
            input_schema: Some(ToolInputSchema {
                kind: schema.map(tool_input_schema::Kind::Json),
                json_text: None,
            }),
            strict: None,
        })),
    }
}

/// The assistant's call of the tool, and its result.
fn tool_round_trip() -> [Message; 2] {
    let id = Some("tooluse_0123456789abcdefghijkl".to_owned());
    let (input, _) = document_from_json(r#"{"city":"Paris","days":2}"#).unwrap();
    let call = ToolUseBlock {
        tool_use_id: id.clone(),
        name: Some("get_weather".to_owned()),
        input,
        r#type: None,
        input_text: None,
    };
    let sunny = tool_result_content_block::Kind::Text("sunny, 21 degrees".to_owned());
    let result = ToolResultBlock {
        tool_use_id: id,
        content: vec![ToolResultContentBlock { kind: Some(sunny), json_text: None }],
        status: Some("success".to_owned()),
        r#type: None,
    };
    [
        message("assistant", vec![ContentBlock { kind: Some(content_block::Kind::ToolUse(call)) }]),
        message("user", vec![ContentBlock { kind: Some(content_block::Kind::ToolResult(result)) }]),
    ]
}
