//! No call uses more tokens than its bound, whatever the family and the route.

use std::path::Path;

use bedrock_inference::call::{Asked, Bound, Call, Report};
use bedrock_inference::catalog::{Catalog, Home};
use bedrock_inference::config::Settings;
use bedrock_inference::principal::{Authenticator, Peer};
use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ConverseRequest, InferenceConfiguration, InvokeModelRequest, Route,
};
use serde_json::json;

use crate::stage::{CLAUDE, NOVA, Stage};

fn home() -> Home {
    Home { region: "us-east-1".to_owned(), geography: None }
}

/// The bound of a request at what its model id stands for.
fn bound(request: impl Into<Asked>) -> Bound {
    let listener = "127.0.0.1:0".parse().unwrap();
    let authenticator = Authenticator::new(&Settings::default(), listener).unwrap();
    let principal = authenticator.authenticate(&mut http::HeaderMap::new(), &Peer::default()).unwrap();
    let report = Report::begin(tokio::time::Instant::now());
    let call = Call::new(principal, None, None, request.into(), report).unwrap();
    let target = Catalog::built_in().unwrap().resolve(&call.model_asked, &home()).unwrap();
    call.bound(&target)
}

fn holds(bound: Bound, report: &CallReport, what: &str) {
    let tokens = report.tokens.as_ref().unwrap_or_else(|| panic!("{what}: no tokens"));
    let input = tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
    assert!(input <= bound.input && bound.likely_input <= bound.input, "{what}: {tokens:?} {bound:?}");
    assert!(bound.output.is_none_or(|most| tokens.output <= most), "{what}: {tokens:?} {bound:?}");
}

/// Every request of the fixtures that the emulator answers, by both routes; and their native bodies as they stand.
#[tokio::test]
async fn what_the_emulator_counts_is_never_above_the_bound() {
    let stage = Stage::open().await;
    let (mut conversations, mut bodies) = (0, 0);
    for family in FAMILIES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/src");
        let folder = source.join(family.adapter.family()).join("fixtures");
        let Ok(folders) = std::fs::read_dir(folder) else { continue };
        for folder in folders.map(|entry| entry.unwrap().path()) {
            let what = folder.display().to_string();
            let Ok(text) = std::fs::read_to_string(folder.join("request.json")) else { continue };
            // The model's id is a part of AWS's URL, and no member of its JSON.
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let request: ConverseRequest = codec::read(text.as_bytes()).unwrap().value;
            let model_id = json["modelId"].as_str().map(str::to_owned);
            let request = ConverseRequest { model_id, ..request };
            for route in [Route::Converse, Route::Native] {
                let options = Some(CallOptions { route: route.into(), ..CallOptions::default() });
                let request = ConverseRequest { options, ..request.clone() };
                if let Ok(answer) = stage.inference().converse(request.clone()).await {
                    holds(bound(request), &answer.into_inner().call.unwrap(), &what);
                    conversations += 1;
                }
            }
            let Ok(wire) = std::fs::read(folder.join("wire.json")) else { continue };
            let request = InvokeModelRequest {
                model_id: request.model_id,
                body: Some(wire.into()),
                ..InvokeModelRequest::default()
            };
            if let Ok(answer) = stage.inference().invoke_model(request.clone()).await {
                holds(bound_native(request), &answer.into_inner().call.unwrap(), &what);
                bodies += 1;
            }
        }
    }
    assert!(conversations > 60 && bodies > 30, "only {conversations} conversations and {bodies} bodies");
}

fn bound_native(request: InvokeModelRequest) -> Bound {
    use bedrock_inference::call::{InvokeCall, Request};
    use bedrock_inference_adapters::contract::{InvokeHeaders, Mode};
    let body = request.body.unwrap_or_default().into();
    let native = InvokeCall { body, headers: InvokeHeaders::default(), mode: Mode::Unary };
    bound(Asked { model_id: request.model_id, options: None, request: Ok(Request::Invoke(Box::new(native))) })
}

/// What each family calls the most tokens of an answer; what says it twice or cannot be read says nothing.
#[test]
fn the_answer_is_bound_by_each_familys_own_word() {
    let native = |model: &str, body: &str| {
        let body = Some(body.as_bytes().to_vec().into());
        bound_native(InvokeModelRequest {
            model_id: Some(model.to_owned()),
            body,
            ..InvokeModelRequest::default()
        })
        .output
    };
    let (titan, llama) = ("amazon.titan-text-express-v1", "meta.llama3-8b-instruct-v1:0");
    for (model, body) in [
        (CLAUDE, json!({"max_tokens": 9})),
        (NOVA, json!({"inferenceConfig": {"maxTokens": 9}})),
        (titan, json!({"textGenerationConfig": {"maxTokenCount": 9}})),
        (llama, json!({"max_gen_len": 9})),
        ("openai.gpt-oss-20b-1:0", json!({"max_tokens": 2, "max_completion_tokens": 3, "n": 3})),
    ] {
        assert_eq!(native(model, &body.to_string()), Some(9), "{model}");
    }
    let longest = native(CLAUDE, "{}");
    assert_eq!(longest, Some(64_000));
    for body in [
        r#"{"max_tokens": 9, "max_tokens": 10}"#,
        r#"{"max_tokens": 9, "max_toke\u006es": 10}"#,
        r#"{"max_tokens": "9"}"#,
        r#"{"max_tokens": 9.5}"#,
        r#"{"max_tokens": -9}"#,
        "nothing",
    ] {
        assert_eq!(native(CLAUDE, body), longest, "{body}");
    }
    let config = Some(InferenceConfiguration { max_tokens: Some(9), ..InferenceConfiguration::default() });
    let model_id = Some(NOVA.to_owned());
    let asked = ConverseRequest { model_id, inference_config: config, ..ConverseRequest::default() };
    assert_eq!(bound(asked).output, Some(9));
}
