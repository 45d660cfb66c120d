//! The tested list: what of a call Nova's native body takes, so that the answer is Converse's.

use bedrock_inference_proto::v1::{
    ContentBlock, ConverseStreamRequest, ImageBlock, SystemContentBlock, Tool, ToolResultBlock,
    content_block, image_source, system_content_block, tool, tool_result_content_block,
};

use crate::contract::{CONVERSE_ONLY, Capability, Model, Refusals};

/// The schema messages-v1 has no cache points that are blocks of their own.
const CACHE_POINT: &str = "cachePoint";

/// Notes everything that is not on the list. Blocks without a member are the codec's to refuse.
pub(super) fn check(model: &Model, request: &ConverseStreamRequest, refusals: &mut Refusals) {
    refusals.refuse_converse_only(request);
    refusals.refuse_if(request.output_config.is_some(), "outputConfig", CONVERSE_ONLY);
    let mut list = List { reasoning: model.can(Capability::Reasoning), refusals };
    for (index, block) in request.system.iter().enumerate() {
        list.system(&format!("system[{index}]"), block);
    }
    for (index, message) in request.messages.iter().enumerate() {
        for (at, block) in message.content.iter().enumerate() {
            list.block(&format!("messages[{index}].content[{at}]"), block);
        }
    }
    let tools = request.tool_config.iter().flat_map(|config| &config.tools);
    for (index, tool) in tools.enumerate() {
        list.tool(&format!("toolConfig.tools[{index}]"), tool);
    }
}

struct List<'r> {
    /// Whether the model reasons.
    reasoning: bool,
    refusals: &'r mut Refusals,
}

impl List<'_> {
    fn system(&mut self, path: &str, block: &SystemContentBlock) {
        match &block.kind {
            Some(system_content_block::Kind::Text(_)) | None => {}
            Some(system_content_block::Kind::CachePoint(_)) => self.refuse(path, CACHE_POINT),
            Some(system_content_block::Kind::GuardContent(_)) => self.refuse(path, "guardContent"),
        }
    }

    fn block(&mut self, path: &str, block: &ContentBlock) {
        use content_block::Kind;
        match &block.kind {
            Some(Kind::Text(_) | Kind::Video(_) | Kind::Unknown(_)) | None => {}
            Some(Kind::Image(image)) => self.image(path, image),
            Some(Kind::ToolUse(tool)) if tool.r#type.is_some() => self.refuse(path, "toolUse.type"),
            Some(Kind::ToolUse(_)) => {}
            Some(Kind::ToolResult(result)) => self.tool_result(path, result),
            Some(Kind::CachePoint(_)) => self.refuse(path, CACHE_POINT),
            Some(Kind::ReasoningContent(_)) if self.reasoning => {}
            Some(Kind::ReasoningContent(_)) => {
                let path = format!("{path}.reasoningContent");
                self.refusals.refuse(path, "is taken natively by reasoning models only");
            }
            Some(Kind::Document(_)) => self.refuse(path, "document"),
            Some(Kind::Audio(_)) => self.refuse(path, "audio"),
            Some(Kind::GuardContent(_)) => self.refuse(path, "guardContent"),
            Some(Kind::CitationsContent(_)) => self.refuse(path, "citationsContent"),
            Some(Kind::SearchResult(_)) => self.refuse(path, "searchResult"),
            Some(Kind::ToolAddition(_)) => self.refuse(path, "toolAddition"),
            Some(Kind::ToolRemoval(_)) => self.refuse(path, "toolRemoval"),
        }
    }

    /// Native images are bytes; only videos may lie in S3.
    fn image(&mut self, path: &str, image: &ImageBlock) {
        let source = image.source.as_ref().and_then(|source| source.kind.as_ref());
        if matches!(source, Some(image_source::Kind::S3Location(_))) {
            self.refuse(path, "image.source.s3Location");
        }
        if image.error.is_some() {
            self.refuse(path, "image.error");
        }
    }

    fn tool_result(&mut self, path: &str, result: &ToolResultBlock) {
        use tool_result_content_block::Kind;
        if result.r#type.is_some() {
            self.refuse(path, "toolResult.type");
        }
        for (index, part) in result.content.iter().enumerate() {
            let path = format!("{path}.toolResult.content[{index}]");
            match &part.kind {
                Some(Kind::Text(_) | Kind::Json(_)) | None => {}
                Some(Kind::Image(image)) => self.image(&path, image),
                Some(Kind::Document(_)) => self.refuse(&path, "document"),
                Some(Kind::Video(_)) => self.refuse(&path, "video"),
                Some(Kind::SearchResult(_)) => self.refuse(&path, "searchResult"),
            }
        }
    }

    fn tool(&mut self, path: &str, tool: &Tool) {
        match &tool.kind {
            Some(tool::Kind::ToolSpec(spec)) if spec.strict.is_some() => {
                self.refuse(path, "toolSpec.strict");
            }
            Some(tool::Kind::ToolSpec(_)) | None => {}
            Some(tool::Kind::SystemTool(_)) => self.refuse(path, "systemTool"),
            Some(tool::Kind::CachePoint(_)) => self.refuse(path, CACHE_POINT),
        }
    }

    fn refuse(&mut self, path: &str, member: &str) {
        self.refusals.refuse(format!("{path}.{member}"), CONVERSE_ONLY);
    }
}
