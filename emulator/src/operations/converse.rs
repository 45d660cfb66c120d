//! The response of Converse.

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::Rendering;
use super::completion::Completion;
use super::converse_shapes::{Content, Metadata, additional_fields, stop_reason};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    output: Output<'a>,
    stop_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<Value>,
    #[serde(flatten)]
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Output<'a> {
    Message { role: &'static str, content: Vec<Content<'a>> },
}

/// The response, due when the whole answer has been said.
pub(super) fn rendering(completion: &Completion) -> Rendering {
    Rendering::Whole { body: body(completion), headers: HeaderMap::new(), due: completion.due() }
}

fn body(completion: &Completion) -> Vec<u8> {
    let answer = &completion.answer;
    let response = Response {
        output: Output::Message {
            role: "assistant",
            content: answer.blocks.iter().map(Content::from).collect(),
        },
        stop_reason: stop_reason(completion),
        additional_model_response_fields: additional_fields(completion),
        metadata: Metadata::new(completion),
    };
    let mut body = Vec::with_capacity(1_024);
    // Fails only for maps whose keys are no strings, of which there are none.
    if serde_json::to_writer(&mut body, &response).is_err() {
        body.clear();
    }
    body
}
