//! Bound: the most tokens that a call can use at one target, told before it is made.

mod native;
mod size;

use bedrock_inference_adapters::contract::{Capability, Model};
use bedrock_inference_proto::v1::ConverseStreamRequest;
use prost_types::value::Kind;

use super::{Call, Request};
use crate::catalog::Target;
use size::Size;

/// What is added around what the caller wrote: roles, the prompt that explains tools or a schema, the tools that a
/// provider has of its own. The longest that Anthropic tells of are 735 tokens for a tool and 530 for a prompt.
const AROUND: i64 = 2_000;

/// The most that a model is known to make of one image: the 16,384 of Qwen.
const IMAGE: i64 = 20_000;

/// What an image or a document most likely counts, as in the estimate of `CountTokens`.
const LIKELY_MEDIUM: i64 = 1_600;

/// Bytes a token, most likely.
const LIKELY_BYTES: i64 = 3;

/// The window of `context-1m`, which Anthropic opens to those who ask for it.
const WIDE_WINDOW: i64 = 1_000_000;

/// No model has a larger window.
const WIDEST_WINDOW: i64 = 10_000_000;

/// The tokens that a call can use at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The most that the input can count, those of the prompt cache included.
    pub input: i64,
    /// What the input most likely counts; never above `input`.
    pub likely_input: i64,
    /// The longest answer, thinking included; `None` where nobody knows.
    pub output: Option<i64>,
}

impl Call {
    /// The tokens that the call can use at a target.
    ///
    /// No tokenizer makes more tokens of a text than it has bytes, and no model reads more than its context window.
    /// Both are high, and cost no more than a look at the request.
    #[must_use]
    pub fn bound(&self, target: &Target) -> Bound {
        let model = target.entry.as_ref().map(|entry| &entry.model);
        let (size, asked) = match &*self.request {
            Request::Converse(call) => (Size::of_conversation(&call.request), asked_output(&call.request)),
            Request::Invoke(native) => {
                let asked = target.entry.as_ref().and_then(|entry| {
                    entry.adapter.asked_output(&entry.model, &native.body).filter(|asked| *asked > 0)
                });
                (native::size(&native.body), asked)
            }
            // No model runs.
            Request::CountTokens(_) | Request::ApplyGuardrail(_) => {
                return Bound { input: 0, likely_input: 0, output: Some(0) };
            }
        };
        let input = most_input(&size, model);
        let output = asked.or_else(|| model?.limits.max_output_tokens);
        Bound { input, likely_input: likely_input(&size).min(input), output }
    }
}

fn most_input(size: &Size, model: Option<&Model>) -> i64 {
    // The limit of an embedding model is that of each of its texts.
    let window = model.filter(|model| model.may(Capability::Converse)).and_then(window);
    let window =
        window.map_or(WIDEST_WINDOW, |window| if size.wide { window.max(WIDE_WINDOW) } else { window });
    if size.boundless {
        return window;
    }
    let images = size.images.saturating_mul(IMAGE);
    size.text.saturating_add(size.encoded).saturating_add(images).saturating_add(AROUND).min(window)
}

/// The context window. A model that has a price for more than its window has a wide one too.
fn window(model: &Model) -> Option<i64> {
    let window = model.limits.max_input_tokens?;
    let long = model.prices.iter().filter_map(|place| place.long_context.as_ref());
    Some(if long.clone().any(|long| long.above >= window) { window.max(WIDE_WINDOW) } else { window })
}

fn likely_input(size: &Size) -> i64 {
    let media = size.media.saturating_mul(LIKELY_MEDIUM);
    (size.text / LIKELY_BYTES).saturating_add(media).saturating_add(1)
}

/// What a conversation asks for at most; `None` where it leaves that to the model, or where a member of the model's
/// own may say something else.
fn asked_output(request: &ConverseStreamRequest) -> Option<i64> {
    let own = request.additional_model_request_fields.as_ref();
    if own.is_some_and(|fields| limits_output(fields.kind.as_ref()))
        || request.additional_model_request_fields_text.is_some()
    {
        return None;
    }
    request.inference_config.as_ref()?.max_tokens.map(i64::from).filter(|asked| *asked > 0)
}

/// Whether a member at any depth may be a family's own name for the most output tokens, such as `max_gen_len`.
#[must_use]
pub fn limits_output(value: Option<&Kind>) -> bool {
    match value {
        Some(Kind::StructValue(members)) => members.fields.iter().any(|(name, value)| {
            name.to_ascii_lowercase().contains("max") || limits_output(value.kind.as_ref())
        }),
        Some(Kind::ListValue(list)) => list.values.iter().any(|value| limits_output(value.kind.as_ref())),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
