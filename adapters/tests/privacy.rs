//! Content cannot be printed: what the contract's types print is kinds and sizes.

use bedrock_inference_adapters::contract::{Content, ConverseCall, Event, InvokeHeaders, Piece};
use bedrock_inference_adapters::converse;
use bedrock_inference_proto::v1;

const SECRET: &str = "canary";

#[test]
fn content_prints_its_size() {
    assert_eq!(format!("{:?}", Content::from(SECRET)), "6 bytes");
    assert_eq!(format!("{:?}", Event::Raw(SECRET.into())), "Raw(6 bytes)");
    let piece = Piece::Frame { event: "chunk", payload: SECRET.into() };
    assert_eq!(format!("{piece:?}"), r#"Frame { event: "chunk", payload: 6 bytes }"#);
}

#[test]
fn calls_and_what_becomes_of_them_print_no_content() {
    let text = v1::ContentBlock { kind: Some(v1::content_block::Kind::Text(SECRET.to_owned())) };
    let request = v1::ConverseRequest {
        messages: vec![v1::Message { role: Some("user".to_owned()), content: vec![text.clone()] }],
        request_metadata: [(SECRET.to_owned(), SECRET.to_owned())].into(),
        ..v1::ConverseRequest::default()
    };
    let call = ConverseCall::from(request);
    let headers = InvokeHeaders::of(&call.request);
    assert!(headers.request_metadata.as_ref().is_some_and(|metadata| metadata.contains(SECRET)));
    let encoded = converse::encode(&call);
    let block = Event::Block { index: 0, block: Box::new(text) };
    for printed in [format!("{call:?}"), format!("{headers:?}"), format!("{encoded:?}"), format!("{block:?}")]
    {
        assert!(!printed.contains(SECRET), "{printed}");
    }
}
