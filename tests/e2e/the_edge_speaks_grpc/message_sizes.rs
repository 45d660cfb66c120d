//! Messages up to 32 MiB pass in both directions; a larger one is refused, and the connection lives on.

use bedrock_inference::config::RouteSetting;
use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseRequest, ConverseResponse, ImageBlock, ImageSource, content_block, converse_output,
    image_source,
};
use prost::Message;
use serde_json::json;
use tonic::Code;

use crate::stage::{NOVA, Stage, answer_of, ask, ask_stream, reason, report, told};

const LIMIT: usize = 32 << 20;
const PICTURE: &[u8] = include_bytes!("../../../src/cli/demo/picture.png");

/// A picture of this many bytes, most of them behind its end.
fn with_picture(bytes: usize) -> ConverseRequest {
    let mut picture = PICTURE.to_vec();
    picture.resize(bytes, 0);
    let kind = content_block::Kind::Image(ImageBlock {
        format: Some("png".to_owned()),
        source: Some(ImageSource { kind: Some(image_source::Kind::Bytes(picture.into())) }),
        error: None,
    });
    let mut request = ask(NOVA, "What do you see in this picture?");
    request.messages[0].content.push(ContentBlock { kind: Some(kind) });
    request
}

/// A request whose message has exactly this many bytes.
fn of_size(bytes: usize) -> ConverseRequest {
    let overhead = with_picture(bytes).encoded_len() - bytes;
    let request = with_picture(bytes - overhead);
    assert_eq!(request.encoded_len(), bytes);
    request
}

fn text(response: &ConverseResponse) -> &str {
    let Some(converse_output::Kind::Message(message)) = &response.output.as_ref().unwrap().kind else {
        panic!()
    };
    let Some(content_block::Kind::Text(text)) = &message.content[0].kind else { panic!() };
    text
}

#[tokio::test]
async fn a_picture_of_18_mb_reaches_the_model() {
    let stage = Stage::open().await;
    let response = stage.inference().converse(with_picture(18_000_000)).await.unwrap().into_inner();
    assert!(text(&response).contains("64"), "{}", text(&response));
    assert!(stage.emulator.calls()[0].body.len() > 24_000_000);
}

/// C8.
#[tokio::test]
async fn a_message_of_the_limit_is_read_and_one_byte_more_is_refused() {
    let stage = Stage::open().await;
    let mut client = stage.inference();
    // Bedrock has a lower limit than we: the refusal is the upstream's own, and says so.
    for size in [LIMIT - 1, LIMIT] {
        let status = client.converse(of_size(size)).await.unwrap_err();
        assert!(reason(&status).starts_with("UPSTREAM_"), "{status:?}");
    }
    let status = client.converse(of_size(LIMIT + 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert!(status.message().contains(&format!("{LIMIT} bytes")), "{}", status.message());
    assert_eq!((told(&status, "billed"), told(&status, "attempts")), ("none".to_owned(), "0".to_owned()));
    assert_eq!(stage.emulator.counts().started, 0, "the emulator reads no body above its limit");
    client.converse(ask(NOVA, "hello")).await.unwrap();
}

#[tokio::test]
async fn an_answer_up_to_the_limit_is_sent_and_a_larger_one_is_refused() {
    let stage = Stage::open().await;
    let mut client = stage.inference();
    stage.emulator.script(answer_of(LIMIT - 4096));
    let response = client.converse(ask(NOVA, "hello")).await.unwrap().into_inner();
    assert_eq!(text(&response).len(), LIMIT - 4096);
    stage.emulator.script(answer_of(LIMIT));
    let status = client.converse(ask(NOVA, "hello")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert_eq!(
        (told(&status, "billed"), told(&status, "retryable")),
        ("full".to_owned(), "false".to_owned())
    );
    let report = report(&status);
    assert_eq!((report.attempts[0].outcome.as_str(), report.tokens.unwrap().output), ("OK", 1));
    client.converse(ask(NOVA, "hello")).await.unwrap();
}

/// A stage that sends no message above this many bytes.
async fn small(limit: usize) -> Stage {
    Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.server.max_message_bytes = limit;
    })
    .await
}

/// A stream of two short pieces around a long one.
fn stream_with(long: usize) -> Fault {
    let delta =
        |text: String| ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}}));
    let events = [
        ("messageStart", json!({"role": "assistant"})),
        delta("a".to_owned()),
        delta("b".repeat(long)),
        delta("c".to_owned()),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}),
        ),
    ];
    Fault::Events(events.map(|(name, payload)| (name.to_owned(), payload)).to_vec())
}

#[tokio::test]
async fn the_one_message_of_a_stream_that_is_too_large_ends_it() {
    let stage = small(2000).await;
    stage.emulator.script(stream_with(1000));
    let ending = stage.stream(ask_stream(NOVA, "hello")).await;
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    stage.emulator.script(stream_with(2000));
    let ending = stage.stream(ask_stream(NOVA, "hello")).await;
    assert_eq!(ending.names(), ["messageStart", "contentBlockDelta"]);
    let status = &ending.status;
    assert_eq!((status.code(), reason(status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert_eq!((told(status, "billed"), told(status, "events_sent")), ("full".to_owned(), "2".to_owned()));
    assert_eq!(report(status).attempts.len(), 1);
}

#[tokio::test]
async fn every_size_around_a_small_limit_is_answered_truthfully() {
    let whole = ask_whole(&small(1 << 20).await, NOVA).await.unwrap().encoded_len();
    // Timings vary by some bytes from call to call.
    for limit in [whole / 2, whole - 40, whole + 40, whole * 2] {
        let answer = ask_whole(&small(limit).await, NOVA).await;
        assert_eq!(answer.is_ok(), limit > whole, "{limit} of {whole}");
        if let Err(status) = answer {
            assert_eq!(reason(&status), "MESSAGE_TOO_LARGE");
            assert_eq!(told(&status, "billed"), "full");
        }
    }
}

async fn ask_whole(stage: &Stage, model: &str) -> Result<ConverseResponse, tonic::Status> {
    stage
        .inference()
        .converse(ask(model, "Repeat after me: one two three"))
        .await
        .map(tonic::Response::into_inner)
}
