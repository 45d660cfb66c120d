//! Cache points: where they may stand, how many, and in which order of their lifetimes.

use std::fmt;

use bedrock_inference_proto::v1::{CachePointBlock, content_block, system_content_block, tool};

use super::conversation::{Block, Conversation};
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

/// The most cache points of one request.
const MOST_POINTS: usize = 4;

pub(super) fn check(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    if !model.may(Capability::PromptCaching) {
        for (place, _) in points(conversation) {
            findings.of_model(place, "is set; the model has no prompt cache");
        }
        return;
    }
    if let Some((place, _)) = points(conversation).nth(MOST_POINTS) {
        let found = points(conversation).count();
        let description =
            format_args!("is one of {found} cache points; the model takes at most {MOST_POINTS}");
        findings.of_model(place, description);
    }
    check_places(model, conversation, findings);
    let mut short_seen = false;
    for (place, point) in points(conversation) {
        let short = matches!(point.ttl.as_deref(), None | Some("5m"));
        if short_seen && point.ttl.as_deref() == Some("1h") {
            let path = format_args!("{place}.ttl");
            findings.of_model(path, "is 1h behind a cache point of 5m; the longer ones must come first");
        }
        short_seen |= short;
    }
}

/// Where a cache point stands.
#[derive(Clone, Copy)]
enum Place<'r> {
    Tools(usize),
    System(usize),
    Message(Block<'r>),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tools(at) => write!(f, "toolConfig.tools[{at}].cachePoint"),
            Self::System(at) => write!(f, "system[{at}].cachePoint"),
            Self::Message(block) => block.fmt(f),
        }
    }
}

/// Every cache point with its place, in the order in which the prompt is put together.
fn points<'r>(conversation: &Conversation<'r>) -> impl Iterator<Item = (Place<'r>, &'r CachePointBlock)> {
    let tools = conversation.tool_config.map(|config| config.tools.as_slice()).unwrap_or_default();
    let tools = tools.iter().enumerate().filter_map(|(at, tool)| match &tool.kind {
        Some(tool::Kind::CachePoint(point)) => Some((Place::Tools(at), point)),
        _ => None,
    });
    let system = conversation.system.iter().enumerate().filter_map(|(at, block)| match &block.kind {
        Some(system_content_block::Kind::CachePoint(point)) => Some((Place::System(at), point)),
        _ => None,
    });
    let messages = conversation.blocks().filter_map(|block| match block.kind {
        content_block::Kind::CachePoint(point) => Some((Place::Message(block), point)),
        _ => None,
    });
    tools.chain(system).chain(messages)
}

/// What comes first in a message is established of the models of two providers.
fn check_places(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    let needs_content = model.is_of(&["anthropic", "amazon"]);
    for (place, _) in points(conversation) {
        match place {
            Place::Tools(_) if model.refuses(Refused::ToolCachePoints) => {
                findings.of_model(place, "is set; the model caches system and messages only");
            }
            Place::Message(Block { index: 0, .. }) if needs_content => {
                findings.of_model(place, "stands first in its message; there is nothing to cache");
            }
            _ => {}
        }
    }
}
