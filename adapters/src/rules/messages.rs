//! Who speaks when, and what a message may hold.

use bedrock_inference_proto::v1::content_block::Kind;

use super::conversation::{Block, Conversation, Role};
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

pub(super) fn check(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    if conversation.messages.is_empty() {
        findings.of_service("messages", "is empty; a conversation begins with a message of the user");
    }
    if !conversation.system.is_empty() && !model.may(Capability::System) {
        findings.of_model("system", "is set; the model takes no system prompt");
    }
    check_turns(model, conversation, findings);
    check_roles(model, conversation, findings);
    for (at, message) in conversation.messages.iter().enumerate() {
        if message.content.is_empty() {
            let path = format_args!("messages[{at}].content");
            findings.of_service(path, "is empty; at least one content block is needed");
        }
    }
    conversation.blocks().for_each(|block| check_block(block, findings));
}

/// User and assistant take turns, beginning with the user. AWS asks most models' callers to take turns, and
/// leaves open which; those of these two providers are established.
fn check_turns(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    let mut before = Role::Other;
    for (at, message) in conversation.turns().filter(|_| model.is_of(&["anthropic", "amazon"])) {
        let role = Role::of(message);
        if role == before && role != Role::Other {
            findings.of_model(
                format_args!("messages[{at}].role"),
                format_args!("is {} again; user and assistant take turns", role.name()),
            );
        }
        before = role;
    }
    let first = conversation.messages.first().map(Role::of);
    if let Some(role @ (Role::Assistant | Role::System)) = first {
        let description = format_args!("is {}; a conversation begins with user", role.name());
        findings.of_service("messages[0].role", description);
    }
}

fn check_roles(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    if !model.may(Capability::SystemRole) {
        for (at, message) in conversation.messages.iter().enumerate().skip(1) {
            if Role::of(message) == Role::System {
                let description = "is system; the model takes instructions in the member system only";
                findings.of_model(format_args!("messages[{at}].role"), description);
            }
        }
    }
    if let Some(at) = conversation.prefill()
        && model.refuses(Refused::Prefill)
    {
        let description = "is assistant in the last message; the model does not go on with an answer begun";
        findings.of_model(format_args!("messages[{at}].role"), description);
    }
}

fn check_block(block: Block<'_>, findings: &mut Findings) {
    if let Kind::Text(text) = block.kind
        && text.trim_ascii().is_empty()
    {
        findings.of_service(block, "is blank; text with something in it is needed");
    }
    let wanted = match block.kind {
        Kind::Image(_) | Kind::Document(_) | Kind::Video(_) | Kind::Audio(_) => Role::User,
        Kind::ToolUse(_) => Role::Assistant,
        Kind::ToolAddition(_) | Kind::ToolRemoval(_) => Role::System,
        _ => return,
    };
    if block.role != wanted && block.role != Role::Other {
        let (found, wanted) = (block.role.name(), wanted.name());
        findings.of_service(block, format_args!("stands in a message of {found}; {wanted} may have it"));
    }
}
