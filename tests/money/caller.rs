//! A caller who calls everything in every way, by chance, and may leave at any moment.

use std::time::Duration;

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    ApplyGuardrailRequest, CachePointBlock, CallOptions, ContentBlock, ConverseRequest,
    ConverseStreamRequest, GuardrailContentBlock, GuardrailTextBlock, InferenceConfiguration,
    InvokeModelRequest, InvokeModelStreamRequest, Message, OnDisconnect, Route, ServiceTier, content_block,
    guardrail_content_block,
};
use fastrand::Rng;
use serde_json::json;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::stage::{CLAUDE, NOVA};

const HAIKU: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";
const NOVA_2: &str = "amazon.nova-2-lite-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";

/// The families that calls are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Claude,
    Nova,
    Titan,
}

/// How long a caller stays.
#[derive(Debug, Clone, Copy)]
enum Stay {
    ToTheEnd,
    /// For so many messages of a stream.
    Messages(usize),
    For(Duration),
}

/// Makes one call, and stays as long as chance has it. Its answer is read to its end all the same.
pub async fn call(client: InferenceClient<Channel>, rng: &mut Rng) {
    call_under(OnDisconnect::Drain, client, rng).await;
}

/// Makes one call, and stays as long as chance has it; this becomes of its answer afterwards.
pub async fn call_under(on_disconnect: OnDisconnect, mut client: InferenceClient<Channel>, rng: &mut Rng) {
    let (model, family) = model(rng);
    let stay = match rng.u32(0..10) {
        0 => Stay::For(Duration::from_micros(rng.u64(0..8_000))),
        1 | 2 => Stay::Messages(rng.usize(0..12)),
        _ => Stay::ToTheEnd,
    };
    let options = Some(options(rng, on_disconnect));
    match rng.u32(0..21) {
        0 => {
            let request = guardrail(rng);
            stayed(stay, client.apply_guardrail(request)).await;
        }
        1..=5 => {
            let request = InvokeModelRequest {
                model_id: Some(model),
                body: Some(body(rng, family).into()),
                options,
                ..InvokeModelRequest::default()
            };
            stayed(stay, client.invoke_model(request)).await;
        }
        6..=10 => {
            let request = InvokeModelStreamRequest {
                model_id: Some(model),
                body: Some(body(rng, family).into()),
                options,
                ..InvokeModelStreamRequest::default()
            };
            read(stay, client.invoke_model_stream(request)).await;
        }
        11..=15 => {
            let request = conversation(rng, model, family, options);
            stayed(stay, client.converse(request)).await;
        }
        _ => {
            let ConverseRequest { model_id, messages, inference_config, service_tier, options, .. } =
                conversation(rng, model, family, options);
            let request = ConverseStreamRequest {
                model_id,
                messages,
                inference_config,
                service_tier,
                options,
                ..ConverseStreamRequest::default()
            };
            read(stay, client.converse_stream(request)).await;
        }
    }
}

/// Waits for an answer, or leaves.
async fn stayed<T>(stay: Stay, answer: impl Future<Output = Result<T, Status>>) {
    // What becomes of it shows in the books.
    match stay {
        Stay::For(time) => drop(timeout(time, answer).await),
        _ => drop(answer.await),
    }
}

/// Reads a stream, or leaves.
async fn read<M>(stay: Stay, opened: impl Future<Output = Result<tonic::Response<Streaming<M>>, Status>>) {
    let most = if let Stay::Messages(most) = stay { most } else { usize::MAX };
    let reading = async {
        let Ok(response) = opened.await else { return };
        let mut stream = response.into_inner();
        for _ in 0..most {
            let Ok(Some(_)) = stream.message().await else { return };
        }
    };
    if let Stay::For(time) = stay {
        let _ = timeout(time, reading).await;
    } else {
        reading.await;
    }
}

fn model(rng: &mut Rng) -> (String, Family) {
    let claude =
        [CLAUDE.to_owned(), format!("us.{CLAUDE}"), format!("global.{CLAUDE}"), format!("us.{HAIKU}")];
    let nova = [
        NOVA.to_owned(),
        format!("us.{NOVA}"),
        "us.amazon.nova-pro-v1:0".to_owned(),
        "amazon.nova-micro-v1:0".to_owned(),
        format!("us.{NOVA_2}"),
        format!("global.{NOVA_2}"),
    ];
    match rng.u32(0..5) {
        0 => (TITAN.to_owned(), Family::Titan),
        1 | 2 => (rng.choice(nova).unwrap(), Family::Nova),
        _ => (rng.choice(claude).unwrap(), Family::Claude),
    }
}

fn options(rng: &mut Rng, on_disconnect: OnDisconnect) -> CallOptions {
    CallOptions {
        route: rng.choice([Route::Unspecified, Route::Native, Route::Converse]).unwrap().into(),
        on_disconnect: on_disconnect.into(),
        labels: [("team".to_owned(), rng.u32(0..5).to_string())].into(),
        ..CallOptions::default()
    }
}

fn words(rng: &mut Rng, most: usize) -> String {
    (0..rng.usize(1..most)).map(|_| ["river ", "stone ", "cloud ", "amber "][rng.usize(0..4)]).collect()
}

fn conversation(
    rng: &mut Rng,
    model: String,
    family: Family,
    options: Option<CallOptions>,
) -> ConverseRequest {
    let mut content = Vec::new();
    let text = |text: String| ContentBlock { kind: Some(content_block::Kind::Text(text)) };
    if family == Family::Claude && rng.bool() {
        // A few beginnings that come again, so that some of them are read from the prompt cache.
        let beginning = rng.u32(0..20);
        content.push(text(format!("Beginning {beginning}. ").repeat(600)));
        let ttl = [None, Some("1h".to_owned())][(beginning % 2) as usize].clone();
        let point = CachePointBlock { r#type: Some("default".to_owned()), ttl };
        content.push(ContentBlock { kind: Some(content_block::Kind::CachePoint(point)) });
    }
    content.push(text(words(rng, 300)));
    let tiers = match model.as_str() {
        "us.amazon.nova-pro-v1:0" => ["default", "priority", "flex"],
        "global.amazon.nova-2-lite-v1:0" => ["default", "priority", "priority"],
        _ => ["default"; 3],
    };
    let tier = rng.choice(tiers);
    ConverseRequest {
        model_id: Some(model),
        messages: vec![Message { role: Some("user".to_owned()), content }],
        inference_config: rng.bool().then(|| InferenceConfiguration {
            max_tokens: Some(rng.i32(1..400)),
            ..InferenceConfiguration::default()
        }),
        service_tier: tier
            .filter(|tier| *tier != "default")
            .map(|tier| ServiceTier { r#type: Some(tier.to_owned()) }),
        options,
        ..ConverseRequest::default()
    }
}

fn body(rng: &mut Rng, family: Family) -> String {
    let (text, most) = (words(rng, 300), rng.u32(1..400));
    let body = match family {
        Family::Claude => json!({
            "anthropic_version": "bedrock-2023-05-31", "max_tokens": most,
            "messages": [{"role": "user", "content": text}],
        }),
        Family::Nova => json!({
            "schemaVersion": "messages-v1", "inferenceConfig": {"maxTokens": most},
            "messages": [{"role": "user", "content": [{"text": text}]}],
        }),
        Family::Titan => json!({"inputText": text, "textGenerationConfig": {"maxTokenCount": most}}),
    };
    body.to_string()
}

fn guardrail(rng: &mut Rng) -> ApplyGuardrailRequest {
    let text = GuardrailTextBlock { text: Some(words(rng, 600)), qualifiers: Vec::new() };
    let block = GuardrailContentBlock { kind: Some(guardrail_content_block::Kind::Text(text)) };
    ApplyGuardrailRequest {
        guardrail_identifier: Some("demoguardrail1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        source: Some("INPUT".to_owned()),
        content: vec![block],
        ..ApplyGuardrailRequest::default()
    }
}
