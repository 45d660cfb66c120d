//! A native body reaches the model as it is, and the answer comes back as it is, metered on the way.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    InvokeModelRequest, InvokeModelStreamRequest, Route, invoke_model_stream_response::Event,
};
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Value, json};
use tonic::Code;

use crate::stage::{CLAUDE, NOVA, Stage, failure, reason, report};

const TITAN: &str = "amazon.titan-text-express-v1";

fn bodies() -> [(&'static str, Value); 3] {
    [
        (
            CLAUDE,
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
                   "messages": [{"role": "user", "content": "Write a haiku about rivers."}]}),
        ),
        (
            NOVA,
            json!({"schemaVersion": "messages-v1", "inferenceConfig": {"maxTokens": 100},
                   "messages": [{"role": "user", "content": [{"text": "Write a haiku about rivers."}]}]}),
        ),
        (
            TITAN,
            json!({"inputText": "Write a haiku about rivers.", "textGenerationConfig": {"maxTokenCount": 100}}),
        ),
    ]
}

fn unary(model: &str, body: impl Into<Vec<u8>>) -> InvokeModelRequest {
    InvokeModelRequest {
        model_id: Some(model.to_owned()),
        body: Some(body.into().into()),
        ..InvokeModelRequest::default()
    }
}

fn structure(json: &Value) -> Struct {
    match document_from_json(&json.to_string()).unwrap().0.unwrap().kind {
        Some(Kind::StructValue(structure)) => structure,
        other => panic!("{other:?}"),
    }
}

fn tokens(json: &Value, paths: &[&str]) -> i64 {
    paths.iter().find_map(|path| json.pointer(path)?.as_i64()).unwrap()
}

#[tokio::test]
async fn bytes_go_in_and_bytes_come_out_with_usage_metered() {
    let stage = Stage::open().await;
    for (model, body) in bodies() {
        // Spaces and key order are the caller's own.
        let body = serde_json::to_string_pretty(&body).unwrap();
        let response = stage.inference().invoke_model(unary(model, body.clone())).await.unwrap().into_inner();
        assert_eq!(stage.emulator.calls().last().unwrap().body, body.as_bytes(), "{model}");
        assert_eq!(response.content_type.as_deref(), Some("application/json"), "{model}");
        assert!(response.json_body.is_none(), "{model}");
        let answer: Value = serde_json::from_slice(&response.body.unwrap()).unwrap();
        let call = response.call.unwrap();
        assert_eq!(call.route(), Route::Native, "{model}");
        let counted = call.tokens.unwrap();
        let input = ["/usage/input_tokens", "/usage/inputTokens", "/inputTextTokenCount"];
        let output = ["/usage/output_tokens", "/usage/outputTokens", "/results/0/tokenCount"];
        assert_eq!(counted.input, tokens(&answer, &input), "{model}");
        assert_eq!(counted.output, tokens(&answer, &output), "{model}");
        assert!(counted.output > 0, "{model}");
    }
}

/// The emulator does not speak this body; what Bedrock would answer is scripted.
#[tokio::test]
async fn a_family_without_an_adapter_is_metered_too() {
    let stage = Stage::open().await;
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    let reply = json!({"choices": [{"message": {"content": "Hello"}}], "usage": usage});
    stage.emulator.script(json!({ "reply": reply }).to_string().parse().unwrap());
    let body = json!({"messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let call = unary("openai.gpt-oss-120b-1:0", body.clone());
    let response = stage.inference().invoke_model(call).await.unwrap().into_inner();
    assert_eq!(serde_json::from_slice::<Value>(&response.body.unwrap()).unwrap(), reply);
    let tokens = response.call.unwrap().tokens.unwrap();
    assert_eq!((tokens.input, tokens.output), (7, 3));
    let status = stage.inference().invoke_model(unary("openai.gpt-5.6-sol", body)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert!(status.message().contains("use Converse"), "{}", status.message());
}

#[tokio::test]
async fn json_is_answered_as_json() {
    let stage = Stage::open().await;
    for (model, body) in bodies() {
        let request = InvokeModelRequest {
            model_id: Some(model.to_owned()),
            json_body: Some(structure(&body)),
            ..InvokeModelRequest::default()
        };
        let response = stage.inference().invoke_model(request).await.unwrap().into_inner();
        let sent: Value = serde_json::from_slice(&stage.emulator.calls().last().unwrap().body).unwrap();
        assert_eq!(sent, body, "{model}");
        assert!(response.body.is_none() && !response.json_body.unwrap().fields.is_empty(), "{model}");
    }
}

#[tokio::test]
async fn a_stream_of_chunks_ends_with_its_report() {
    let stage = Stage::open().await;
    for (model, body) in bodies() {
        let request = InvokeModelStreamRequest {
            model_id: Some(model.to_owned()),
            body: Some(body.to_string().into()),
            ..InvokeModelStreamRequest::default()
        };
        let response = stage.inference().invoke_model_stream(request).await.unwrap();
        let media_type = response.metadata().get("x-amzn-bedrock-content-type").unwrap();
        assert_eq!(media_type, "application/json", "{model}");
        let mut stream = response.into_inner();
        let (mut chunks, mut reports) = (Vec::new(), Vec::new());
        while let Some(message) = stream.message().await.unwrap() {
            match message.event.unwrap() {
                Event::Chunk(chunk) => {
                    assert!(reports.is_empty(), "{model}: a chunk behind the report");
                    chunks.push(serde_json::from_slice::<Value>(&chunk.bytes.unwrap()).unwrap());
                }
                Event::Call(report) => reports.push(report),
            }
        }
        assert!(chunks.len() > 2, "{model}");
        let metrics = &chunks.last().unwrap()["amazon-bedrock-invocationMetrics"];
        let [report] = reports.as_slice() else { panic!("{model}: {} reports", reports.len()) };
        let tokens = report.tokens.as_ref().unwrap();
        assert_eq!(Some(tokens.input), metrics["inputTokenCount"].as_i64(), "{model}");
        assert_eq!(Some(tokens.output), metrics["outputTokenCount"].as_i64(), "{model}");
    }
}

#[tokio::test]
async fn a_native_stream_without_its_end_is_aborted() {
    let stage = Stage::open().await;
    for (model, body) in bodies() {
        for (fault, code, expected) in [
            ("cut@2", Code::Aborted, "UPSTREAM_STREAM_TRUNCATED"),
            ("reset@2", Code::Aborted, "UPSTREAM_STREAM_TRUNCATED"),
            ("ModelTimeoutException@2", Code::Aborted, "UPSTREAM_MODEL_TIMEOUT_MIDSTREAM"),
            ("bad-crc@2", Code::DataLoss, "UPSTREAM_CORRUPT"),
            ("ThrottlingException", Code::ResourceExhausted, "UPSTREAM_THROTTLED"),
        ] {
            stage.emulator.script(fault.parse().unwrap());
            let request = InvokeModelStreamRequest {
                model_id: Some(model.to_owned()),
                body: Some(body.to_string().into()),
                ..InvokeModelStreamRequest::default()
            };
            let status = match stage.inference().invoke_model_stream(request).await {
                Err(status) => status,
                Ok(stream) => failure(stream, &format!("{model} {fault}")).await,
            };
            assert_eq!((status.code(), reason(&status)), (code, expected.to_owned()), "{model} {fault}");
            assert_eq!(report(&status).attempts.len(), 1, "{model} {fault}");
        }
    }
}

/// U9, U11: half of a body, or a page of HTML.
#[tokio::test]
async fn a_whole_body_that_is_no_json_is_a_status() {
    let stage = Stage::open().await;
    for (model, body) in bodies() {
        for fault in ["cut@1", "cut-byte@0", "cut-byte@40", "garbage"] {
            stage.emulator.script(fault.parse().unwrap());
            let status = stage.inference().invoke_model(unary(model, body.to_string())).await.unwrap_err();
            let found = (status.code(), reason(&status));
            assert_eq!(found, (Code::Internal, "UPSTREAM_PROTOCOL".to_owned()), "{model} {fault}");
            assert_eq!(report(&status).attempts.len(), 1, "{model} {fault}");
        }
    }
}

#[tokio::test]
async fn a_guardrail_intervention_is_an_answer() {
    let stage = Stage::open().await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
                      "messages": [{"role": "user", "content": "Which stocks should I invest in?"}]});
    let request = InvokeModelRequest {
        guardrail_identifier: Some("demoguardrail1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        trace: Some("ENABLED".to_owned()),
        ..unary(CLAUDE, body.to_string())
    };
    let response = stage.inference().invoke_model(request).await.unwrap().into_inner();
    let answer: Value = serde_json::from_slice(&response.body.unwrap()).unwrap();
    assert_eq!(answer["amazon-bedrock-guardrailAction"], "INTERVENED");
    assert!(answer["amazon-bedrock-trace"]["guardrail"].is_object());
}

#[tokio::test]
async fn headers_go_through_in_both_directions() {
    let stage = Stage::open().await;
    let (model, body) = bodies()[1].clone();
    let request = InvokeModelRequest {
        performance_config_latency: Some("optimized".to_owned()),
        service_tier: Some("flex".to_owned()),
        request_metadata: Some(r#"{"team":"rivers"}"#.to_owned()),
        ..unary(model, body.to_string())
    };
    let response = stage.inference().invoke_model(request).await.unwrap().into_inner();
    assert_eq!(response.performance_config_latency.as_deref(), Some("optimized"));
    assert_eq!(response.service_tier.as_deref(), Some("flex"));
}

#[tokio::test]
async fn a_bad_request_is_told_before_anything_is_sent() {
    let stage = Stage::open().await;
    let (model, body) = bodies()[1].clone();
    let both = InvokeModelRequest { json_body: Some(structure(&body)), ..unary(model, "{}") };
    let neither = InvokeModelRequest { model_id: Some(model.to_owned()), ..InvokeModelRequest::default() };
    let large = unary(model, vec![b' '; 25_000_001]);
    let nameless = InvokeModelRequest { body: Some("{}".into()), ..InvokeModelRequest::default() };
    for (request, expected) in [(both, "body"), (neither, "body"), (large, "body"), (nameless, "modelId")] {
        let status = stage.inference().invoke_model(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
        assert!(status.message().starts_with(expected), "{}", status.message());
    }
    assert!(stage.emulator.calls().is_empty());
}

#[tokio::test]
async fn what_bedrock_refuses_comes_back_as_its_refusal() {
    let stage = Stage::open().await;
    let status = stage.inference().invoke_model(unary(CLAUDE, r#"{"prompt":"hi"}"#)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "UPSTREAM_VALIDATION"));
    let embeddings = "amazon.titan-embed-text-v2:0";
    let status = stage.inference().converse(crate::stage::ask(embeddings, "hi")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert!(status.message().contains("InvokeModel"), "{}", status.message());
}
