//! Tests of the bound: media, windows, what was asked for, and that more is never less.
#![expect(clippy::unwrap_used, reason = "tests")]
use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{ContentBlock, Message};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn model(id: &str) -> Model {
    let mut models = FAMILIES.iter().flat_map(|family| family.read_models().unwrap());
    models.find(|model| model.id == id).unwrap()
}

const OPUS: &str = "anthropic.claude-opus-4-1-20250805-v1:0";

fn read(request: &Value) -> ConverseStreamRequest {
    codec::read(request.to_string().as_bytes()).unwrap().value
}

fn with(content: Value) -> ConverseStreamRequest {
    read(&json!({"messages": [{"role": "user", "content": [content]}]}))
}

fn most(request: &ConverseStreamRequest) -> i64 {
    most_input(&Size::of_conversation(request), Some(&model(OPUS)))
}

fn most_native(body: &Value) -> i64 {
    most_input(&native::size(body.to_string().as_bytes()), Some(&model(OPUS)))
}

#[test]
fn media_count_by_their_kind() {
    let bytes = "A".repeat(8_000_000);
    let s3 = json!({"s3Location": {"uri": "s3://bucket/key"}});
    let base64 = json!({"bytes": bytes});
    let image = most(&with(json!({"image": {"format": "png", "source": base64}})));
    assert!((IMAGE..IMAGE + 2 * AROUND).contains(&image), "{image}");
    let text = most(&with(json!({"document": {"format": "txt", "name": "a", "source": {"bytes": "QUJD"}}})));
    assert!(text < 2 * AROUND, "{text}");
    let result = |content: Value| json!({"toolResult": {"toolUseId": "t", "content": [content]}});
    for whole in [
        json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "QUJD"}}}),
        json!({"document": {"format": "txt", "name": "a", "source": s3}}),
        json!({"video": {"format": "mp4", "source": {"bytes": "QUJD"}}}),
        json!({"audio": {"format": "mp3", "source": {"bytes": "QUJD"}}}),
        result(json!({"video": {"format": "mp4", "source": s3}})),
    ] {
        assert_eq!(most(&with(whole.clone())), 200_000, "{whole}");
    }
}

#[test]
fn native_media_count_by_their_kind_too() {
    let source = json!({"type": "base64", "media_type": "image/png", "data": "A".repeat(9_000)});
    let image = json!({"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
    let most = most_native(&image);
    assert!((IMAGE + 9_000..IMAGE + 9_000 + 2 * AROUND).contains(&most), "{most}");
    let likely = likely_input(&native::size(image.to_string().as_bytes()));
    assert!((LIKELY_MEDIUM..LIKELY_MEDIUM + 100).contains(&likely), "{likely}");
    for whole in [
        json!({"messages": [{"content": [{"type": "document", "source": {}}]}]}),
        json!({"messages": [{"content": [{"video": {"source": {"s3Location": {}}}}]}]}),
    ] {
        assert_eq!(most_native(&whole), 200_000, "{whole}");
    }
    // In a tool's schema they are names.
    let tool =
        json!({"tools": [{"input_schema": {"properties": {"image": {"type": "string"}, "file": {}}}}]});
    assert!(most_native(&tool) < 2 * AROUND);
    // A member that is there twice may be read either way.
    let twice = br#"{"messages": [{"type": "image"}], "messages": []}"#;
    assert_eq!(native::size(twice).images, 1);
    assert!(native::size(b"{").boundless);
}

#[test]
fn the_window_is_the_most_but_for_those_who_ask_for_a_wider_one() {
    let long = json!({"text": "x".repeat(500_000)});
    assert_eq!(most(&with(long.clone())), 200_000);
    let beta = json!(["context-1m-2025-08-07"]);
    let mut wide = with(long.clone());
    wide.additional_model_request_fields =
        read(&json!({"additionalModelRequestFields": {"anthropic_beta": beta}}))
            .additional_model_request_fields;
    assert!(most(&wide) > 500_000);
    let native = json!({"anthropic_beta": beta, "messages": [{"content": [long]}]});
    assert!(most_native(&native) > 500_000);
    for family in FAMILIES {
        for model in family.read_models().unwrap() {
            assert!(window(&model).is_none_or(|window| window <= WIDEST_WINDOW), "{}", model.id);
        }
    }
    // Each of the texts of an embedding may be as long as its limit.
    let texts = native::size(json!({"texts": ["x".repeat(100_000)]}).to_string().as_bytes());
    assert!(most_input(&texts, Some(&model("cohere.embed-english-v3"))) > 100_000);
}

#[test]
fn the_answer_is_as_long_as_was_asked_for_or_as_the_model_can() {
    let asked = |request: Value| asked_output(&read(&request));
    assert_eq!(asked(json!({"inferenceConfig": {"maxTokens": 7}})), Some(7));
    assert_eq!(asked(json!({"inferenceConfig": {}})), None);
    for fields in [json!({"max_tokens": 5000}), json!({"a": [{"maxGen": 1}]})] {
        let both = json!({"inferenceConfig": {"maxTokens": 7}, "additionalModelRequestFields": fields});
        assert_eq!(asked(both), None, "{fields}");
    }
    // Thinking is within it.
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}});
    let both = json!({"inferenceConfig": {"maxTokens": 4000}, "additionalModelRequestFields": thinking});
    assert_eq!(asked(both), Some(4000));
}

fn block() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,40}".prop_map(|text| json!({"text": text})),
        any::<[u8; 4]>().prop_map(|_| json!({"image": {"format": "png", "source": {"bytes": "QUJD"}}})),
        any::<f64>()
            .prop_map(|number| json!({"toolUse": {"toolUseId": "t", "name": "n", "input": {"x": number}}})),
        Just(json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "QUJD"}}})),
    ]
}

proptest! {
    /// What is added never lowers the bound, and the bound is never below a token a byte of text.
    #[test]
    fn more_content_never_lowers_it(blocks in prop::collection::vec(block(), 1..8), extra in block()) {
        let request = |blocks: &[Value]| read(&json!({"messages": [{"role": "user", "content": blocks}]}));
        let before = Size::of_conversation(&request(&blocks));
        let native = json!({"messages": [{"role": "user", "content": blocks}]});
        let mut more = blocks.clone();
        more.push(extra);
        let after = Size::of_conversation(&request(&more));
        let model = model(OPUS);
        prop_assert!(most_input(&before, Some(&model)) <= most_input(&after, Some(&model)));
        prop_assert!(likely_input(&before) <= likely_input(&after));
        let text: usize = blocks.iter().filter_map(|block| block.get("text")?.as_str()).map(str::len).sum();
        prop_assert!(before.text >= i64::try_from(text).unwrap());
        let longer = json!({"messages": [{"role": "user", "content": more}]});
        prop_assert!(most_native(&native) <= most_native(&longer));
    }
}

#[test]
fn an_empty_conversation_has_a_bound() {
    let empty = ConverseStreamRequest::default();
    assert_eq!(most(&empty), AROUND);
    let message = Message { role: None, content: vec![ContentBlock { kind: None }] };
    assert!(most(&ConverseStreamRequest { messages: vec![message], ..empty }) > AROUND);
}
