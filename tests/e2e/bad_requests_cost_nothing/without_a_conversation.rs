//! Counting, native bodies and guardrails; options; unknown models.

use bedrock_inference::config::UnknownModels;
use bedrock_inference_proto::v1::{
    ApplyGuardrailRequest, ConverseRequest, CountTokensRequest, InvokeModelRequest, InvokeModelStreamRequest,
    WarningKind,
};
use serde_json::{Value, json};
use tonic::Code;

use super::{Bad, CLAUDE, NOVA, assistant, bad, tool, user};
use crate::stage::{Stage, ask, reason};

const EMBEDDING: &str = "amazon.titan-embed-text-v2:0";

fn request(model: &'static str, request: Value) -> Bad {
    Bad { model, request, mistakes: [].into(), known_there: true }
}

#[tokio::test]
async fn counting_refuses_what_cannot_be_a_conversation() {
    let stage = Stage::open().await;
    let counted = |model, conversation: Value| request(model, json!({"input": {"converse": conversation}}));
    let again = "is user again; user and assistant take turns";
    let hi = || user(json!([{"text": "hi"}]));
    let all = [
        request(CLAUDE, json!({"input": {}}))
            .at("input", "has no member; one of invokeModel, converse must be set"),
        request(CLAUDE, json!({"split": true}))
            .at("input", "is not set; AWS requires it")
            .at("split", "is set; it needs input.converse"),
        counted(CLAUDE, json!({"messages": [hi(), hi()], "system": [{"text": ""}]}))
            .at("input.converse.messages[1].role", again)
            .at("input.converse.system[0].text", "has 0 characters; at least 1 is accepted"),
        counted(CLAUDE, json!({"messages": []}))
            .at("input.converse.messages", "is empty; a conversation begins with a message of the user"),
        counted(
            CLAUDE,
            json!({"messages": [hi(), assistant(json!([{"toolUse": {"toolUseId": "a", "name": "t"}}]))]}),
        )
        .at("input.converse.messages[1].content[0].toolUse.input", "is not set; AWS requires it")
        .at(
            "input.converse.messages[1].content[0].toolUse.toolUseId",
            "is answered by no toolResult in the next message of the user",
        )
        .at(
            "input.converse.toolConfig",
            "is not set; it is needed where tools were used, as in messages[1].content[0].toolUse",
        ),
        // Estimates are for what could be counted, no more.
        counted(NOVA, json!({"messages": [hi(), hi()]})).at("input.converse.messages[1].role", again),
        request(CLAUDE, json!({"input": {"invokeModel": {}}}))
            .at("input.invokeModel.body", "is not set; AWS requires it"),
    ];
    for bad in &all {
        let message = bad.message::<CountTokensRequest>("CountTokensRequest");
        bad.check("CountTokens", &stage, &stage.inference().count_tokens(message).await.unwrap_err());
    }
}

fn native() -> Vec<Bad> {
    let travels = "holds characters that an HTTP header cannot; printable ASCII is accepted";
    vec![
        request(CLAUDE, json!({})).at("body", "is not set, and neither is jsonBody"),
        request(CLAUDE, json!({"body": "e30=", "jsonBody": {}, "requestMetadata": "\u{f6}", "trace": "\n"}))
            .at("body", "is set beside jsonBody; only one of them may be")
            .at("requestMetadata", travels)
            .at("trace", travels),
        request(CLAUDE, json!({"jsonBody": {}, "requestMetadata": "x".repeat(8501)}))
            .at("requestMetadata", "has 8501 characters; at most 8500 are accepted"),
        request(CLAUDE, json!({"jsonBody": {}, "guardrailIdentifier": "A", "guardrailVersion": "01"}))
            .at("guardrailIdentifier", "is of none of the forms that AWS's service model gives")
            .at("guardrailVersion", "does not match AWS's pattern (|([1-9][0-9]{0,7})|(DRAFT))"),
        request(CLAUDE, json!({"jsonBody": {}, "guardrailIdentifier": "abc", "contentType": "text/plain"}))
            .at("guardrailVersion", "is not set beside guardrailIdentifier; AWS requires both")
            .at("contentType", "is not application/json, which a guardrail needs"),
        request("", json!({"trace": "\n"}))
            .at("modelId", "is not set, and neither is metadata x-bedrock-model-id")
            .at("body", "is not set, and neither is jsonBody")
            .at("trace", travels),
        request("anthropic.claude-mythos-5-1", json!({"jsonBody": {}, "trace": "\n"}))
            .at("modelId", "names a model that InvokeModel does not take; use Converse")
            .at("trace", travels),
        request(
            "arn:aws:bedrock:us-east-1:12345:inference-profile/us.amazon.nova-lite-v1:0",
            json!({"jsonBody": {}}),
        )
        .at("modelId", "is of none of the forms that AWS's service model gives"),
    ]
}

#[tokio::test]
async fn native_bodies_are_refused_for_what_stands_beside_them() {
    let stage = Stage::open().await;
    for bad in &native() {
        let message = bad.message::<InvokeModelRequest>("InvokeModelRequest");
        bad.check("InvokeModel", &stage, &stage.inference().invoke_model(message).await.unwrap_err());
        let message = bad.message::<InvokeModelStreamRequest>("InvokeModelStreamRequest");
        let status = stage.inference().invoke_model_stream(message).await.unwrap_err();
        bad.check("InvokeModelStream", &stage, &status);
    }
    let bad = request(EMBEDDING, json!({"jsonBody": {}}))
        .at("modelId", "names a model that does not stream; use InvokeModel");
    let message = bad.message::<InvokeModelStreamRequest>("InvokeModelStreamRequest");
    let status = stage.inference().invoke_model_stream(message).await.unwrap_err();
    bad.check("InvokeModelStream", &stage, &status);
}

#[tokio::test]
async fn a_body_above_25_million_bytes_is_refused() {
    let stage = Stage::open().await;
    let bad = request(CLAUDE, json!({})).at("body", "has 25000001 bytes; at most 25000000 are accepted");
    let message = InvokeModelRequest {
        model_id: Some(CLAUDE.to_owned()),
        body: Some(vec![b' '; 25_000_001].into()),
        ..InvokeModelRequest::default()
    };
    bad.check("InvokeModel", &stage, &stage.inference().invoke_model(message).await.unwrap_err());
}

#[tokio::test]
async fn guardrails_are_refused_what_they_cannot_judge() {
    let stage = Stage::open().await;
    let missing = "is not set; AWS requires it";
    let all = [
        request("", json!({}))
            .at("guardrailIdentifier", missing)
            .at("guardrailVersion", missing)
            .at("source", missing),
        request(
            "",
            json!({
                "guardrailIdentifier": "a/b", "guardrailVersion": "draft", "source": "INPUT",
                "content": [{"text": {}}, {}, {"image": {"format": "png", "source": {"bytes": ""}}}]
            }),
        )
        .at("guardrailIdentifier", "is of none of the forms that AWS's service model gives")
        .at("guardrailVersion", "does not match AWS's pattern (|([1-9][0-9]{0,7})|(DRAFT))")
        .at("content[0].text.text", missing)
        .at("content[1]", "has no member; one of text, image must be set")
        .at("content[2].image.source.bytes", "has 0 bytes; at least 1 is accepted"),
    ];
    for bad in &all {
        let message = bad.message::<ApplyGuardrailRequest>("ApplyGuardrailRequest");
        bad.check("ApplyGuardrail", &stage, &stage.inference().apply_guardrail(message).await.unwrap_err());
    }
}

#[tokio::test]
async fn options_and_members_are_refused_together() {
    let stage = Stage::open().await;
    let all = [
        bad(
            CLAUDE,
            json!({
                "options": {"requestId": "two words", "cachePolicy": "CACHE_POLICY_ONLY", "costCapPicoUsd": "-1"},
                "messages": [], "serviceTier": {}
            }),
        )
        .at("options.requestId", "has 9 bytes; 1 to 128 printable ASCII characters without spaces are accepted")
        .at("options.cachePolicy", "is CACHE_POLICY_ONLY; this version has no cache yet")
        .at("options.costCapPicoUsd", "is negative; 0 and more are accepted")
        .at("messages", "is empty; a conversation begins with a message of the user")
        .at("serviceTier.type", "is not set; AWS requires it"),
        bad("", json!({"options": {"requestId": ""}, "serviceTier": {}}))
            .at("modelId", "is not set, and neither is metadata x-bedrock-model-id")
            .at("options.requestId", "has 0 bytes; 1 to 128 printable ASCII characters without spaces are accepted")
            .at("serviceTier.type", "is not set; AWS requires it"),
        bad(EMBEDDING, json!({"serviceTier": {}}))
            .at("modelId", "names a model that takes no conversations; call it with InvokeModel")
            .at("serviceTier.type", "is not set; AWS requires it"),
    ];
    for bad in &all {
        super::converse(&stage, bad).await;
    }
}

#[tokio::test]
async fn a_text_twin_that_is_no_json_is_refused_with_the_rest() {
    let stage = Stage::open().await;
    let schema = json!({"toolSpec": {"name": "a b", "inputSchema": {"jsonText": "{"}}});
    let bad =
        bad(CLAUDE, json!({"toolConfig": {"tools": [schema]}, "additionalModelRequestFieldsText": "["}))
            .at("toolConfig.tools[0].toolSpec.name", "does not match AWS's pattern [a-zA-Z0-9_-]+")
            .at("toolConfig.tools[0].toolSpec.inputSchema.json", "has a _text twin that is not JSON")
            .at("additionalModelRequestFields", "has a _text twin that is not JSON");
    super::converse(&stage, &bad).await;
}

#[tokio::test]
async fn an_unknown_model_is_refused_unless_it_may_pass_with_warnings() {
    let stage = Stage::open().await;
    let status = stage.inference().converse(ask("acme.new-v1:0", "hi")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MODEL_NOT_FOUND"));
    assert_eq!(stage.emulator.calls().len(), 0);

    let stage = Stage::open_with(|settings| settings.unknown_models = UnknownModels::Warn).await;
    let asked = json!({
        "system": [{"text": "be brief"}], "toolConfig": {"tools": [tool("t")]},
        "inferenceConfig": {"temperature": 0.5}, "messages": [user(json!([{"text": "hi"}]))]
    });
    for model in ["acme.new-v1:0", "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/abcdefghijkl"] {
        let message = request(model, asked.clone()).message::<ConverseRequest>("ConverseRequest");
        // The emulator has no such model, and says so.
        let status = stage.inference().converse(message).await.unwrap_err();
        assert_ne!(reason(&status), "INVALID_REQUEST");
        let report = crate::stage::report(&status);
        assert_eq!(stage.emulator.calls().pop().unwrap().model_id, model);
        let region = if model.starts_with("arn:") { "eu-west-1" } else { "us-east-1" };
        assert_eq!((report.attempts[0].model_id.as_str(), report.region.as_str()), (model, region));
        let kinds = report.warnings.iter().all(|warning| warning.kind() == WarningKind::UnknownModel);
        assert!(kinds, "{:?}", report.warnings);
        let paths: Vec<_> = report.warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(paths, ["modelId", "system", "toolConfig", "inferenceConfig.temperature"]);
    }
    // A prompt brings its messages and tools, and is the body.
    let prompt = "arn:aws:bedrock:eu-west-1:123456789012:prompt/ABCDEFGHIJ:1";
    let used = json!([{"toolUse": {"toolUseId": "a", "name": "t", "input": {}}}]);
    let answer = json!([{"toolResult": {"toolUseId": "a", "content": [{"text": "b"}]}}]);
    for messages in [json!([]), json!([assistant(used), user(answer)])] {
        let asked = request(prompt, json!({"messages": messages, "promptVariables": {"a": {"text": "b"}}}));
        let message = asked.message::<ConverseRequest>("ConverseRequest");
        let status = stage.inference().converse(message).await.unwrap_err();
        assert_ne!(reason(&status), "INVALID_REQUEST", "{status:?}");
        assert_eq!(stage.emulator.calls().pop().unwrap().model_id, prompt);
    }
    let message = request(prompt, json!({})).message::<InvokeModelRequest>("InvokeModelRequest");
    let status = stage.inference().invoke_model(message).await.unwrap_err();
    assert_ne!(reason(&status), "INVALID_REQUEST", "{status:?}");
    assert_eq!(stage.emulator.calls().pop().unwrap().model_id, prompt);

    let before = stage.emulator.calls().len();
    let bad = bad("acme.new-v1:0", json!({"messages": [], "system": [{"text": ""}]}))
        .at("messages", "is empty; a conversation begins with a message of the user")
        .at("system[0].text", "has 0 characters; at least 1 is accepted");
    let status =
        stage.inference().converse(bad.message::<ConverseRequest>("ConverseRequest")).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_REQUEST");
    assert_eq!(stage.emulator.calls().len(), before);
    let status = stage.inference().converse(ask("no model at all", "hi")).await.unwrap_err();
    assert_eq!(reason(&status), "MODEL_NOT_FOUND");
}
