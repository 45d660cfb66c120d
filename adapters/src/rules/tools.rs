//! Tools: what is offered, what is asked, and what is answered.

use std::collections::{BTreeMap, HashSet};

use bedrock_inference_proto::v1::content_block::Kind;
use bedrock_inference_proto::v1::{Message, ToolConfiguration, tool, tool_choice};

use super::conversation::{Block, Conversation, Role, blocks};
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

pub(super) fn check(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    if let Some(config) = conversation.tool_config {
        check_names(config, findings);
        check_choice(model, conversation, config, findings);
    }
    check_support(model, conversation, findings);
    check_answers(conversation, findings);
}

fn check_names(config: &ToolConfiguration, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for (at, tool) in config.tools.iter().enumerate() {
        if let Some(tool::Kind::ToolSpec(spec)) = &tool.kind
            && let Some(name) = &spec.name
            && !seen.insert(name)
        {
            let path = format_args!("toolConfig.tools[{at}].toolSpec.name");
            findings.of_service(path, "is the name of a tool before it too");
        }
    }
}

fn check_choice(
    model: &Model,
    conversation: &Conversation<'_>,
    config: &ToolConfiguration,
    findings: &mut Findings,
) {
    let Some(choice) = config.tool_choice.as_ref().and_then(|choice| choice.kind.as_ref()) else { return };
    if let tool_choice::Kind::Tool(wanted) = choice
        && let Some(wanted) = &wanted.name
        && !offers(conversation, config, wanted)
    {
        let path = "toolConfig.toolChoice.tool.name";
        findings.of_service(path, "is the name of none of toolConfig.tools");
    }
    let forced = match choice {
        tool_choice::Kind::Auto(_) => return,
        tool_choice::Kind::Any(_) => "any",
        tool_choice::Kind::Tool(_) => "tool",
    };
    if model.refuses(Refused::ForcedToolChoice) {
        let path = format!("toolConfig.toolChoice.{forced}");
        findings.of_model(path, "forces a tool call; the model takes auto only");
    }
}

/// Whether there is a tool of that name, or may be: tools can also be added within the conversation, and stand in
/// the additional fields in a form of the model's own.
fn offers(conversation: &Conversation<'_>, config: &ToolConfiguration, wanted: &str) -> bool {
    let named = |kind: &tool::Kind| match kind {
        tool::Kind::ToolSpec(spec) => spec.name.as_deref() == Some(wanted),
        tool::Kind::SystemTool(tool) => tool.name.as_deref() == Some(wanted),
        tool::Kind::CachePoint(_) => false,
    };
    config.tools.iter().filter_map(|tool| tool.kind.as_ref()).any(named)
        || conversation.fields.tools
        || conversation.blocks().any(|block| matches!(block.kind, Kind::ToolAddition(_)))
}

fn check_support(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    let mut used =
        conversation.blocks().filter(|block| matches!(block.kind, Kind::ToolUse(_) | Kind::ToolResult(_)));
    if !model.may(Capability::Tools) {
        if conversation.tool_config.is_some() {
            findings.of_model("toolConfig", "is set; the model takes no tools");
        }
        used.for_each(|block| findings.of_model(block, "is set; the model takes no tools"));
    } else if conversation.tool_config.is_none()
        && let Some(first) = used.next()
    {
        let description = format_args!("is not set; it is needed where tools were used, as in {first}");
        findings.of_service("toolConfig", description);
    }
}

/// Every tool use is answered in the next turn, and nothing else is. Tools that the provider runs need no
/// answer of the caller's; theirs may stand where they were used.
fn check_answers(conversation: &Conversation<'_>, findings: &mut Findings) {
    let mut asked = Uses::new();
    for (at, message) in conversation.turns() {
        let uses = uses(at, message, findings);
        let mut answered = HashSet::new();
        for block in blocks(at, message) {
            let Kind::ToolResult(result) = block.kind else { continue };
            let Some(id) = result.tool_use_id.as_deref() else { continue };
            let own = block.role != Role::User && uses.get(id).is_some_and(|tool_use| tool_use.runs_itself);
            // A result of some type that nobody knows may belong elsewhere; as an answer it still counts.
            if own || (result.r#type.is_some() && !asked.contains_key(id)) {
                continue;
            }
            let path = format_args!("{block}.toolUseId");
            if !asked.contains_key(id) {
                findings.of_service(path, "is the id of no toolUse in the turn before");
            } else if !answered.insert(id) {
                findings.of_service(path, "is answered by another toolResult of the message too");
            }
        }
        unanswered(&asked, &answered, findings);
        asked = uses;
    }
    unanswered(&asked, &HashSet::new(), findings);
}

/// The tool uses of one message, by their ids.
type Uses<'r> = BTreeMap<&'r str, Use<'r>>;

struct Use<'r> {
    block: Block<'r>,
    /// The provider runs the tool.
    runs_itself: bool,
}

fn uses<'r>(at: usize, message: &'r Message, findings: &mut Findings) -> Uses<'r> {
    let mut uses = Uses::new();
    for block in blocks(at, message) {
        let Kind::ToolUse(tool_use) = block.kind else { continue };
        let Some(id) = tool_use.tool_use_id.as_deref() else { continue };
        let before = uses.insert(id, Use { block, runs_itself: tool_use.r#type.is_some() });
        if before.is_some() {
            let path = format_args!("{block}.toolUseId");
            findings.of_service(path, "is the id of another toolUse of the message too");
        }
    }
    uses
}

fn unanswered(asked: &Uses<'_>, answered: &HashSet<&str>, findings: &mut Findings) {
    for (id, Use { block, runs_itself }) in asked {
        if !runs_itself && !answered.contains(id) {
            let path = format_args!("{block}.toolUseId");
            findings.of_service(path, "is answered by no toolResult in the next message of the user");
        }
    }
}
