//! Encodes a call as a body of Anthropic's messages format.
//!
//! The members stand in the order of Anthropic's documentation, free-form JSON as the codec writes it, so that
//! the same call always gives the same bytes: the prompt cache matches prefixes.

mod blocks;
mod cache;
mod citations;
mod parameters;
mod place;
mod sources;
mod tools;

use bedrock_inference_proto::v1::{ConverseStreamRequest, InferenceConfiguration, SystemContentBlock};
use bedrock_inference_proto::v1::{Message, system_content_block};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::contract::{
    AdapterError, CONVERSE_ONLY, ConverseCall, InvokeHeaders, Mode, Model, Refusals, Wire,
};
use blocks::{Block, Kind};
use parameters::{Additional, OutputConfig};
use place::Place;
use tools::{Tool, ToolChoice};

/// The only version of the format that Bedrock takes.
const VERSION: &str = "bedrock-2023-05-31";

/// The longest answer of a model whose limit is not established.
const DEFAULT_MAX_TOKENS: i64 = 4096;

/// With thinking, InvokeModel answers as a whole only up to this limit.
const LONGEST_WAIT: i64 = 21_333;

/// The beta flag of `effort` on Opus 4.5.
const EFFORT_BETA: &str = "effort-2025-11-24";

#[derive(Serialize)]
struct Body<'r> {
    anthropic_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_beta: Option<Box<RawValue>>,
    max_tokens: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'r>>,
    messages: Vec<Turn<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<Tool<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

/// One turn of the conversation.
#[derive(Serialize)]
struct Turn<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'r str>,
    content: Vec<Block<'r>>,
}

/// Turns a call into a native body and its headers.
///
/// # Errors
/// `Unsupported` with every member that the messages format cannot say.
pub(super) fn encode(model: &Model, call: &ConverseCall) -> Result<Wire, AdapterError> {
    let request = &call.request;
    let mut refusals = Refusals::default();
    refusals.refuse_converse_only(request);
    let additional = Additional::read(request, &mut refusals);
    refuse_effort_without_beta(model, request, &additional, &mut refusals);
    let inference = request.inference_config.clone().unwrap_or_default();
    let InferenceConfiguration { max_tokens, temperature, top_p, .. } = inference;
    let stop_sequences = request.inference_config.as_ref().map(|config| config.stop_sequences.as_slice());
    let place = Place::root("inferenceConfig");
    let max_tokens = max_tokens.map_or_else(|| longest_answer(model), i64::from);
    let waits = call.mode == Mode::Unary && additional.thinking.is_some() && max_tokens > LONGEST_WAIT;
    let path = place.member("maxTokens").to_string();
    refusals.refuse_if(waits, &path, "is above 21333, where InvokeModel thinks in streams only");
    let (tools, tool_choice) =
        tools::encode(request.tool_config.as_ref(), additional.disable_parallel_tool_use, &mut refusals);
    let body = Body {
        anthropic_version: VERSION,
        anthropic_beta: additional.anthropic_beta,
        max_tokens,
        system: system(&request.system, &mut refusals),
        messages: turns(&request.messages, &mut refusals),
        tools,
        tool_choice,
        temperature: number(temperature, &place.member("temperature"), &mut refusals),
        top_p: number(top_p, &place.member("topP"), &mut refusals),
        top_k: additional.top_k,
        stop_sequences: stop_sequences.unwrap_or_default(),
        thinking: additional.thinking,
        output_config: OutputConfig::new(
            request.output_config.as_ref(),
            additional.output_config,
            &mut refusals,
        ),
        metadata: additional.metadata,
    };
    let headers = headers(request, &mut refusals);
    refusals.finish()?;
    let body = serde_json::to_vec(&body).map_err(|_| Refusals::only("messages", "cannot be written"))?;
    Ok(Wire::Invoke { body: body.into(), headers })
}

/// Natively Opus 4.5 takes an effort only under its beta flag; Converse sets what it needs, and later models
/// need none.
fn refuse_effort_without_beta(
    model: &Model,
    request: &ConverseStreamRequest,
    additional: &Additional,
    refusals: &mut Refusals,
) {
    let converse = request.output_config.as_ref().is_some_and(|config| config.effort.is_some());
    let effort = converse || additional.output_config.contains_key("effort");
    let beta = additional.anthropic_beta.as_ref().is_some_and(|beta| beta.get().contains(EFFORT_BETA));
    let missing = effort && !beta && model.id.contains("claude-opus-4-5");
    refusals.refuse_if(missing, "outputConfig.effort", "needs the beta effort-2025-11-24 natively");
}

/// The native format needs a limit, Converse does not: it then takes the longest that the model allows, says
/// AWS's reference of InferenceConfiguration.
fn longest_answer(model: &Model) -> i64 {
    model.limits.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS)
}

fn system<'r>(blocks: &'r [SystemContentBlock], refusals: &mut Refusals) -> Vec<Block<'r>> {
    use system_content_block::Kind as System;
    let list = Place::root("system");
    let mut system = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let place = list.index(index);
        match &block.kind {
            Some(System::Text(text)) => system.push(Block::from(Kind::text(text))),
            Some(System::CachePoint(point)) => {
                let place = place.member("cachePoint");
                cache::mark(system.last_mut().and_then(Block::cache_control), point, &place, refusals);
            }
            Some(System::GuardContent(_)) => {
                system.push(place.member("guardContent").refuse(CONVERSE_ONLY, refusals));
            }
            None => system.push(place.refuse_empty(refusals)),
        }
    }
    system
}

fn turns<'r>(messages: &'r [Message], refusals: &mut Refusals) -> Vec<Turn<'r>> {
    let list = Place::root("messages");
    let turn = |(index, message): (usize, &'r Message)| {
        let place = list.index(index);
        let role = message.role.as_deref();
        if !matches!(role, None | Some("user" | "assistant")) {
            refusals.refuse(place.member("role").to_string(), "is neither user nor assistant");
        }
        Turn { role, content: blocks::encode(&message.content, &place.member("content"), refusals) }
    };
    messages.iter().enumerate().map(turn).collect()
}

/// A number as the shortest JSON that reads back as the same.
fn number(value: Option<f64>, place: &Place<'_>, refusals: &mut Refusals) -> Option<Box<RawValue>> {
    let json = value?.to_string();
    let raw = RawValue::from_string(json).ok();
    refusals.refuse_if(raw.is_none(), &place.to_string(), "is not a finite number");
    raw
}

/// Free-form JSON as it stands.
fn free_form(json: Option<String>, place: &Place<'_>, refusals: &mut Refusals) -> Option<Box<RawValue>> {
    let raw = RawValue::from_string(json?).ok();
    refusals.refuse_if(raw.is_none(), &place.to_string(), "is not JSON");
    raw
}

fn headers(request: &ConverseStreamRequest, refusals: &mut Refusals) -> InvokeHeaders {
    let headers = InvokeHeaders::of(request);
    let values = [
        ("performanceConfig.latency", &headers.performance_config_latency),
        ("serviceTier.type", &headers.service_tier),
        ("requestMetadata", &headers.request_metadata),
    ];
    for (path, value) in values {
        let sendable = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let sendable = value.as_deref().is_none_or(sendable);
        refusals.refuse_if(!sendable, path, "holds a character that an HTTP header cannot");
    }
    headers
}
