//! Every RPC that calls AWS, by each of its routes, asked alike.

use bedrock_inference_proto::v1::{
    ApplyGuardrailRequest, CallOptions, ConverseTokensRequest, CountTokensInput, CountTokensRequest,
    GuardrailContentBlock, GuardrailTextBlock, InvokeModelRequest, InvokeModelStreamRequest, Route,
    count_tokens_input, guardrail_content_block,
};
use serde_json::json;
use tonic::{Status, Streaming};

use crate::stage::{CLAUDE, Stage, ask, ask_stream, user};

/// The profile by which AWS sells the model in the emulator's region.
pub const PROFILE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

const QUESTION: &str = "Repeat after me: one two three four";

/// One RPC by one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    Converse(Route),
    ConverseStream(Route),
    InvokeModel,
    InvokeModelStream,
    CountTokens,
    ApplyGuardrail,
}

impl Rpc {
    pub const ALL: [Self; 8] = [
        Self::Converse(Route::Converse),
        Self::Converse(Route::Native),
        Self::ConverseStream(Route::Converse),
        Self::ConverseStream(Route::Native),
        Self::InvokeModel,
        Self::InvokeModelStream,
        Self::CountTokens,
        Self::ApplyGuardrail,
    ];

    pub const STREAMS: [Self; 3] =
        [Self::ConverseStream(Route::Converse), Self::ConverseStream(Route::Native), Self::InvokeModelStream];

    /// The id that the caller gives, and that AWS is called by.
    pub fn model(self) -> &'static str {
        match self {
            // AWS counts by the bare id only.
            Self::CountTokens => CLAUDE,
            Self::ApplyGuardrail => "",
            _ => PROFILE,
        }
    }
}

/// How a call ended.
pub struct Ended {
    /// Messages that came before the end.
    pub messages: u64,
    /// Whether headers came before the status.
    pub opened: bool,
    /// Why it failed; `None` where it went well.
    pub status: Option<Status>,
}

/// Asks once, with this fault in the way.
pub async fn ask_with(stage: &Stage, rpc: Rpc, fault: &str) -> Ended {
    stage.emulator.script(fault.parse().unwrap());
    let mut client = stage.inference();
    let options = |route: Route| Some(CallOptions { route: route.into(), ..CallOptions::default() });
    match rpc {
        Rpc::Converse(route) => {
            let mut request = ask(PROFILE, QUESTION);
            request.options = options(route);
            whole(client.converse(request).await)
        }
        Rpc::ConverseStream(route) => {
            let mut request = ask_stream(PROFILE, QUESTION);
            request.options = options(route);
            read(client.converse_stream(request).await).await
        }
        Rpc::InvokeModel => whole(client.invoke_model(native()).await),
        Rpc::InvokeModelStream => {
            let InvokeModelRequest { model_id, body, .. } = native();
            let request = InvokeModelStreamRequest { model_id, body, ..InvokeModelStreamRequest::default() };
            read(client.invoke_model_stream(request).await).await
        }
        Rpc::CountTokens => whole(client.count_tokens(count()).await),
        Rpc::ApplyGuardrail => whole(client.apply_guardrail(judge()).await),
    }
}

fn native() -> InvokeModelRequest {
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
                      "messages": [{"role": "user", "content": QUESTION}]});
    InvokeModelRequest {
        model_id: Some(PROFILE.to_owned()),
        body: Some(body.to_string().into()),
        ..InvokeModelRequest::default()
    }
}

fn count() -> CountTokensRequest {
    let conversation = ConverseTokensRequest { messages: vec![user(QUESTION)], ..Default::default() };
    CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }),
        ..CountTokensRequest::default()
    }
}

fn judge() -> ApplyGuardrailRequest {
    let text = GuardrailTextBlock { text: Some(QUESTION.to_owned()), qualifiers: Vec::new() };
    ApplyGuardrailRequest {
        guardrail_identifier: Some("demoguardrail1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        source: Some("INPUT".to_owned()),
        content: vec![GuardrailContentBlock { kind: Some(guardrail_content_block::Kind::Text(text)) }],
        ..ApplyGuardrailRequest::default()
    }
}

fn whole<M>(answer: Result<tonic::Response<M>, Status>) -> Ended {
    Ended { messages: 0, opened: false, status: answer.err() }
}

async fn read<M>(answer: Result<tonic::Response<Streaming<M>>, Status>) -> Ended {
    let mut stream = match answer {
        Ok(response) => response.into_inner(),
        Err(status) => return Ended { messages: 0, opened: false, status: Some(status) },
    };
    let mut messages = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return Ended { messages, opened: true, status: None },
            Err(status) => return Ended { messages, opened: true, status: Some(status) },
        }
    }
}
