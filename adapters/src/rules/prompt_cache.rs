//! Cache points: where they may stand, how many, and in which order of their lifetimes.

use bedrock_inference_proto::v1::{CachePointBlock, content_block, system_content_block, tool};

use super::conversation::Conversation;
use super::findings::Findings;
use crate::contract::{Capability, Model, Refused};

/// The most cache points of one request.
const MOST_POINTS: usize = 4;

pub(super) fn check(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    let points = points(conversation);
    if !model.may(Capability::PromptCaching) {
        for (path, _) in points {
            findings.of_model(path, "is set; the model has no prompt cache");
        }
        return;
    }
    let found = points.len();
    if let Some((path, _)) = points.get(MOST_POINTS) {
        let description = format!("is one of {found} cache points; the model takes at most {MOST_POINTS}");
        findings.of_model(path, description);
    }
    check_places(model, conversation, findings);
    let mut short_seen = false;
    for (path, point) in points {
        let short = matches!(point.ttl.as_deref(), None | Some("5m"));
        if short_seen && point.ttl.as_deref() == Some("1h") {
            let path = format!("{path}.ttl");
            findings.of_model(path, "is 1h behind a cache point of 5m; the longer ones must come first");
        }
        short_seen |= short;
    }
}

/// Every cache point with its place, in the order in which the prompt is put together.
fn points<'r>(conversation: &Conversation<'r>) -> Vec<(String, &'r CachePointBlock)> {
    let mut points = Vec::new();
    let tools = conversation.tool_config.map(|config| config.tools.as_slice()).unwrap_or_default();
    for (at, tool) in tools.iter().enumerate() {
        if let Some(tool::Kind::CachePoint(point)) = &tool.kind {
            points.push((format!("toolConfig.tools[{at}].cachePoint"), point));
        }
    }
    for (at, block) in conversation.system.iter().enumerate() {
        if let Some(system_content_block::Kind::CachePoint(point)) = &block.kind {
            points.push((format!("system[{at}].cachePoint"), point));
        }
    }
    for block in conversation.blocks() {
        if let content_block::Kind::CachePoint(point) = block.kind {
            points.push((block.path(), point));
        }
    }
    points
}

fn check_places(model: &Model, conversation: &Conversation<'_>, findings: &mut Findings) {
    for block in conversation.blocks() {
        if block.index == 0 && matches!(block.kind, content_block::Kind::CachePoint(_)) {
            findings.of_service(block.path(), "stands first in its message; there is nothing to cache");
        }
    }
    let tools = conversation.tool_config.map(|config| config.tools.as_slice()).unwrap_or_default();
    for (at, tool) in tools.iter().enumerate() {
        if matches!(tool.kind, Some(tool::Kind::CachePoint(_))) && model.refuses(Refused::ToolCachePoints) {
            let path = format!("toolConfig.tools[{at}].cachePoint");
            findings.of_model(path, "is set; the model caches system and messages only");
        }
    }
}
