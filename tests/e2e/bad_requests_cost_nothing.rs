//! Requests that Bedrock or the model refuses are refused before anything is sent: every mistake at once, each
//! with its path. The emulator, which was written from AWS's documents alone, refuses them too.

mod conversations;
mod members;
mod parameters;
mod without_a_conversation;

use std::collections::BTreeSet;

use bedrock_inference_emulator::Emulator;
use bedrock_inference_proto::{FILE_DESCRIPTOR_SET, v1};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::stage::{CLAUDE, NOVA, Stage, reason, report};

const OPUS: &str = "anthropic.claude-opus-5-5";
const HAIKU: &str = "anthropic.claude-3-5-haiku-20241022-v1:0";
const NOVA_MICRO: &str = "amazon.nova-micro-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";

/// A request that is refused.
struct Bad {
    model: &'static str,
    request: Value,
    /// The paths and descriptions of its mistakes.
    mistakes: BTreeSet<(String, String)>,
    /// Whether the emulator knows the rule too.
    known_there: bool,
}

/// A conversation with these members; without `messages` it says hello.
fn bad(model: &'static str, mut request: Value) -> Bad {
    let members = request.as_object_mut().unwrap();
    members.entry("messages").or_insert_with(|| json!([user(json!([{"text": "hello"}]))]));
    Bad { model, request, mistakes: BTreeSet::new(), known_there: true }
}

/// A conversation of these messages.
fn said(model: &'static str, messages: Value) -> Bad {
    bad(model, json!({ "messages": messages }))
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: Value) -> Value {
    json!({"role": "assistant", "content": content})
}

/// A tool of this name.
fn tool(name: &str) -> Value {
    json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
}

impl Bad {
    /// One of its mistakes.
    fn at(mut self, path: &str, description: &str) -> Self {
        self.mistakes.insert((path.to_owned(), description.to_owned()));
        self
    }

    /// The emulator accepts it.
    fn unknown_there(self) -> Self {
        Self { known_there: false, ..self }
    }

    /// As a message of the API.
    fn message<M: prost::Message + Default>(&self, name: &str) -> M {
        let mut request = self.request.clone();
        if !self.model.is_empty() {
            request["modelId"] = json!(self.model);
        }
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let descriptor = pool.get_message_by_name(&format!("bedrock.inference.v1.{name}")).unwrap();
        DynamicMessage::deserialize(descriptor, request).unwrap().transcode_to().unwrap()
    }

    fn check(&self, rpc: &str, stage: &Stage, status: &Status) {
        let shown = || {
            format!(
                "{rpc} of {}: {}",
                self.model,
                self.request.to_string().chars().take(300).collect::<String>()
            )
        };
        assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", shown());
        assert_eq!(reason(status), "INVALID_REQUEST", "{}", shown());
        let details = status.get_error_details();
        let found = details.bad_request().unwrap().field_violations.iter();
        let found: Vec<_> = found.map(|one| (one.field.clone(), one.description.clone())).collect();
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(distinct, self.mistakes, "{}", shown());
        assert_eq!(distinct.len(), found.len(), "{}: {found:?}", shown());
        assert_eq!(report(status).attempts, Vec::new(), "{}", shown());
        assert_eq!(stage.emulator.calls().len(), 0, "{}", shown());
    }
}

/// What a whole request of each RPC is refused for.
async fn converse(stage: &Stage, bad: &Bad) {
    let status = stage.inference().converse(bad.message::<v1::ConverseRequest>("ConverseRequest")).await;
    bad.check("Converse", stage, &status.unwrap_err());
}

async fn converse_stream(stage: &Stage, bad: &Bad) {
    let request = bad.message::<v1::ConverseStreamRequest>("ConverseStreamRequest");
    bad.check("ConverseStream", stage, &stage.inference().converse_stream(request).await.unwrap_err());
}

fn conversations() -> Vec<Bad> {
    [conversations::all(), members::all(), parameters::all()].into_iter().flatten().collect()
}

#[tokio::test]
async fn conversations_are_refused_before_they_begin() {
    let stage = Stage::open().await;
    let all = conversations();
    assert!(all.len() >= 60, "only {} bad requests", all.len());
    for bad in &all {
        converse(&stage, bad).await;
        converse_stream(&stage, bad).await;
    }
    println!("{} conversations were refused", all.len());
}

#[tokio::test]
async fn the_route_makes_no_difference() {
    for route in ["ROUTE_NATIVE", "ROUTE_CONVERSE"] {
        let stage = Stage::open().await;
        for mut bad in conversations() {
            bad.request["options"] = json!({ "route": route });
            converse(&stage, &bad).await;
        }
    }
}

/// What only this service refuses is known to be refused by Bedrock from elsewhere, and is listed as such.
#[tokio::test]
async fn the_emulator_refuses_the_same() {
    let emulator = Emulator::start(bedrock_inference_emulator::Settings::default()).await.unwrap();
    let (mut known, mut unknown) = (0, Vec::new());
    for bad in conversations() {
        let profile = if bad.model.starts_with("anthropic.") { "us." } else { "" };
        let path = format!("/model/{profile}{}/converse", bad.model);
        let (status, message) = post(&emulator, &path, bad.request.to_string()).await;
        let paths: Vec<_> = bad.mistakes.iter().map(|(path, _)| path.clone()).collect();
        let refused = (400..500).contains(&status);
        assert!(!message.contains("on-demand"), "{path}: {message}");
        assert_eq!(refused, bad.known_there, "{path}: {paths:?}: {status} {message}");
        if refused {
            known += 1;
        } else {
            unknown.push((bad.model, paths));
        }
    }
    println!("the emulator refuses {known} as well, and does not know {}: {unknown:#?}", unknown.len());
}

async fn post(emulator: &Emulator, path: &str, body: String) -> (u16, String) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}{path}", emulator.url()))
        .header("content-type", "application/json")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test");
    let response = client.request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}
