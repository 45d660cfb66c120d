//! Messages up to 32 MiB pass in both directions; a larger one is refused, and the connection lives on.

use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseRequest, ConverseResponse, ImageBlock, ImageSource, content_block, converse_output,
    image_source,
};
use prost::Message;
use serde_json::json;
use tonic::Code;

use crate::stage::{NOVA, Stage, ask, reason};

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

fn answer_of(text: usize) -> Fault {
    Fault::Reply(json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "x".repeat(text)}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1}
    }))
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

#[tokio::test]
async fn a_message_of_the_limit_is_read_and_one_byte_more_is_refused() {
    let stage = Stage::open().await;
    let mut client = stage.inference();
    // Bedrock has a lower limit than we: the refusal is the upstream's own, and says so.
    let status = client.converse(of_size(LIMIT)).await.unwrap_err();
    assert!(reason(&status).starts_with("UPSTREAM_"), "{status:?}");
    let status = client.converse(of_size(LIMIT + 1)).await.unwrap_err();
    // tonic's own code; RESOURCE_EXHAUSTED is what gRPC means for it.
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
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
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    client.converse(ask(NOVA, "hello")).await.unwrap();
}
