//! What Converse and the models refuse, known beforehand: one file a topic.
//!
//! A rule stands here only where AWS says that the request is refused, and judges a model only by what the
//! catalogue has established of it. What AWS's service model says of single members is the codec's to check.
//! Words of AWS's enumerations stay open: a role, format or TTL that nobody knows is judged by no rule.

mod conversation;
mod fields;
mod findings;
mod invoke;
mod media;
mod messages;
mod parameters;
mod prompt_cache;
mod request;
mod thinking;
mod tools;

use bedrock_inference_proto::v1::{ConverseStreamRequest, ConverseTokensRequest};

use crate::contract::{Capability, InvokeHeaders, Mode, Model};
use conversation::Conversation;
pub use findings::Findings;

/// What is refused of a request to Converse or ConverseStream.
#[must_use]
pub fn check(model: &Model, request: &ConverseStreamRequest) -> Findings {
    let mut findings = Findings::default();
    if !model.may(Capability::Converse) {
        findings.of_model("modelId", "names a model that takes no conversations; call it with InvokeModel");
    }
    let conversation = Conversation::from(request);
    check_conversation(model, &conversation, &mut findings);
    parameters::check(model, request, &conversation, &mut findings);
    thinking::check(model, request, &conversation, &mut findings);
    request::check(model, request, &mut findings);
    findings
}

/// What is refused of a conversation whose tokens are to be counted; the paths begin at the conversation.
#[must_use]
pub fn check_count(model: &Model, request: &ConverseTokensRequest) -> Findings {
    let mut findings = Findings::default();
    check_conversation(model, &Conversation::from(request), &mut findings);
    findings
}

/// What is refused of a native body's call; the body itself is not looked into.
#[must_use]
pub fn check_invoke(model: &Model, headers: &InvokeHeaders, mode: Mode) -> Findings {
    let mut findings = Findings::default();
    invoke::check(model, headers, mode, &mut findings);
    findings
}

fn check_conversation(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    messages::check(model, conversation, findings);
    tools::check(model, conversation, findings);
    media::check(model, conversation, findings);
    prompt_cache::check(model, conversation, findings);
}
