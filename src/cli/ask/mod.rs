//! `ask`: one question to a model, its answer streamed to the terminal.

mod native;
mod service;

use std::path::{Path, PathBuf};

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    CallReport, ContentBlock, ContentBlockDelta, ConverseStreamRequest, ConverseStreamResponse, ImageBlock,
    ImageSource, Message, SystemContentBlock, content_block, content_block_delta, content_block_start,
    converse_stream_response::Event, image_source, reasoning_content_block_delta, system_content_block,
};

use super::{Failure, show};

pub(super) use service::Service;

/// Ask a model through a running service, and stream its answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    bedrock-inference ask amazon.nova-lite-v1:0 'What is gRPC?'\n  \
    bedrock-inference ask anthropic.claude-sonnet-4-5-20250929-v1:0 --system 'Be brief.' --image cat.png 'What is this?'\n  \
    bedrock-inference ask amazon.nova-lite-v1:0 --native body.json")]
pub(super) struct Ask {
    /// Model id, inference profile id, or ARN
    model: String,
    /// What to ask
    #[arg(required_unless_present = "native")]
    prompt: Option<String>,
    #[command(flatten)]
    service: Service,
    /// System prompt
    #[arg(long)]
    system: Option<String>,
    /// Image files (png, jpeg, gif, webp) to send along
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// File with a body in the model's own form, sent as it is; embeddings and images come back as one body
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "system", "image"])]
    native: Option<PathBuf>,
    /// Print each message as JSON
    #[arg(long)]
    json: bool,
}

impl Ask {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(body) = &self.native {
            return native::run(self.service.connect().await?, &self.model, body, self.json).await;
        }
        let request = self.request()?;
        let mut client = InferenceClient::new(self.service.connect().await?);
        let stream = client.converse_stream(request).await;
        let mut stream = stream.map_err(|status| Failure::run(show::status(&status)))?.into_inner();
        let mut report = None;
        while let Some(message) = stream.message().await.map_err(|status| {
            // What has been said of the answer ends as a line too.
            show::line("");
            Failure::run(show::status(&status))
        })? {
            if self.json {
                show::line(show::json("ConverseStreamResponse", &message, false).map_err(Failure::run)?);
            } else {
                report = print(message).or(report);
            }
        }
        if let Some(report) = report {
            // The answer alone stands on standard output, ended as a line.
            show::line("");
            show::note(format!("\n{}", show::report(&report)));
        }
        Ok(())
    }

    fn request(&self) -> Result<ConverseStreamRequest, Failure> {
        let images = self.image.iter().map(|path| image(path)).collect::<Result<Vec<_>, _>>()?;
        let text = content_block::Kind::Text(self.prompt.clone().unwrap_or_default());
        let content =
            images.into_iter().chain([text]).map(|kind| ContentBlock { kind: Some(kind) }).collect();
        let system = self.system.clone().map(system_content_block::Kind::Text);
        Ok(ConverseStreamRequest {
            model_id: Some(self.model.clone()),
            messages: vec![Message { role: Some("user".to_owned()), content }],
            system: system.map(|kind| SystemContentBlock { kind: Some(kind) }).into_iter().collect(),
            ..ConverseStreamRequest::default()
        })
    }
}

fn image(path: &Path) -> Result<content_block::Kind, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format = match extension.to_ascii_lowercase().as_str() {
        "png" => "png",
        "jpg" | "jpeg" => "jpeg",
        "gif" => "gif",
        "webp" => "webp",
        _ => return Err(Failure::usage(format!("{}: not a png, jpeg, gif or webp file", path.display()))),
    };
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(content_block::Kind::Image(ImageBlock {
        format: Some(format.to_owned()),
        source: Some(ImageSource { kind: Some(image_source::Kind::Bytes(bytes.into())) }),
        error: None,
    }))
}

/// Prints what a message adds to the answer; the last one brings the report.
pub(super) fn print(message: ConverseStreamResponse) -> Option<CallReport> {
    match message.event? {
        Event::ContentBlockStart(start) => {
            if let Some(content_block_start::Kind::ToolUse(tool)) = start.start.and_then(|start| start.kind) {
                let call = format!("\n[calls {}] ", tool.name.unwrap_or_default());
                show::piece(show::styled(call, show::Style::Cyan));
            }
        }
        Event::ContentBlockDelta(delta) => print_delta(delta.delta.unwrap_or_default()),
        Event::Call(report) => return Some(report),
        Event::MessageStart(_) | Event::ContentBlockStop(_) | Event::MessageStop(_) | Event::Metadata(_) => {}
    }
    None
}

fn print_delta(delta: ContentBlockDelta) {
    match delta.kind {
        Some(content_block_delta::Kind::Text(text)) => show::piece(text),
        Some(content_block_delta::Kind::ToolUse(part)) => {
            show::piece(show::styled(part.input.unwrap_or_default(), show::Style::Cyan));
        }
        Some(content_block_delta::Kind::ReasoningContent(part)) => {
            if let Some(reasoning_content_block_delta::Kind::Text(text)) = part.kind {
                show::piece(show::styled(text, show::Style::Dim));
            }
        }
        _ => {}
    }
}
