//! The rules on turns and their parts: who may say what, in which order, to which model.

use std::collections::HashSet;
use std::fmt;

use super::{Block, Message, Prompt, ResultBlock, Role, SystemBlock, Tool, Ttl};
use crate::answer::signature_of;
use crate::errors::{Failure, Outcome};
use crate::models::Family;

/// The most images of one request.
const MAX_IMAGES: usize = 20;

/// The most documents of one request.
const MAX_DOCUMENTS: usize = 5;

/// The most cache checkpoints of one request.
const MAX_CHECKPOINTS: usize = 4;

/// Checks the conversation against the service's and the model's rules.
pub(super) fn check(prompt: &Prompt) -> Outcome<()> {
    check_turns(prompt)?;
    check_features(prompt)?;
    for (index, message) in prompt.messages.iter().enumerate() {
        check_message(prompt, index, message)?;
    }
    check_tools(prompt)?;
    check_tool_results(prompt)?;
    check_checkpoints(prompt)
}

/// Checks what Converse asks for beyond that, whatever the model.
pub(super) fn check_converse(prompt: &Prompt) -> Outcome<()> {
    for message in &prompt.messages {
        let has = |wanted: fn(&Block) -> bool| message.content.iter().any(wanted);
        if has(|block| matches!(block, Block::Document(_))) && !has(|block| block.as_text().is_some()) {
            return Err(Failure::validation(
                "Documents must be accompanied by a text block: a message that includes a document must also \
                 include a text block.",
            ));
        }
    }
    check_amounts(prompt)
}

fn check_turns(prompt: &Prompt) -> Outcome<()> {
    if prompt.messages.is_empty() {
        return Err(Failure::validation(
            "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ));
    }
    let turns = || prompt.messages.iter().filter(|message| message.role != Role::System);
    if turns().count() < prompt.messages.len() && !prompt.model.supports.system_role {
        return Err(Failure::validation(
            "This model doesn't support the system role in messages. Use the system field.",
        ));
    }
    if turns().next().is_none_or(|first| first.role != Role::User)
        || prompt.messages.first().is_some_and(|first| first.role == Role::System)
    {
        return Err(Failure::validation(
            "A conversation must start with a user message. Try again with a conversation that starts with a user \
             message.",
        ));
    }
    if turns().zip(turns().skip(1)).any(|(one, next)| one.role == next.role) {
        return Err(Failure::validation(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
             between user and assistant roles and try again.",
        ));
    }
    if turns().next_back().is_some_and(|last| last.role == Role::Assistant)
        && !prompt.model.supports.assistant_prefill
    {
        return Err(Failure::from_model(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(())
}

fn check_features(prompt: &Prompt) -> Outcome<()> {
    let supports = &prompt.model.supports;
    if !prompt.system.is_empty() && !supports.system {
        return Err(Failure::validation(
            "This model doesn't support system messages. Try again without a system message or use a model that \
             supports system messages.",
        ));
    }
    if !prompt.tools.is_empty() && !supports.tools {
        return Err(Failure::validation("This model doesn't support tool use."));
    }
    Ok(())
}

fn check_message(prompt: &Prompt, index: usize, message: &Message) -> Outcome<()> {
    for (part, block) in message.content.iter().enumerate() {
        let at = Position { message: index, part };
        check_role(at, message.role, block)?;
        check_block(prompt, at, block)?;
    }
    Ok(())
}

/// Where a block stands; rendered only when someone complains.
#[derive(Clone, Copy)]
struct Position {
    message: usize,
    part: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.{}.content.{}", self.message, self.part)
    }
}

fn check_role(at: Position, role: Role, block: &Block) -> Outcome<()> {
    let (name, allowed) = match block {
        Block::Image(_) => ("image", role == Role::User),
        Block::Document(_) => ("document", role == Role::User),
        Block::Media { kind, .. } => (*kind, role == Role::User),
        Block::ToolUse { .. } => ("toolUse", role == Role::Assistant),
        Block::ToolResult(_) => ("toolResult", role == Role::User),
        Block::Reasoning { .. } | Block::RedactedReasoning(_) => {
            ("reasoningContent", role == Role::Assistant)
        }
        Block::ToolChange => ("toolAddition and toolRemoval", role == Role::System),
        _ => return Ok(()),
    };
    if allowed {
        return Ok(());
    }
    let role = match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    Err(Failure::validation(format!(
        "The {name} block at {at} is not allowed in a message with the {role} role."
    )))
}

fn check_block(prompt: &Prompt, at: Position, block: &Block) -> Outcome<()> {
    let supports = &prompt.model.supports;
    match block {
        Block::Image(_) | Block::GuardImage(_) if !supports.vision => Err(unsupported("image")),
        Block::Document(_) if !supports.pdf => Err(unsupported("document")),
        Block::Media { kind: kind @ "video", .. } if !supports.video => Err(unsupported(kind)),
        Block::Media { kind: kind @ "audio", .. } if !supports.audio => Err(unsupported(kind)),
        Block::ToolUse { .. } | Block::ToolResult(_) if !supports.tools => {
            Err(Failure::validation("This model doesn't support tool use."))
        }
        Block::ToolResult(result) if !supports.vision => {
            let image = result.content.iter().any(|part| matches!(part, ResultBlock::Image(_)));
            if image { Err(unsupported("image")) } else { Ok(()) }
        }
        Block::Reasoning { text, signature } => check_signature(prompt, at, text, signature.as_deref()),
        _ => Ok(()),
    }
}

fn unsupported(field: &str) -> Failure {
    Failure::validation(format!(
        "This model doesn't support the {field} field. Remove {field} and try again."
    ))
}

/// Reasoning must come back unmodified; only Claude insists on its signature.
fn check_signature(prompt: &Prompt, at: Position, text: &str, signature: Option<&str>) -> Outcome<()> {
    match signature {
        None if prompt.model.family == Family::Claude => {
            Err(Failure::from_model(format!("{at}.thinking.signature: Field required")))
        }
        Some(signature) if signature != signature_of(text) => {
            Err(Failure::from_model(format!("{at}: Invalid `signature` in `thinking` block")))
        }
        _ => Ok(()),
    }
}

fn check_tools(prompt: &Prompt) -> Outcome<()> {
    let mut seen = HashSet::new();
    for (index, tool) in prompt.tools.iter().enumerate() {
        if let Tool::Spec(spec) = tool
            && !seen.insert(spec.name.as_str())
        {
            return Err(Failure::validation(format!(
                "The tool {} is already defined at toolConfig.tools.{index}.",
                spec.name
            )));
        }
    }
    let uses_tools = prompt
        .messages
        .iter()
        .flat_map(|message| &message.content)
        .any(|block| matches!(block, Block::ToolUse { .. } | Block::ToolResult(_)));
    if uses_tools && prompt.tools.is_empty() {
        return Err(Failure::validation(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ));
    }
    Ok(())
}

/// Every call is answered in the next user message, and nothing else is.
fn check_tool_results(prompt: &Prompt) -> Outcome<()> {
    let mut asked: HashSet<&str> = HashSet::new();
    let mut last_turn = 0;
    for (index, message) in
        prompt.messages.iter().enumerate().filter(|(_, message)| message.role != Role::System)
    {
        last_turn = index;
        let mut answered = HashSet::new();
        for block in &message.content {
            if let Block::ToolResult(result) = block {
                if !asked.contains(result.id.as_str()) {
                    return Err(Failure::validation(format!(
                        "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse \
                         blocks of previous turn."
                    )));
                }
                if !answered.insert(result.id.as_str()) {
                    return Err(duplicate_ids(index, "toolResult", &result.id));
                }
            }
        }
        missing_results(index, &asked, &answered)?;
        asked.clear();
        for block in &message.content {
            if let Block::ToolUse { id, .. } = block
                && !asked.insert(id)
            {
                return Err(duplicate_ids(index, "toolUse", id));
            }
        }
    }
    missing_results(last_turn + 1, &asked, &HashSet::new())
}

fn duplicate_ids(index: usize, kind: &str, id: &str) -> Failure {
    Failure::validation(format!("The {kind} blocks at messages.{index}.content contain duplicate Ids: {id}"))
}

fn missing_results(index: usize, asked: &HashSet<&str>, answered: &HashSet<&str>) -> Outcome<()> {
    let mut missing: Vec<&str> = asked.difference(answered).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(Failure::validation(format!(
        "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
        missing.join(", ")
    )))
}

fn check_amounts(prompt: &Prompt) -> Outcome<()> {
    let (mut images, mut documents) = (0, 0);
    for block in prompt.messages.iter().flat_map(|message| &message.content) {
        match block {
            Block::Image(_) | Block::GuardImage(_) => images += 1,
            Block::Document(_) => documents += 1,
            Block::ToolResult(result) => {
                images += result.content.iter().filter(|part| matches!(part, ResultBlock::Image(_))).count();
                documents +=
                    result.content.iter().filter(|part| matches!(part, ResultBlock::Document(_))).count();
            }
            _ => {}
        }
    }
    for (kind, found, limit) in [("images", images, MAX_IMAGES), ("documents", documents, MAX_DOCUMENTS)] {
        if found > limit {
            return Err(Failure::validation(format!(
                "The request contains {found} {kind}, which exceeds the maximum of {limit} {kind} for each request."
            )));
        }
    }
    Ok(())
}

fn check_checkpoints(prompt: &Prompt) -> Outcome<()> {
    let tools = prompt.tools.iter().filter_map(|tool| match tool {
        Tool::CachePoint(ttl) => Some(*ttl),
        _ => None,
    });
    let system = prompt.system.iter().filter_map(|block| match block {
        SystemBlock::CachePoint(ttl) => Some(*ttl),
        _ => None,
    });
    let messages =
        prompt.messages.iter().flat_map(|message| &message.content).filter_map(|block| match block {
            Block::CachePoint(ttl) => Some(*ttl),
            _ => None,
        });
    let (mut count, mut five_minutes_seen) = (0, false);
    for ttl in tools.chain(system).chain(messages) {
        count += 1;
        if ttl == Ttl::OneHour && five_minutes_seen {
            return Err(Failure::from_model(
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
            ));
        }
        five_minutes_seen |= ttl == Ttl::FiveMinutes;
    }
    if count > 0 && !prompt.model.supports.prompt_caching {
        return Err(Failure::new(
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. See the documentation \
             for more information.",
        ));
    }
    if count > MAX_CHECKPOINTS {
        return Err(Failure::from_model(format!(
            "A maximum of {MAX_CHECKPOINTS} blocks with cache_control may be provided. Found {count}."
        )));
    }
    Ok(())
}
