//! The service under watch: every call is heard, and every line is read.

use std::time::Duration;

use bedrock_inference::app;
use bedrock_inference_emulator::{Emulator, Fault, Settings};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{self, Route};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use super::canary::Canary;
use super::material::Events;
use crate::stage::{NOVA, ask};
use crate::the_command_line_works::process::{Running, program};

/// The program, the Bedrock that it calls, and what was heard of it.
pub(super) struct Watch {
    pub(super) canary: Canary,
    pub(super) emulator: Emulator,
    pub(super) channel: Channel,
    service: Running,
    pool: DescriptorPool,
    answered: usize,
    refused: Vec<Code>,
}

/// Whether an answer was scripted, and how many calls the emulator had seen then.
struct Scripted {
    started: u64,
    fault: bool,
}

impl Watch {
    pub(super) async fn begin(format: &str) -> Self {
        let canary = Canary::hatch();
        let emulator = Emulator::start(Settings::default()).await.unwrap();
        let service = Running::start(
            program(&["serve", "--listen", "127.0.0.1:0"])
                .env("BEDROCK_INFERENCE_LOG__FORMAT", format)
                .env("BEDROCK_INFERENCE_LOG__FILTER", "trace")
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "emulator")
                // Nobody is to read the keys either.
                .env("AWS_SECRET_ACCESS_KEY", &canary.name)
                .env("AWS_SESSION_TOKEN", &canary.name)
                .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator.url()),
        );
        let channel = app::wait_until_ready(service.addr, Duration::from_secs(20)).await.unwrap();
        let pool = DescriptorPool::decode(bedrock_inference_proto::FILE_DESCRIPTOR_SET).unwrap();
        Self { canary, emulator, channel, service, pool, answered: 0, refused: Vec::new() }
    }

    pub(super) fn client(&self) -> InferenceClient<Channel> {
        InferenceClient::new(self.channel.clone())
    }

    /// Options with labels, which insist on this route.
    pub(super) fn options(&self, route: Route) -> v1::CallOptions {
        let labels = [(self.canary.name.clone(), self.canary.value.clone())].into();
        v1::CallOptions { route: route.into(), labels, ..v1::CallOptions::default() }
    }

    /// A request with canaries in its metadata, where callers' credentials stand.
    pub(super) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let token = format!("Bearer {}", self.canary.value);
        request.metadata_mut().insert("authorization", token.parse().unwrap());
        request.metadata_mut().insert("x-anything", self.canary.value.parse().unwrap());
        request
    }

    /// Calls Converse with a request in proto3 JSON, and has Bedrock answer with this reply, if any.
    pub(super) async fn converse(&mut self, json: &Value, route: Route, reply: Option<&Value>) {
        let request: Option<v1::ConverseRequest> = self.message("ConverseRequest", json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(route));
        let scripted = self.script(reply.cloned().map(Fault::Reply));
        let response = self.client().converse(self.request(request)).await;
        self.hear_whole(response);
        self.settle(scripted).await;
    }

    /// The same for ConverseStream, and with these events.
    pub(super) async fn converse_stream(&mut self, json: &Value, route: Route, events: &[(String, Value)]) {
        let request: Option<v1::ConverseStreamRequest> = self.message("ConverseStreamRequest", json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(route));
        let scripted = self.script(scripted_events(events));
        let response = self.client().converse_stream(self.request(request)).await;
        self.hear_stream(response).await;
        self.settle(scripted).await;
    }

    /// The same for InvokeModel.
    pub(super) async fn invoke(&mut self, json: &Value, reply: Option<&Value>) {
        let request: Option<v1::InvokeModelRequest> = self.message("InvokeModelRequest", json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(Route::Unspecified));
        let metadata = json!({&self.canary.name: self.canary.value}).to_string();
        request.request_metadata.get_or_insert(metadata);
        let scripted = self.script(reply.cloned().map(Fault::Reply));
        let response = self.client().invoke_model(self.request(request)).await;
        self.hear_whole(response);
        self.settle(scripted).await;
    }

    /// The same for InvokeModelStream.
    pub(super) async fn invoke_stream(&mut self, json: &Value, chunks: &[(String, Value)]) {
        let request: Option<v1::InvokeModelStreamRequest> = self.message("InvokeModelStreamRequest", json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(Route::Unspecified));
        let scripted = self.script(scripted_events(chunks));
        let response = self.client().invoke_model_stream(self.request(request)).await;
        self.hear_stream(response).await;
        self.settle(scripted).await;
    }

    /// The same for ApplyGuardrail.
    pub(super) async fn guardrail(&mut self, json: &Value, reply: Option<&Value>) {
        let request: Option<v1::ApplyGuardrailRequest> = self.message("ApplyGuardrailRequest", json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(Route::Unspecified));
        let scripted = self.script(reply.cloned().map(Fault::Reply));
        let response = self.client().apply_guardrail(self.request(request)).await;
        self.hear_whole(response);
        self.settle(scripted).await;
    }

    /// The same for CountTokens.
    pub(super) async fn count(&mut self, input: &Value, reply: Option<&Value>) {
        let json = json!({"modelId": crate::stage::CLAUDE, "input": input, "split": reply.is_none()});
        let request: Option<v1::CountTokensRequest> = self.message("CountTokensRequest", &json);
        let Some(mut request) = request else { return };
        request.options = Some(self.options(Route::Unspecified));
        let scripted = self.script(reply.cloned().map(Fault::Reply));
        let response = self.client().count_tokens(self.request(request)).await;
        self.hear_whole(response);
        self.settle(scripted).await;
    }

    /// The message that is written like this in proto3 JSON; `None` where there is none.
    fn message<M: Message + Default>(&self, name: &str, json: &Value) -> Option<M> {
        let descriptor = self.pool.get_message_by_name(&format!("bedrock.inference.v1.{name}")).unwrap();
        DynamicMessage::deserialize(descriptor, json).ok()?.transcode_to().ok()
    }

    fn script(&self, fault: Option<Fault>) -> Scripted {
        let scripted = Scripted { started: self.emulator.counts().started, fault: fault.is_some() };
        fault.into_iter().for_each(|fault| self.emulator.script(fault));
        scripted
    }

    /// A call that was refused before it went upstream leaves its answer to the next one: to this here.
    async fn settle(&mut self, scripted: Scripted) {
        if scripted.fault && self.emulator.counts().started == scripted.started {
            let response = self.client().converse(ask(NOVA, "hi")).await;
            self.hear_whole(response);
        }
    }

    #[track_caller]
    fn hear<T>(&mut self, result: Result<T, Status>) -> Option<T> {
        let status = match result {
            Ok(message) => return Some(message),
            Err(status) => status,
        };
        if let Some(place) = self.canary.in_status(&status) {
            panic!("a canary in the {place} of {status:?}");
        }
        self.refused.push(status.code());
        None
    }

    #[track_caller]
    pub(super) fn hear_whole<M>(&mut self, result: Result<Response<M>, Status>) -> Option<M> {
        let response = self.hear(result)?;
        self.answered += 1;
        Some(response.into_inner())
    }

    async fn hear_stream<M>(&mut self, result: Result<Response<Streaming<M>>, Status>) {
        let Some(response) = self.hear(result) else { return };
        let mut stream = response.into_inner();
        while let Some(message) = self.hear(stream.message().await) {
            if message.is_none() {
                self.answered += 1;
                return;
            }
        }
    }

    /// Has the service end, reads all that it wrote, and asserts that calls ended with each of these codes.
    pub(super) fn end(self, codes: &[Code]) {
        let Self { canary, service, answered, refused, .. } = self;
        let (code, told) = service.stop_and_tell("TERM");
        assert_eq!(code, Some(0));
        for line in &told {
            if let Some(sign) = canary.in_line(line) {
                panic!("a canary ({sign}) in {line}");
            }
        }
        let lowest = |line: &&String| line.contains("TRACE") && line.contains("logging starts");
        assert!(told.iter().any(|line| lowest(&line)), "not everything was logged");
        let ended = told.iter().filter(|line| line.contains("call ended")).count();
        println!("{} lines of {ended} calls: {answered} answered, {} refused", told.len(), refused.len());
        assert!(ended > 150 && ended + 1 >= answered + refused.len(), "only {ended} calls were logged");
        assert!(answered > 50, "only {answered} calls were answered");
        for code in codes {
            assert!(refused.contains(code), "nothing was {code:?}");
        }
    }
}

fn scripted_events(events: &[(String, Value)]) -> Option<Fault> {
    (!events.is_empty()).then(|| Fault::Events(Events::from(events)))
}
