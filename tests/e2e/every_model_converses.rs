//! Every model that Converse takes can be talked to, whole and streamed, with everything that its row tells of it;
//! what its row rules out is refused before anything is sent.

use std::future::Future;

use bedrock_inference::catalog::Catalog;
use bedrock_inference_adapters::contract::{Capability, Model};
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ContentBlock, ConverseRequest, GetModelRequest, ImageBlock, ImageSource,
    ListModelsRequest, Message, Route, SystemContentBlock, Tool, ToolConfiguration, ToolInputSchema,
    ToolResultBlock, ToolResultContentBlock, ToolSpecification, content_block, converse_output, image_source,
    system_content_block, tool, tool_result_content_block,
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::stage::{Stage, ask, ask_stream, reason};

/// So many models are called at a time.
const AT_A_TIME: usize = 16;

const PICTURE: &[u8] = include_bytes!("../../src/cli/demo/picture.png");

/// A model, and the id by which a service in us-east-1 calls it.
#[derive(Clone)]
struct Subject {
    model: Model,
    family: &'static str,
    id: String,
}

/// Every model that Converse takes. A bare id is completed where a profile of the United States is sold; otherwise
/// the first profile is named.
fn subjects() -> Vec<Subject> {
    let catalog = Catalog::built_in().unwrap();
    let mut subjects = Vec::new();
    for entry in catalog.models() {
        let model = entry.model.clone();
        let bare = model.on_demand || model.profiles.iter().any(|geography| geography == "us");
        let id = if bare { Some(model.id.clone()) } else { model.profile_ids().next() };
        // Nova Premier is over, and its profiles are gone.
        let Some(id) = id.filter(|_| model.can(Capability::Converse)) else { continue };
        subjects.push(Subject { model, family: entry.adapter.family(), id });
    }
    assert!(subjects.len() >= 115, "only {} models", subjects.len());
    subjects
}

async fn each<F: Future<Output = ()>>(subjects: Vec<Subject>, check: impl Fn(Subject) -> F) {
    stream::iter(subjects).for_each_concurrent(AT_A_TIME, check).await;
}

async fn answered(stage: &Stage, request: ConverseRequest) -> (Message, CallReport, String) {
    let id = request.model_id.clone().unwrap();
    let reply = stage.inference().converse(request).await.unwrap_or_else(|status| panic!("{id}: {status:?}"));
    let reply = reply.into_inner();
    let Some(converse_output::Kind::Message(message)) = reply.output.unwrap().kind else { panic!("{id}") };
    (message, reply.call.unwrap(), reply.stop_reason.unwrap())
}

fn check_report(report: &CallReport, subject: &Subject) {
    let Subject { model, family, id } = subject;
    assert_eq!((&report.model_asked, &report.model), (id, &model.id));
    let called = &report.attempts[0].model_id;
    assert_eq!(called == &model.id, model.on_demand, "{id} was called as {called}");
    assert!(report.tokens.as_ref().is_some_and(|tokens| tokens.input > 0 && tokens.output > 0), "{id}");
    let route = (report.route(), report.route_reason.as_str());
    if !model.may(Capability::Invoke) {
        assert_eq!(route, (Route::Converse, "InvokeModel does not take the model"), "{id}");
    } else if *family == "generic" {
        assert_eq!(route, (Route::Converse, "the family has no native adapter"), "{id}");
    } else {
        assert!(route.1.ends_with(&format!("the list of the {family} adapter")), "{id}: {route:?}");
    }
}

#[tokio::test]
async fn whole_and_streamed() {
    let stage = Stage::open().await;
    each(subjects(), |subject| {
        let stage = &stage;
        async move {
            let (_, report, stop) = answered(stage, ask(&subject.id, "Hello")).await;
            assert_eq!(stop, "end_turn", "{}", subject.id);
            check_report(&report, &subject);
            let ending = stage.stream(ask_stream(&subject.id, "Hello")).await;
            if subject.model.can(Capability::Streaming) {
                assert_eq!(ending.code(), Code::Ok, "{}: {:?}", subject.id, ending.status);
                check_report(ending.reports()[0], &subject);
            } else {
                assert_eq!(reason(&ending.status), "UPSTREAM_VALIDATION", "{}", subject.id);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_one_of_them_is_told() {
    let stage = Stage::open().await;
    let request = ListModelsRequest { page_size: 1000, ..ListModelsRequest::default() };
    let listed = stage.models().list_models(request).await.unwrap().into_inner().models;
    for Subject { model, family, id } in subjects() {
        let found = listed.iter().find(|listed| listed.model_id == model.id).unwrap();
        assert_eq!((found.family.as_str(), &found.provider), (family, &model.provider), "{id}");
        assert!(found.capabilities.unwrap().converse, "{id}");
        let request = GetModelRequest { model_id: id.clone() };
        let reached = stage.models().get_model(request).await.unwrap().into_inner();
        assert_eq!(reached.model.as_ref(), Some(found), "{id}");
    }
}

fn system(request: &mut ConverseRequest) {
    let kind = Some(system_content_block::Kind::Text("Be brief.".to_owned()));
    request.system = vec![SystemContentBlock { kind }];
}

fn tools(request: &mut ConverseRequest) {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let spec = ToolSpecification {
        name: Some("get_weather".to_owned()),
        input_schema: Some(ToolInputSchema { kind: None, json_text: Some(schema.to_owned()) }),
        ..ToolSpecification::default()
    };
    let tools = vec![Tool { kind: Some(tool::Kind::ToolSpec(spec)) }];
    request.tool_config = Some(ToolConfiguration { tools, tool_choice: None });
}

fn image(request: &mut ConverseRequest) {
    let bytes = image_source::Kind::Bytes(Bytes::from_static(PICTURE));
    let image = ImageBlock {
        format: Some("png".to_owned()),
        source: Some(ImageSource { kind: Some(bytes) }),
        ..ImageBlock::default()
    };
    request.messages[0].content.push(ContentBlock { kind: Some(content_block::Kind::Image(image)) });
}

fn text(message: &Message) -> String {
    let texts = message.content.iter().filter_map(|block| match &block.kind {
        Some(content_block::Kind::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Those that the row tells of, or keeps open.
fn who_may(capability: Capability) -> Vec<Subject> {
    subjects().into_iter().filter(|subject| subject.model.may(capability)).collect()
}

#[tokio::test]
async fn a_system_prompt_is_kept_in_mind() {
    let stage = Stage::open().await;
    each(who_may(Capability::System), |Subject { id, .. }| {
        let mut request = ask(&id, "Hello");
        system(&mut request);
        let stage = &stage;
        async move {
            let (message, ..) = answered(stage, request).await;
            assert!(text(&message).contains("I keep your instruction in mind"), "{id}: {message:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_picture_is_seen() {
    let stage = Stage::open().await;
    each(who_may(Capability::Images), |Subject { id, .. }| {
        let mut request = ask(&id, "What is this?");
        image(&mut request);
        let stage = &stage;
        async move {
            let (message, ..) = answered(stage, request).await;
            assert!(text(&message).contains("png image"), "{id}: {}", text(&message));
        }
    })
    .await;
}

/// One result for each tool call of the message.
fn results(message: &Message) -> Message {
    let answer = |block: &ContentBlock| {
        let Some(content_block::Kind::ToolUse(call)) = &block.kind else { return None };
        let text = tool_result_content_block::Kind::Text("sunny".to_owned());
        let result = ToolResultBlock {
            tool_use_id: call.tool_use_id.clone(),
            content: vec![ToolResultContentBlock { kind: Some(text), json_text: None }],
            ..ToolResultBlock::default()
        };
        Some(ContentBlock { kind: Some(content_block::Kind::ToolResult(result)) })
    };
    Message { role: Some("user".to_owned()), content: message.content.iter().filter_map(answer).collect() }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_is_put_into_words() {
    let stage = Stage::open().await;
    each(who_may(Capability::Tools), |Subject { id, .. }| {
        let mut request = ask(&id, "What is the weather in Paris?");
        tools(&mut request);
        let stage = &stage;
        async move {
            let (called, _, stop) = answered(stage, request.clone()).await;
            assert_eq!(stop, "tool_use", "{id}");
            request.messages.extend([called.clone(), results(&called)]);
            let (message, _, stop) = answered(stage, request).await;
            assert_eq!(stop, "end_turn", "{id}");
            assert!(text(&message).contains("sunny"), "{id}: {}", text(&message));
        }
    })
    .await;
}

/// The places of the mistakes that a call was refused for.
fn places(status: &Status) -> Vec<String> {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|one| one.field.clone()).collect()
}

#[tokio::test]
async fn what_a_row_rules_out_is_refused_before_anything_is_sent() {
    let stage = Stage::open().await;
    each(subjects(), |Subject { model, id, .. }| {
        let mut request = ask(&id, "Hello");
        let mut expected = Vec::new();
        if !model.may(Capability::Images) {
            image(&mut request);
            expected.push("messages[0].content[1].image");
        }
        if !model.may(Capability::System) {
            system(&mut request);
            expected.push("system");
        }
        if !model.may(Capability::Tools) {
            tools(&mut request);
            expected.push("toolConfig");
        }
        let stage = &stage;
        async move {
            if !expected.is_empty() {
                let status = stage.inference().converse(request).await.expect_err(&id);
                assert_eq!(places(&status), expected, "{id}");
            }
        }
    })
    .await;
    assert_eq!(stage.emulator.counts().started, 0);
}

#[tokio::test]
async fn who_insists_on_a_native_form_that_is_not_there_is_told_so() {
    let stage = Stage::open().await;
    let generic = subjects().into_iter().filter(|subject| subject.family == "generic").collect();
    each(generic, |Subject { id, .. }| {
        let options = CallOptions { route: Route::Native.into(), ..CallOptions::default() };
        let request = ConverseRequest { options: Some(options), ..ask(&id, "Hello") };
        let stage = &stage;
        async move {
            let status = stage.inference().converse(request).await.expect_err(&id);
            assert_eq!(places(&status), ["modelId"], "{id}");
            assert!(status.message().contains("by Converse"), "{id}: {}", status.message());
        }
    })
    .await;
    assert_eq!(stage.emulator.counts().started, 0);
}
