//! One call: what it asks, how it is read, and what its caller must find.

use std::time::Duration;

use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::invoke_model_stream_response::Event as NativeEvent;
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ConverseRequest, ConverseStreamRequest, InferenceConfiguration,
    InvokeModelRequest, InvokeModelStreamRequest, OnDisconnect, Route, SystemContentBlock, content_block,
    content_block_delta, converse_output, system_content_block,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;
use tonic::{Request, Status, Streaming};

use super::caller::Client;
use crate::stage::{CLAUDE, ask, ask_stream, reason, report, told};

/// Faults of the mix and of callers, as they are told. Anything else is a fault that nobody brought about.
const EXPECTED: [&str; 11] = [
    "CLIENT_DEADLINE",
    "CLIENT_TOO_SLOW",
    "UPSTREAM_CORRUPT",
    "UPSTREAM_FIRST_EVENT_TIMEOUT",
    "UPSTREAM_INTERNAL",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_STALLED",
    "UPSTREAM_STREAM_TRUNCATED",
    "UPSTREAM_THROTTLED",
    "UPSTREAM_TOTAL_TIMEOUT",
    "UPSTREAM_UNAVAILABLE",
];

#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Converse,
    ConverseStream,
    InvokeModel,
    InvokeModelStream,
}

/// One call as its caller wants it.
#[derive(Debug)]
pub struct Call {
    pub number: u64,
    pub shape: Shape,
    pub model: &'static str,
    pub route: Route,
    pub policy: OnDisconnect,
    /// What the emulator is to say back.
    pub text: String,
    pub system: Option<String>,
    pub deadline: Option<Duration>,
    /// Before each message of a stream.
    pub pauses: Vec<Duration>,
}

/// What the caller of one call has heard.
#[derive(Debug, Default)]
pub struct Heard {
    text: String,
    messages: usize,
    has_stopped: bool,
    reports: Vec<CallReport>,
    /// How long the caller itself took its time.
    pub paused: Duration,
    pub failed: Option<Status>,
}

impl Call {
    /// Makes the call and reads it to its end.
    pub async fn make(&self, client: &mut Client) -> Heard {
        let mut heard = Heard::default();
        let ended = match self.shape {
            Shape::Converse => self.converse(client, &mut heard).await,
            Shape::ConverseStream => self.converse_stream(client, &mut heard).await,
            Shape::InvokeModel => self.invoke(client, &mut heard).await,
            Shape::InvokeModelStream => self.invoke_stream(client, &mut heard).await,
        };
        heard.failed = ended.err();
        heard
    }

    async fn converse(&self, client: &mut Client, heard: &mut Heard) -> Result<(), Status> {
        let ask = ask(self.model, &self.prompt());
        let request =
            ConverseRequest { options: Some(self.options()), inference_config: Some(self.most()), ..ask };
        let answer = client.converse(self.timed(request)).await?.into_inner();
        let Some(converse_output::Kind::Message(message)) = answer.output.and_then(|output| output.kind)
        else {
            panic!("no message in an answer to call {}", self.number);
        };
        for block in message.content {
            match block.kind {
                Some(content_block::Kind::Text(text)) => heard.text.push_str(&text),
                other => panic!("{other:?} in an answer to call {}", self.number),
            }
        }
        heard.has_stopped = answer.stop_reason.is_some_and(|reason| !reason.is_empty());
        heard.reports.extend(answer.call);
        Ok(())
    }

    async fn converse_stream(&self, client: &mut Client, heard: &mut Heard) -> Result<(), Status> {
        let ask = ask_stream(self.model, &self.prompt());
        let request = ConverseStreamRequest {
            options: Some(self.options()),
            inference_config: Some(self.most()),
            system: self.system(),
            ..ask
        };
        let mut stream = client.converse_stream(self.timed(request)).await?.into_inner();
        while let Some(message) = self.next(&mut stream, heard).await? {
            match message.event.unwrap() {
                Event::ContentBlockDelta(delta) => match delta.delta.unwrap().kind {
                    Some(content_block_delta::Kind::Text(text)) => heard.text.push_str(&text),
                    other => panic!("{other:?} in an answer to call {}", self.number),
                },
                Event::MessageStop(_) => heard.has_stopped = true,
                Event::Call(report) => heard.reports.push(report),
                _ => {}
            }
        }
        Ok(())
    }

    async fn invoke(&self, client: &mut Client, heard: &mut Heard) -> Result<(), Status> {
        let request = InvokeModelRequest {
            model_id: Some(self.model.to_owned()),
            body: Some(self.body()),
            options: Some(self.options()),
            ..InvokeModelRequest::default()
        };
        let answer = client.invoke_model(self.timed(request)).await?.into_inner();
        let body: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
        heard.text = text_at(&body, &["/content/0/text", "/output/message/content/0/text"]).to_owned();
        heard.has_stopped = !text_at(&body, &["/stop_reason", "/stopReason"]).is_empty();
        heard.reports.extend(answer.call);
        Ok(())
    }

    async fn invoke_stream(&self, client: &mut Client, heard: &mut Heard) -> Result<(), Status> {
        let request = InvokeModelStreamRequest {
            model_id: Some(self.model.to_owned()),
            body: Some(self.body()),
            options: Some(self.options()),
            ..InvokeModelStreamRequest::default()
        };
        let mut stream = client.invoke_model_stream(self.timed(request)).await?.into_inner();
        while let Some(message) = self.next(&mut stream, heard).await? {
            match message.event.unwrap() {
                NativeEvent::Chunk(part) => {
                    let chunk: Value = serde_json::from_slice(&part.bytes.unwrap()).unwrap();
                    heard.text.push_str(text_at(&chunk, &["/delta/text", "/contentBlockDelta/delta/text"]));
                    let stops = chunk["type"] == "message_stop" || chunk.get("messageStop").is_some();
                    heard.has_stopped |= stops;
                }
                NativeEvent::Call(report) => heard.reports.push(report),
            }
        }
        Ok(())
    }

    /// The next message, behind the pause that its reader makes.
    async fn next<M>(&self, stream: &mut Streaming<M>, heard: &mut Heard) -> Result<Option<M>, Status> {
        if let Some(pause) = self.pauses.get(heard.messages) {
            heard.paused += *pause;
            sleep(*pause).await;
        }
        let message = stream.message().await?;
        heard.messages += usize::from(message.is_some());
        Ok(message)
    }

    fn timed<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        request
    }

    fn options(&self) -> CallOptions {
        // Native bodies have one route only.
        let route = match self.shape {
            Shape::Converse | Shape::ConverseStream => self.route,
            Shape::InvokeModel | Shape::InvokeModelStream => Route::Unspecified,
        };
        CallOptions { route: route.into(), on_disconnect: self.policy.into(), ..CallOptions::default() }
    }

    fn prompt(&self) -> String {
        format!("say: {}", self.text)
    }

    fn most_tokens(&self) -> i32 {
        if self.model == CLAUDE { 64_000 } else { 10_000 }
    }

    fn most(&self) -> InferenceConfiguration {
        InferenceConfiguration { max_tokens: Some(self.most_tokens()), ..InferenceConfiguration::default() }
    }

    fn system(&self) -> Vec<SystemContentBlock> {
        let block = |text| SystemContentBlock { kind: Some(system_content_block::Kind::Text(text)) };
        self.system.clone().map(block).into_iter().collect()
    }

    fn body(&self) -> Bytes {
        let mut body = if self.model == CLAUDE {
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": self.most_tokens(),
                   "messages": [{"role": "user", "content": self.prompt()}]})
        } else {
            json!({"schemaVersion": "messages-v1", "inferenceConfig": {"maxTokens": self.most_tokens()},
                   "messages": [{"role": "user", "content": [{"text": self.prompt()}]}]})
        };
        if let Some(system) = &self.system {
            body["system"] = json!([{"type": "text", "text": system}]);
            if self.model != CLAUDE {
                body["system"] = json!([{"text": system}]);
            }
        }
        body.to_string().into()
    }
}

impl Heard {
    /// Holds what was heard to what is promised; gives the report, and the reason of a failure.
    pub fn judge(mut self, call: &Call) -> (CallReport, Option<String>) {
        let number = call.number;
        let Some(status) = self.failed else {
            assert_eq!(self.reports.len(), 1, "call {number}: {:?}", self.reports);
            let report = self.reports.remove(0);
            assert!(
                self.text == call.text,
                "call {number}: {} bytes of {}",
                self.text.len(),
                call.text.len()
            );
            assert!(self.has_stopped, "call {number} ended OK without a stop");
            let tokens = report.tokens.as_ref();
            assert!(tokens.is_some_and(|tokens| tokens.output > 0), "call {number} ended OK without usage");
            let good = report.attempts.iter().filter(|attempt| attempt.outcome == "OK").count();
            let last = report.attempts.last().map(|attempt| attempt.outcome.as_str());
            assert_eq!((good, last), (1, Some("OK")), "call {number}: {:?}", report.attempts);
            return (report, None);
        };
        let reason = reason(&status);
        let name = reason.trim_end_matches("_MIDSTREAM");
        assert!(EXPECTED.contains(&name), "call {number}: {reason}: {}", status.message());
        assert!(self.reports.is_empty(), "call {number} has a report and failed: {reason}");
        assert!(call.text.starts_with(&self.text), "call {number}: {reason} behind what was never said");
        let partial = told(&status, "partial") == "true";
        assert!(partial || self.messages == 0, "call {number}: {reason} does not say that it is partial");
        (report(&status), Some(reason))
    }
}

fn text_at<'v>(value: &'v Value, paths: &[&str]) -> &'v str {
    paths.iter().find_map(|path| value.pointer(path)?.as_str()).unwrap_or_default()
}
