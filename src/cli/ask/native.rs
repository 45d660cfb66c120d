//! `ask --native`: a native body to a model, its answer's chunks one a line, or its one body.

use std::path::Path;

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::models_client::ModelsClient;
use bedrock_inference_proto::v1::{
    GetModelRequest, InvokeModelRequest, InvokeModelStreamRequest, InvokeModelStreamResponse,
    invoke_model_stream_response::Event,
};
use bytes::Bytes;
use tonic::Status;

use super::super::{Failure, show};
use super::service::Connection;

/// Prints the answer to the body in this file: streamed, where the model can.
pub(super) async fn run(channel: Connection, model: &str, body: &Path, json: bool) -> Result<(), Failure> {
    let body = std::fs::read(body).map_err(|error| Failure::usage(format!("{}: {error}", body.display())))?;
    // A picture is one body of several megabytes.
    let client = InferenceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    if streams(channel, model).await? {
        stream(client, model, body.into(), json).await
    } else {
        whole(client, model, body.into(), json).await
    }
}

/// Whether the model can stream; embeddings, rerank and image models cannot.
async fn streams(channel: Connection, model: &str) -> Result<bool, Failure> {
    let request = GetModelRequest { model_id: model.to_owned() };
    let found = ModelsClient::new(channel).get_model(request).await.map_err(failed)?.into_inner();
    Ok(found.model.and_then(|model| model.capabilities).is_some_and(|capabilities| capabilities.streaming))
}

async fn whole(
    mut client: InferenceClient<Connection>,
    model: &str,
    body: Bytes,
    json: bool,
) -> Result<(), Failure> {
    let request = InvokeModelRequest {
        model_id: Some(model.to_owned()),
        body: Some(body),
        ..InvokeModelRequest::default()
    };
    let response = client.invoke_model(request).await.map_err(failed)?.into_inner();
    if json {
        show::line(show::json("InvokeModelResponse", &response, false).map_err(Failure::run)?);
        return Ok(());
    }
    show::line(String::from_utf8_lossy(response.body.as_deref().unwrap_or_default()));
    if let Some(report) = &response.call {
        show::note(format!("\n{}", show::report(report)));
    }
    Ok(())
}

async fn stream(
    mut client: InferenceClient<Connection>,
    model: &str,
    body: Bytes,
    json: bool,
) -> Result<(), Failure> {
    let request = InvokeModelStreamRequest {
        model_id: Some(model.to_owned()),
        body: Some(body),
        ..InvokeModelStreamRequest::default()
    };
    let mut stream = client.invoke_model_stream(request).await.map_err(failed)?.into_inner();
    while let Some(message) = stream.message().await.map_err(failed)? {
        if json {
            show::line(show::json("InvokeModelStreamResponse", &message, false).map_err(Failure::run)?);
        } else {
            print(message);
        }
    }
    Ok(())
}

fn print(message: InvokeModelStreamResponse) {
    match message.event {
        Some(Event::Chunk(chunk)) => {
            show::line(String::from_utf8_lossy(chunk.bytes.as_deref().unwrap_or_default()));
        }
        Some(Event::Call(report)) => show::note(format!("\n{}", show::report(&report))),
        None => {}
    }
}

fn failed(status: Status) -> Failure {
    Failure::run(show::status(&status))
}
