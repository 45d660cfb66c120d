//! The calls of the demo, each with its answer and its call report.

use std::collections::BTreeMap;

use bedrock_inference_emulator::Emulator;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseRequest, ConverseResponse, ConverseStreamRequest, GuardrailConfiguration,
    ImageBlock, ImageSource, InferenceConfiguration, Message, SystemContentBlock, Tool, ToolConfiguration,
    ToolInputSchema, ToolResultBlock, ToolResultContentBlock, ToolSpecification, content_block,
    converse_output, image_source, system_content_block, tool, tool_result_content_block,
};
use prost_types::value::Kind as Json;
use prost_types::{Struct, Value};
use tonic::Status;
use tonic::transport::Channel;

use super::super::{Failure, ask, show};

pub(super) type Client = InferenceClient<Channel>;

pub(super) const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";
const PICTURE: &[u8] = include_bytes!("picture.png");

/// One question, answered as a whole.
pub(super) async fn unary(mut client: Client) -> Result<(), Failure> {
    title("1. Converse: a unary call", NOVA);
    let response = converse(
        &mut client,
        ConverseRequest {
            model_id: Some(NOVA.to_owned()),
            system: vec![SystemContentBlock {
                kind: Some(system_content_block::Kind::Text("Answer in one sentence.".to_owned())),
            }],
            inference_config: Some(InferenceConfiguration {
                max_tokens: Some(200),
                ..InferenceConfiguration::default()
            }),
            ..question("What is the capital of France?")
        },
    );
    show_answer(&response.await?);
    Ok(())
}

/// The first target of an alias is throttled, and the second one answers.
pub(super) async fn alias(mut client: Client, emulator: &Emulator) -> Result<(), Failure> {
    title("8. An alias: what one target refuses, the next one answers", "economy");
    emulator.script("ThrottlingException".parse().map_err(Failure::run)?);
    let question = question("Which model am I speaking to?");
    let request = ConverseRequest { model_id: Some("economy".to_owned()), ..question };
    let response = converse(&mut client, request).await?;
    show_answer(&response);
    Ok(())
}

/// One question, answered event by event.
pub(super) async fn stream(mut client: Client) -> Result<(), Failure> {
    title("2. ConverseStream: a streaming call", CLAUDE);
    say("user", "Write a haiku about a gateway.");
    show::piece(show::styled("assistant  ", show::Style::Green));
    let asked = question("Write a haiku about a gateway.");
    let request = ConverseStreamRequest {
        model_id: Some(CLAUDE.to_owned()),
        messages: asked.messages,
        ..ConverseStreamRequest::default()
    };
    let mut messages = client.converse_stream(request).await.map_err(failed)?.into_inner();
    let mut report = None;
    while let Some(message) = messages.message().await.map_err(failed)? {
        report = ask::print(message).or(report);
    }
    let report = report.ok_or_else(|| Failure::run("the stream ended without its call report"))?;
    show::line(format!("\n{}", show::report(&report)));
    Ok(())
}

/// The model asks for a tool twice in one turn, and answers with both results.
pub(super) async fn tool_round_trip(mut client: Client) -> Result<(), Failure> {
    title("3. Tools: a round trip of several turns", CLAUDE);
    let mut request = ConverseRequest {
        model_id: Some(CLAUDE.to_owned()),
        tool_config: Some(ToolConfiguration { tools: vec![weather_tool()], tool_choice: None }),
        ..question("What is the weather in Paris and Rome?")
    };
    let response = converse(&mut client, request.clone()).await?;
    show_answer(&response);
    let asked = message(&response).ok_or_else(|| Failure::run("the answer has no message"))?;
    let results: Vec<_> = asked.content.iter().filter_map(answer_tool).collect();
    if results.is_empty() {
        return Err(Failure::run("the model asked for no tool"));
    }
    say("user", &format!("[{} tool results]", results.len()));
    request.messages.push(asked.clone());
    request.messages.push(Message { role: Some("user".to_owned()), content: results });
    show_answer(&converse(&mut client, request).await?);
    Ok(())
}

/// A picture in the prompt.
pub(super) async fn image(mut client: Client) -> Result<(), Failure> {
    title("4. Images: a picture in the prompt", NOVA);
    let mut request =
        ConverseRequest { model_id: Some(NOVA.to_owned()), ..question("What do you see in this picture?") };
    let picture = content_block::Kind::Image(ImageBlock {
        format: Some("png".to_owned()),
        source: Some(ImageSource { kind: Some(image_source::Kind::Bytes(PICTURE.into())) }),
        error: None,
    });
    if let Some(message) = request.messages.first_mut() {
        message.content.push(ContentBlock { kind: Some(picture) });
    }
    show_answer(&converse(&mut client, request).await?);
    Ok(())
}

/// A guardrail steps in: an answer, not an error.
pub(super) async fn guardrail(mut client: Client) -> Result<(), Failure> {
    title("5. Guardrails: an intervention is an answer", CLAUDE);
    let request = ConverseRequest {
        model_id: Some(CLAUDE.to_owned()),
        guardrail_config: Some(GuardrailConfiguration {
            guardrail_identifier: Some("demoguardrail1".to_owned()),
            guardrail_version: Some("1".to_owned()),
            trace: Some("enabled".to_owned()),
        }),
        ..question("Which stocks should I invest my savings in?")
    };
    let response = converse(&mut client, request).await?;
    if response.stop_reason.as_deref() != Some("guardrail_intervened") {
        return Err(Failure::run("the guardrail did not intervene"));
    }
    show_answer(&response);
    Ok(())
}

async fn converse(client: &mut Client, request: ConverseRequest) -> Result<ConverseResponse, Failure> {
    if let Some(last) = request.messages.last() {
        for block in &last.content {
            if let Some(content_block::Kind::Text(text)) = &block.kind {
                say("user", text);
            }
        }
    }
    client.converse(request).await.map(tonic::Response::into_inner).map_err(failed)
}

pub(super) fn question(text: &str) -> ConverseRequest {
    let content = vec![ContentBlock { kind: Some(content_block::Kind::Text(text.to_owned())) }];
    ConverseRequest {
        messages: vec![Message { role: Some("user".to_owned()), content }],
        ..ConverseRequest::default()
    }
}

fn weather_tool() -> Tool {
    let schema = r#"{
        "type": "object",
        "properties": {"city": {"type": "string", "description": "A city, such as Paris"}},
        "required": ["city"]
    }"#;
    Tool {
        kind: Some(tool::Kind::ToolSpec(ToolSpecification {
            name: Some("get_weather".to_owned()),
            description: Some("The weather in a city now".to_owned()),
            input_schema: Some(ToolInputSchema { kind: None, json_text: Some(schema.to_owned()) }),
            strict: None,
        })),
    }
}

/// Runs the demo's only tool.
fn answer_tool(block: &ContentBlock) -> Option<ContentBlock> {
    let content_block::Kind::ToolUse(call) = block.kind.as_ref()? else { return None };
    let Some(Json::StructValue(input)) = call.input.as_ref().and_then(|input| input.kind.as_ref()) else {
        return None;
    };
    let city = input.fields.get("city").cloned().unwrap_or_default();
    let weather = object([("city", city), ("weather", string("sunny")), ("celsius", number(21.5))]);
    let result = ToolResultContentBlock {
        kind: Some(tool_result_content_block::Kind::Json(weather)),
        json_text: None,
    };
    Some(ContentBlock {
        kind: Some(content_block::Kind::ToolResult(ToolResultBlock {
            tool_use_id: call.tool_use_id.clone(),
            content: vec![result],
            status: Some("success".to_owned()),
            r#type: None,
        })),
    })
}

fn message(response: &ConverseResponse) -> Option<&Message> {
    let converse_output::Kind::Message(message) = response.output.as_ref()?.kind.as_ref()?;
    Some(message)
}

fn show_answer(response: &ConverseResponse) {
    for block in message(response).map(|message| message.content.as_slice()).unwrap_or_default() {
        match &block.kind {
            Some(content_block::Kind::Text(text)) => say("assistant", text),
            Some(content_block::Kind::ToolUse(call)) => {
                let input = call.input.as_ref().map(bedrock_inference_proto::codec::document_to_json);
                let name = call.name.as_deref().unwrap_or_default();
                say("assistant", &format!("[calls {name} {}]", input.unwrap_or_default()));
            }
            _ => {}
        }
    }
    say("stop", response.stop_reason.as_deref().unwrap_or_default());
    if let Some(report) = &response.call {
        show::line(show::report(report));
    }
}

pub(super) fn title(text: &str, model: &str) {
    show::line(format!(
        "\n{}  {}",
        show::styled(text, show::Style::Bold),
        show::styled(model, show::Style::Dim)
    ));
}

pub(super) fn say(who: &str, text: &str) {
    show::line(format!("{}{text}", show::styled(format!("{who:<11}"), show::Style::Green)));
}

pub(super) fn failed(status: Status) -> Failure {
    Failure::run(show::status(&status))
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let fields: BTreeMap<_, _> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value { kind: Some(Json::StructValue(Struct { fields })) }
}

fn string(text: &str) -> Value {
    Value { kind: Some(Json::StringValue(text.to_owned())) }
}

fn number(value: f64) -> Value {
    Value { kind: Some(Json::NumberValue(value)) }
}
