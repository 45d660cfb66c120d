//! CountTokens: AWS's number where AWS counts, by the bare id; else an estimate that says so.

use bedrock_inference_proto::v1::{
    ContentBlock, ConverseTokensRequest, CountTokensInput, CountTokensRequest, CountTokensResponse,
    InvokeModelTokensRequest, Message, SystemContentBlock, Tool, ToolConfiguration, ToolInputSchema,
    ToolResultBlock, ToolSpecification, ToolUseBlock, content_block, count_tokens_input,
    system_content_block, tool,
};
use tonic::Code;

use crate::stage::{CLAUDE, NOVA, Stage, ask, reason, user};

fn converse(system: bool, tools: bool) -> ConverseTokensRequest {
    let text = system_content_block::Kind::Text("Be brief, friendly and truthful.".to_owned());
    let spec = ToolSpecification {
        name: Some("lookup".to_owned()),
        description: Some("Looks things up".to_owned()),
        input_schema: Some(ToolInputSchema {
            kind: None,
            json_text: Some(r#"{"type":"object"}"#.to_owned()),
        }),
        strict: None,
    };
    ConverseTokensRequest {
        messages: vec![user("How many tokens is this question?")],
        system: if system { vec![SystemContentBlock { kind: Some(text) }] } else { Vec::new() },
        tool_config: tools.then(|| ToolConfiguration {
            tools: vec![Tool { kind: Some(tool::Kind::ToolSpec(spec)) }],
            tool_choice: None,
        }),
        ..ConverseTokensRequest::default()
    }
}

fn request(model: &str, converse: ConverseTokensRequest, split: bool) -> CountTokensRequest {
    CountTokensRequest {
        model_id: Some(model.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(converse)) }),
        split,
        ..CountTokensRequest::default()
    }
}

async fn count(stage: &Stage, request: CountTokensRequest) -> CountTokensResponse {
    stage.inference().count_tokens(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_count_is_what_the_call_is_then_charged() {
    let stage = Stage::open().await;
    let counted = count(&stage, request(CLAUDE, converse(false, false), false)).await;
    assert!(!counted.estimated);
    let reply = stage.inference().converse(ask(CLAUDE, "How many tokens is this question?")).await.unwrap();
    let charged = reply.into_inner().usage.unwrap().input_tokens.unwrap();
    assert_eq!(counted.input_tokens, Some(charged));
}

#[tokio::test]
async fn aws_is_asked_by_the_bare_id_whatever_the_caller_names() {
    let stage = Stage::open().await;
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}");
    for id in [CLAUDE.to_owned(), format!("us.{CLAUDE}"), format!("global.{CLAUDE}"), arn] {
        let counted = count(&stage, request(&id, converse(false, false), false)).await;
        assert!(!counted.estimated && counted.input_tokens > Some(0), "{id}");
        assert_eq!(stage.emulator.calls().last().unwrap().model_id, CLAUDE, "{id}");
        assert_eq!(counted.call.unwrap().model_asked, id);
    }
}

#[tokio::test]
async fn the_split_adds_up() {
    let stage = Stage::open().await;
    for model in [CLAUDE, NOVA] {
        let counted = count(&stage, request(model, converse(true, true), true)).await;
        let split = counted.split.unwrap();
        assert_eq!(Some(split.system + split.tools + split.messages), counted.input_tokens, "{model}");
        assert!(split.system > 0 && split.tools > 0 && split.messages > 0, "{model}: {split:?}");
        assert!(count(&stage, request(model, converse(true, true), false)).await.split.is_none());
    }
}

#[tokio::test]
async fn a_model_that_aws_cannot_count_for_is_estimated_without_asking() {
    let stage = Stage::open().await;
    for model in [NOVA, "amazon.titan-text-express-v1", "anthropic.claude-opus-4-7"] {
        let counted = count(&stage, request(model, converse(false, false), false)).await;
        assert!(counted.estimated && counted.input_tokens > Some(5), "{model}");
        assert!(counted.call.unwrap().attempts.is_empty(), "{model}");
    }
    assert!(stage.emulator.calls().is_empty());
}

#[tokio::test]
async fn a_native_body_is_counted_too() {
    let stage = Stage::open().await;
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":10,"messages":[{"role":"user","content":"How many tokens is this question?"}]}"#;
    let native = InvokeModelTokensRequest { body: Some(body.into()) };
    let request = CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::InvokeModel(native)) }),
        ..CountTokensRequest::default()
    };
    let counted = count(&stage, request.clone()).await;
    let same = count(&stage, self::request(CLAUDE, converse(false, false), false)).await;
    assert_eq!(counted.input_tokens, same.input_tokens);

    let status = stage.inference().count_tokens(CountTokensRequest { split: true, ..request }).await;
    let status = status.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert!(status.message().starts_with("split"), "{}", status.message());
}

#[tokio::test]
async fn an_input_that_says_nothing_or_an_unknown_model_is_refused() {
    let stage = Stage::open().await;
    let empty = CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput::default()),
        ..CountTokensRequest::default()
    };
    let status = stage.inference().count_tokens(empty).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    let unknown = request("anthropic.claude-nine", converse(false, false), false);
    let status = stage.inference().count_tokens(unknown).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MODEL_NOT_FOUND"));
    assert!(stage.emulator.calls().is_empty());
}

#[tokio::test]
async fn a_conversation_with_tool_results_is_split_too() {
    let stage = Stage::open().await;
    let id = Some("tooluse_0123456789abcdefghijkl".to_owned());
    let call = content_block::Kind::ToolUse(ToolUseBlock {
        tool_use_id: id.clone(),
        name: Some("lookup".to_owned()),
        input_text: Some("{}".to_owned()),
        ..ToolUseBlock::default()
    });
    let result =
        content_block::Kind::ToolResult(ToolResultBlock { tool_use_id: id, ..ToolResultBlock::default() });
    let message = |role: &str, kind| Message {
        role: Some(role.to_owned()),
        content: vec![ContentBlock { kind: Some(kind) }],
    };
    let mut conversation = converse(true, true);
    conversation.messages.extend([message("assistant", call), message("user", result)]);
    let counted = count(&stage, request(CLAUDE, conversation, true)).await;
    let split = counted.split.unwrap();
    assert_eq!(Some(split.system + split.tools + split.messages), counted.input_tokens);
    assert!(split.system > 0 && split.tools > 0 && split.messages > 0, "{split:?}");
}
