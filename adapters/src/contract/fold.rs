//! Folding: the events of a reply to one whole reply.

mod block;

use std::collections::BTreeMap;

use bedrock_inference_proto::v1::{
    ContentBlock, ConverseMetrics, ConverseOutput, ConverseResponse, ConverseTrace, Message, Warning,
    WarningKind, converse_output,
};

use super::Event;
use block::BlockFold;

/// Collects the events of a reply. What streamed as pieces comes out as whole blocks.
#[derive(Default)]
pub struct Fold {
    reply: ConverseResponse,
    role: Option<String>,
    blocks: BTreeMap<i32, BlockFold>,
    warnings: Vec<Warning>,
}

impl Fold {
    /// Takes the next event.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::MessageStart(start) => self.role = start.role,
            Event::ContentBlockStart(start) => {
                let block = self.block(start.content_block_index);
                block.start(start.start.and_then(|start| start.kind));
            }
            Event::ContentBlockDelta(delta) => {
                let block = self.block(delta.content_block_index);
                block.add(delta.delta.unwrap_or_default());
            }
            Event::ContentBlockStop(_) | Event::Head(_) | Event::Raw(_) => {}
            Event::Block { index, block } => self.block(Some(index)).set(*block),
            Event::MessageStop(stop) => {
                self.reply.stop_reason = stop.stop_reason;
                self.reply.additional_model_response_fields = stop.additional_model_response_fields;
                self.reply.additional_model_response_fields_text = stop.additional_model_response_fields_text;
            }
            Event::Metadata(metadata) => {
                self.reply.usage = metadata.usage;
                self.reply.metrics =
                    metadata.metrics.map(|metrics| ConverseMetrics { latency_ms: metrics.latency_ms });
                self.reply.trace = metadata.trace.map(|trace| ConverseTrace {
                    guardrail: trace.guardrail,
                    prompt_router: trace.prompt_router,
                });
                self.reply.performance_config = metadata.performance_config;
                self.reply.service_tier = metadata.service_tier;
            }
            Event::Warning(warning) => self.warnings.push(warning),
        }
    }

    /// The whole reply, without its call report, and the warnings that came with it.
    #[must_use]
    pub fn finish(self) -> (ConverseResponse, Vec<Warning>) {
        let Self { mut reply, role, blocks, mut warnings } = self;
        let mut content = Vec::with_capacity(blocks.len());
        for (position, block) in blocks.into_values().enumerate() {
            let (block, malformed) = block.finish();
            content.push(block);
            if malformed {
                warnings.push(Warning {
                    kind: WarningKind::MalformedToolInput.into(),
                    path: format!("output.message.content[{position}].toolUse.input"),
                    message: "the model's tool input is not JSON; input_text holds it as it came".to_owned(),
                });
            }
        }
        let message = Message { role, content };
        reply.output = Some(ConverseOutput { kind: Some(converse_output::Kind::Message(message)) });
        (reply, warnings)
    }

    fn block(&mut self, index: Option<i32>) -> &mut BlockFold {
        self.blocks.entry(index.unwrap_or_default()).or_default()
    }
}

/// The block that these events of one block make; `None` without any.
pub(super) fn fold_block(events: &[Event]) -> Option<ContentBlock> {
    let mut block = BlockFold::default();
    for event in events {
        match event {
            Event::ContentBlockStart(start) => {
                block.start(start.start.clone().and_then(|start| start.kind));
            }
            Event::ContentBlockDelta(delta) => block.add(delta.delta.clone().unwrap_or_default()),
            _ => {}
        }
    }
    (!events.is_empty()).then(|| block.finish().0)
}
