//! What agents need works by either route: guardrails, a tool loop, thinking that is sent back, prompt caching.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    CachePointBlock, CallOptions, ContentBlock, ConverseRequest, ConverseResponse, GuardrailConfiguration,
    InferenceConfiguration, Message, Route, SystemContentBlock, Tool, ToolConfiguration, ToolInputSchema,
    ToolResultBlock, ToolResultContentBlock, ToolSpecification, content_block, converse_output,
    reasoning_content_block, system_content_block, tool, tool_result_content_block,
};
use tonic::Code;

use crate::stage::{CLAUDE, NOVA, Stage, ask, reason, user};

const ROUTES: [Route; 2] = [Route::Native, Route::Converse];

async fn send(stage: &Stage, route: Route, request: &ConverseRequest) -> ConverseResponse {
    let options = CallOptions { route: route.into(), ..CallOptions::default() };
    let request = ConverseRequest { options: Some(options), ..request.clone() };
    let reply = stage.inference().converse(request).await;
    let reply = reply.unwrap_or_else(|status| panic!("{route:?}: {status:?}")).into_inner();
    assert_eq!(reply.call.as_ref().unwrap().route(), route);
    reply
}

fn message(reply: &ConverseResponse) -> Message {
    let Some(converse_output::Kind::Message(message)) = reply.output.as_ref().unwrap().kind.clone() else {
        panic!("no message")
    };
    message
}

fn tools() -> ToolConfiguration {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let spec = ToolSpecification {
        name: Some("get_weather".to_owned()),
        description: Some("The weather in a city".to_owned()),
        input_schema: Some(ToolInputSchema { kind: None, json_text: Some(schema.to_owned()) }),
        strict: None,
    };
    ToolConfiguration { tools: vec![Tool { kind: Some(tool::Kind::ToolSpec(spec)) }], tool_choice: None }
}

/// One result for each tool call of the message.
fn results(message: &Message) -> Message {
    let answer = |block: &ContentBlock| {
        let Some(content_block::Kind::ToolUse(call)) = &block.kind else { return None };
        let text = tool_result_content_block::Kind::Text("sunny".to_owned());
        let result = ToolResultBlock {
            tool_use_id: call.tool_use_id.clone(),
            content: vec![ToolResultContentBlock { kind: Some(text), json_text: None }],
            status: None,
            r#type: None,
        };
        Some(ContentBlock { kind: Some(content_block::Kind::ToolResult(result)) })
    };
    let content: Vec<_> = message.content.iter().filter_map(answer).collect();
    assert!(!content.is_empty(), "no tool was called");
    Message { role: Some("user".to_owned()), content }
}

#[tokio::test]
async fn a_tool_loop_of_three_turns() {
    let stage = Stage::open().await;
    for route in ROUTES {
        for model in [CLAUDE, NOVA] {
            let mut request = ConverseRequest {
                tool_config: Some(tools()),
                ..ask(model, "What is the weather in Paris and Rome?")
            };
            for question in ["And in Berlin?", "And in Madrid?", ""] {
                let called = send(&stage, route, &request).await;
                assert_eq!(called.stop_reason.as_deref(), Some("tool_use"), "{route:?} {model}");
                let called = message(&called);
                request.messages.push(called.clone());
                request.messages.push(results(&called));
                let answered = send(&stage, route, &request).await;
                assert_eq!(answered.stop_reason.as_deref(), Some("end_turn"), "{route:?} {model}");
                request.messages.push(message(&answered));
                request.messages.push(user(question));
            }
            assert_eq!(request.messages.len(), 13, "{route:?} {model}");
        }
    }
}

#[tokio::test]
async fn thinking_is_sent_back_with_its_signature_by_the_other_route_too() {
    let stage = Stage::open().await;
    for (first, second) in [
        (Route::Native, Route::Native),
        (Route::Converse, Route::Converse),
        (Route::Native, Route::Converse),
        (Route::Converse, Route::Native),
    ] {
        let thinking = r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#;
        let mut request = ConverseRequest {
            tool_config: Some(tools()),
            additional_model_request_fields: document_from_json(thinking).unwrap().0,
            // Natively an answer with thinking comes as a whole only up to 21,333 tokens.
            inference_config: Some(InferenceConfiguration { max_tokens: Some(4000), ..Default::default() }),
            ..ask(CLAUDE, "What is the weather in Paris?")
        };
        let called = message(&send(&stage, first, &request).await);
        let Some(content_block::Kind::ReasoningContent(reasoning)) = &called.content[0].kind else {
            panic!("{first:?}: no reasoning in {called:?}")
        };
        let Some(reasoning_content_block::Kind::ReasoningText(text)) = &reasoning.kind else { panic!() };
        assert!(text.signature.as_ref().is_some_and(|signature| !signature.is_empty()));
        request.messages.push(called.clone());
        request.messages.push(results(&called));
        let answered = send(&stage, second, &request).await;
        assert_eq!(answered.stop_reason.as_deref(), Some("end_turn"), "{first:?} {second:?}");

        let Some(content_block::Kind::ReasoningContent(reasoning)) = &mut request.messages[1].content[0].kind
        else {
            panic!()
        };
        let Some(reasoning_content_block::Kind::ReasoningText(text)) = &mut reasoning.kind else { panic!() };
        text.signature = Some("Zm9yZ2Vk".to_owned());
        let options = CallOptions { route: second.into(), ..CallOptions::default() };
        let forged = ConverseRequest { options: Some(options), ..request };
        let status = stage.inference().converse(forged).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "UPSTREAM_VALIDATION"));
    }
}

#[tokio::test]
async fn the_second_call_reads_what_the_first_wrote_in_the_same_bytes() {
    for (route, models) in [(Route::Native, &[CLAUDE][..]), (Route::Converse, &[CLAUDE, NOVA][..])] {
        for model in models {
            let stage = Stage::open().await;
            let long = "Some background that is long enough to be cached. ".repeat(120);
            let point = CachePointBlock { r#type: Some("default".to_owned()), ttl: None };
            let request = ConverseRequest {
                system: vec![
                    SystemContentBlock { kind: Some(system_content_block::Kind::Text(long)) },
                    SystemContentBlock { kind: Some(system_content_block::Kind::CachePoint(point)) },
                ],
                ..ask(model, "What is the capital of France?")
            };
            let tokens = |reply: ConverseResponse| reply.call.unwrap().tokens.unwrap();
            let first = tokens(send(&stage, route, &request).await);
            let second = tokens(send(&stage, route, &request).await);
            assert!(first.cache_write_5m > 500 && first.cache_read == 0, "{route:?} {model}: {first:?}");
            assert_eq!(second.cache_read, first.cache_write_5m, "{route:?} {model}");
            assert_eq!((second.cache_write_5m, second.input), (0, first.input), "{route:?} {model}");
            let calls = stage.emulator.calls();
            assert_eq!(calls[0].body, calls[1].body, "{route:?} {model}");
        }
    }
}

#[tokio::test]
async fn a_guardrail_sends_the_call_by_converse_and_intervenes() {
    let stage = Stage::open().await;
    let guarded = ConverseRequest {
        guardrail_config: Some(GuardrailConfiguration {
            guardrail_identifier: Some("demoguardrail1".to_owned()),
            guardrail_version: Some("1".to_owned()),
            trace: Some("enabled".to_owned()),
        }),
        ..ask(CLAUDE, "Which stocks should I invest in?")
    };
    let reply = stage.inference().converse(guarded.clone()).await.unwrap().into_inner();
    assert_eq!(reply.stop_reason.as_deref(), Some("guardrail_intervened"));
    let report = reply.call.unwrap();
    assert_eq!(report.route(), Route::Converse);
    assert!(report.route_reason.contains("guardrailConfig"), "{}", report.route_reason);

    let options = CallOptions { route: Route::Native.into(), ..CallOptions::default() };
    let native = ConverseRequest { options: Some(options), ..guarded };
    let status = stage.inference().converse(native).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert!(status.message().starts_with("guardrailConfig"), "{}", status.message());
}
