//! A conversation gets the same reply natively and through Converse, as a whole and as a stream.

mod conversations;

use std::collections::BTreeSet;

use bedrock_inference_adapters::contract::{Event as Reply, Fold};
use bedrock_inference_proto::v1::{
    CallOptions, ConverseRequest, ConverseResponse, ConverseStreamRequest, Route, content_block,
    converse_output, converse_stream_response::Event,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::stage::Stage;
use conversations::{Family, conversation};

/// Random conversations of each family.
const CASES: usize = 60;

const FAMILIES: [Family; 3] = [Family::Claude, Family::Nova, Family::Titan];

fn by(route: Route, request: &ConverseRequest) -> ConverseRequest {
    let options = CallOptions { route: route.into(), ..CallOptions::default() };
    ConverseRequest { options: Some(options), ..request.clone() }
}

/// What may differ: tool-use ids, latency, and the gateway's own report.
fn comparable(mut reply: ConverseResponse) -> ConverseResponse {
    reply.call = None;
    reply.metrics = None;
    let Some(converse_output::Kind::Message(message)) = reply.output.as_mut().and_then(|o| o.kind.as_mut())
    else {
        panic!("a reply without a message");
    };
    for (position, block) in message.content.iter_mut().enumerate() {
        if let Some(content_block::Kind::ToolUse(tool)) = &mut block.kind {
            assert!(tool.tool_use_id.as_ref().is_some_and(|id| !id.is_empty()));
            tool.tool_use_id = Some(format!("tool {position}"));
        }
    }
    reply
}

async fn unary(stage: &Stage, route: Route, request: &ConverseRequest) -> ConverseResponse {
    let reply = stage.inference().converse(by(route, request)).await;
    let reply = reply.unwrap_or_else(|status| panic!("{route:?}: {status:?}\n{request:#?}")).into_inner();
    let report = reply.call.as_ref().unwrap();
    assert_eq!(report.route(), route, "{}", report.route_reason);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    comparable(reply)
}

async fn streamed(stage: &Stage, route: Route, request: &ConverseRequest) -> ConverseResponse {
    let ConverseRequest {
        model_id,
        messages,
        system,
        inference_config,
        tool_config,
        additional_model_request_fields,
        output_config,
        options,
        ..
    } = by(route, request);
    let request = ConverseStreamRequest {
        model_id,
        messages,
        system,
        inference_config,
        tool_config,
        additional_model_request_fields,
        output_config,
        options,
        ..ConverseStreamRequest::default()
    };
    let ending = stage.stream(request).await;
    assert_eq!(ending.code(), tonic::Code::Ok, "{:?}", ending.status);
    let mut fold = Fold::default();
    for event in ending.events {
        fold.add(match event {
            Event::MessageStart(event) => Reply::MessageStart(event),
            Event::ContentBlockStart(event) => Reply::ContentBlockStart(event),
            Event::ContentBlockDelta(event) => Reply::ContentBlockDelta(event),
            Event::ContentBlockStop(event) => Reply::ContentBlockStop(event),
            Event::MessageStop(event) => Reply::MessageStop(Box::new(event)),
            Event::Metadata(event) => Reply::Metadata(Box::new(event)),
            Event::Call(report) => {
                assert_eq!(report.route(), route);
                assert!(report.warnings.is_empty(), "{:?}", report.warnings);
                continue;
            }
        });
    }
    comparable(fold.finish().0)
}

#[tokio::test]
async fn random_conversations_get_equal_replies() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for family in FAMILIES {
        // A stage of its own, so that one family's prompt cache does not answer for another.
        let stage = Stage::open().await;
        for case in 0..CASES {
            let request = conversation(family, case).new_tree(&mut runner).unwrap().current();
            // The first call writes the prompt cache that all the others read.
            unary(&stage, Route::Native, &request).await;
            let converse = unary(&stage, Route::Converse, &request).await;
            seen.extend(kinds(&converse));
            for (form, other) in [
                ("native, unary", unary(&stage, Route::Native, &request).await),
                ("native, streamed", streamed(&stage, Route::Native, &request).await),
                ("converse, streamed", streamed(&stage, Route::Converse, &request).await),
            ] {
                assert_eq!(converse, other, "{family:?} {case}: {form}\n{request:#?}");
            }
        }
    }
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    let met = ["cache read", "citations", "end_turn", "max_tokens", "reasoning", "stop_sequence", "text"];
    assert!(met.iter().all(|kind| seen.contains(kind)), "{seen:?}");
    assert!(seen.contains(&"tool use") && seen.contains(&"tool_use"), "{seen:?}");
}

/// The kinds of blocks in a reply, and why it stopped: what the random conversations must have met.
fn kinds(reply: &ConverseResponse) -> Vec<String> {
    let Some(converse_output::Kind::Message(message)) = reply.output.clone().unwrap().kind else { panic!() };
    let block = |block: bedrock_inference_proto::v1::ContentBlock| match block.kind.unwrap() {
        content_block::Kind::Text(_) => "text".to_owned(),
        content_block::Kind::ToolUse(_) => "tool use".to_owned(),
        content_block::Kind::ReasoningContent(_) => "reasoning".to_owned(),
        content_block::Kind::CitationsContent(_) => "citations".to_owned(),
        other => panic!("{other:?}"),
    };
    let cached = reply.usage.as_ref().unwrap().cache_read_input_tokens.unwrap_or(0) > 0;
    message
        .content
        .into_iter()
        .map(block)
        .chain(reply.stop_reason.clone())
        .chain(cached.then(|| "cache read".to_owned()))
        .collect()
}

#[tokio::test]
async fn an_unset_route_is_native_where_the_adapter_can_and_says_why() {
    let stage = Stage::open().await;
    for family in FAMILIES {
        let mut runner = TestRunner::deterministic();
        let request = conversation(family, 0).new_tree(&mut runner).unwrap().current();
        let reply = stage.inference().converse(request.clone()).await.unwrap().into_inner();
        let report = reply.call.unwrap();
        assert_eq!(report.route(), Route::Native, "{family:?}: {}", report.route_reason);
        assert!(report.route_reason.contains("adapter"), "{}", report.route_reason);

        let request = ConverseRequest {
            additional_model_response_field_paths: vec!["/stop_sequence".to_owned()],
            ..request
        };
        let reply = stage.inference().converse(request).await.unwrap().into_inner();
        let report = reply.call.unwrap();
        assert_eq!(report.route(), Route::Converse, "{family:?}: {}", report.route_reason);
        assert!(report.route_reason.contains("additionalModelResponseFieldPaths"), "{}", report.route_reason);
    }
}
