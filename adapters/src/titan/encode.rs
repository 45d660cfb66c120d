//! Writes a call as a Titan body: the conversation becomes one text.

use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseStreamRequest, InferenceConfiguration, Message, content_block,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::contract::{AdapterError, CONVERSE_ONLY, InvokeHeaders, Model, Refusals, Wire};

/// The native body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'b> {
    input_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_generation_config: Option<TextGenerationConfig<'b>>,
}

/// Converse's settings under Titan's names; the numbers are the codec's.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TextGenerationConfig<'b> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    temperature: Option<&'b RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    top_p: Option<&'b RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", rename(serialize = "maxTokenCount"))]
    max_tokens: Option<&'b RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    stop_sequences: Option<&'b RawValue>,
}

/// The body and the headers of a call.
///
/// # Errors
/// `Unsupported` with every member that is not on the tested list.
pub(super) fn wire(model: &Model, request: &ConverseStreamRequest) -> Result<Wire, AdapterError> {
    let mut refusals = Refusals::default();
    check(request, &mut refusals);
    let input_text = input_text(&request.messages, &mut refusals);
    let config = inference_config(model, request);
    let config = config.map(|config| written(&config, &mut refusals));
    refusals.finish()?;
    let text_generation_config = config.as_deref().map(serde_json::from_slice).transpose();
    let body = text_generation_config
        .and_then(|config| serde_json::to_vec(&Body { input_text, text_generation_config: config }))
        .map_err(|_| Refusals::only("inferenceConfig", "cannot be written as JSON"))?;
    Ok(Wire::Invoke { body: body.into(), headers: InvokeHeaders::of(request) })
}

fn check(request: &ConverseStreamRequest, refusals: &mut Refusals) {
    refusals.refuse_converse_only(request);
    refusals.refuse_if(request.output_config.is_some(), "outputConfig", CONVERSE_ONLY);
    refusals.refuse_if(!request.system.is_empty(), "system", CONVERSE_ONLY);
    refusals.refuse_if(request.tool_config.is_some(), "toolConfig", CONVERSE_ONLY);
    let additional = request.additional_model_request_fields.is_some()
        || request.additional_model_request_fields_text.is_some();
    refusals.refuse_if(additional, "additionalModelRequestFields", CONVERSE_ONLY);
}

/// The settings, with the model's longest answer where none is set: Converse's default, for the native one is
/// 512 tokens.
fn inference_config(model: &Model, request: &ConverseStreamRequest) -> Option<InferenceConfiguration> {
    let mut config = request.inference_config.clone();
    let longest = model.limits.max_output_tokens.and_then(|tokens| i32::try_from(tokens).ok());
    if let Some(longest) = longest {
        config.get_or_insert_default().max_tokens.get_or_insert(longest);
    }
    config
}

/// The settings in Converse's JSON.
fn written(config: &InferenceConfiguration, refusals: &mut Refusals) -> Vec<u8> {
    codec::write(config).unwrap_or_else(|violations| {
        for violation in violations {
            refusals.refuse(format!("inferenceConfig.{}", violation.path), violation.description);
        }
        Vec::new()
    })
}

/// A lone user turn as it is; a conversation turn by turn, open for the model's next one.
fn input_text(messages: &[Message], refusals: &mut Refusals) -> String {
    if messages.len().is_multiple_of(2) {
        refusals.refuse("messages", "must begin and end with a user message to be one text");
    }
    let turns = messages.iter().zip(["user", "assistant"].into_iter().cycle()).enumerate();
    let turns: Vec<_> = turns
        .map(|(index, (message, role))| {
            let path = format!("messages[{index}]");
            if message.role.as_deref() != Some(role) {
                refusals
                    .refuse(format!("{path}.role"), format!("must be {role} at this place to be one text"));
            }
            (role, turn(&path, &message.content, refusals))
        })
        .collect();
    if let [(_, text)] = turns.as_slice() {
        return text.clone();
    }
    let line = |(role, text): &(&str, String)| match *role {
        "user" => format!("User: {text}\n"),
        _ => format!("Bot: {text}\n"),
    };
    turns.iter().map(line).collect::<String>() + "Bot:"
}

/// The text of one turn, a line a block.
fn turn(path: &str, content: &[ContentBlock], refusals: &mut Refusals) -> String {
    if content.is_empty() {
        refusals.refuse(format!("{path}.content"), "must hold text");
    }
    let mut texts = Vec::with_capacity(content.len());
    for (index, block) in content.iter().enumerate() {
        match &block.kind {
            Some(content_block::Kind::Text(text)) => texts.push(text.as_str()),
            other => {
                let member = other.as_ref().map_or("", member);
                refusals.refuse(
                    format!("{path}.content[{index}]{member}"),
                    "is no text, which is all that Titan reads",
                );
            }
        }
    }
    texts.join("\n")
}

/// The block's member in AWS's names, as the end of a path.
fn member(kind: &content_block::Kind) -> &'static str {
    use content_block::Kind;
    match kind {
        Kind::Text(_) => ".text",
        Kind::Image(_) => ".image",
        Kind::Document(_) => ".document",
        Kind::Video(_) => ".video",
        Kind::Audio(_) => ".audio",
        Kind::ToolUse(_) => ".toolUse",
        Kind::ToolResult(_) => ".toolResult",
        Kind::GuardContent(_) => ".guardContent",
        Kind::CachePoint(_) => ".cachePoint",
        Kind::ReasoningContent(_) => ".reasoningContent",
        Kind::CitationsContent(_) => ".citationsContent",
        Kind::SearchResult(_) => ".searchResult",
        Kind::ToolAddition(_) => ".toolAddition",
        Kind::ToolRemoval(_) => ".toolRemoval",
        Kind::Unknown(_) => "",
    }
}
