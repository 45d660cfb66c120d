//! Models without an adapter of their own: no native conversations, and whatever counts a raw reply has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

use bedrock_inference_adapters::contract::{
    AdapterErrorKind, Content, ConverseCall, Model, Piece, ReplyHead, UsageMeter,
};
use bedrock_inference_adapters::generic::FAMILY;
use bedrock_inference_proto::v1::{ConverseRequest, TokenUsage};
use proptest::prelude::*;
use serde_json::{Value, json};

fn model() -> Model {
    let models = FAMILY.read_models().unwrap();
    models.into_iter().find(|model| model.id == "openai.gpt-oss-120b-1:0").unwrap()
}

fn meter() -> Box<dyn UsageMeter> {
    FAMILY.adapter.meter(&model())
}

fn content(json: &Value) -> Content {
    Content::from(json.to_string().into_bytes())
}

fn chunk(json: &Value) -> Piece<'static> {
    Piece::Frame { event: "chunk", payload: content(json) }
}

/// Input, output and cache reads.
fn counts(usage: Option<TokenUsage>) -> Option<(i32, i32, Option<i32>)> {
    usage.map(|usage| {
        let (input, output, read) = (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens);
        assert_eq!(usage.total_tokens, Some(input.unwrap() + output.unwrap() + read.unwrap_or(0)));
        (input.unwrap(), output.unwrap(), read)
    })
}

#[test]
fn a_conversation_has_no_native_form() {
    assert!(!FAMILY.adapter.converses());
    let error = FAMILY.adapter.encode(&model(), &ConverseCall::from(ConverseRequest::default())).unwrap_err();
    let AdapterErrorKind::Unsupported(found) = error.kind else { panic!("{error}") };
    assert_eq!(found[0].path, "modelId");
    assert!(found[0].description.contains("by Converse"), "{}", found[0].description);
}

#[test]
fn bodies_without_counts_have_no_usage() {
    for body in [json!({}), json!([0.5, 0.25]), json!({"usage": 7}), json!({"usage": {"prompt_tokens": 3}})] {
        let mut meter = meter();
        meter.feed(&Piece::Whole(content(&body)));
        assert_eq!((counts(meter.usage()), meter.is_complete()), (None, true), "{body}");
    }
}

proptest! {
    #[test]
    fn a_whole_body_is_counted_by_headers_before_its_own_counts(
        prompt in 0..1_000_000_i32,
        output in 0..1_000_000_i32,
        cached in proptest::option::of(0..1_000_000_i32),
        headers in proptest::option::of((0..1_000_000_i32, 0..1_000_000_i32)),
        llama in any::<bool>(),
    ) {
        let cached = cached.filter(|_| !llama);
        let all = prompt + cached.unwrap_or(0);
        let body = if llama {
            json!({"generation": "hi", "prompt_token_count": prompt, "generation_token_count": output})
        } else {
            let details = cached.map(|cached| json!({"cached_tokens": cached}));
            json!({"choices": [], "usage": {
                "prompt_tokens": all, "completion_tokens": output, "prompt_tokens_details": details,
            }})
        };
        let mut meter = meter();
        let (input_tokens, output_tokens) = headers.unzip();
        meter.feed(&Piece::Head(&ReplyHead { input_tokens, output_tokens, ..ReplyHead::default() }));
        meter.feed(&Piece::Whole(content(&body)));
        let told = headers.map_or((prompt, output, cached), |(input, output)| (input, output, None));
        prop_assert_eq!(counts(meter.usage()), Some(told));
        prop_assert!(meter.is_complete());
    }

    /// Llama counts the prompt in its first chunk and the answer so far in each.
    #[test]
    fn a_stream_ends_with_the_metrics_of_bedrock(
        prompt in 0..1_000_000_i32,
        output in 1..100_i32,
        metrics in proptest::option::of((0..1_000_000_i32, 0..1_000_000_i32)),
    ) {
        let mut meter = meter();
        meter.feed(&Piece::Head(&ReplyHead::default()));
        for said in 1..=output {
            let first = (said == 1).then_some(prompt);
            meter.feed(&chunk(&json!({"prompt_token_count": first, "generation_token_count": said})));
            prop_assert!(!meter.is_complete());
        }
        prop_assert_eq!(counts(meter.usage()), Some((prompt, output, None)));
        if let Some((input, output)) = metrics {
            let metrics = json!({"inputTokenCount": input, "outputTokenCount": output});
            meter.feed(&chunk(&json!({"amazon-bedrock-invocationMetrics": metrics})));
            prop_assert!(meter.is_complete());
            prop_assert_eq!(counts(meter.usage()), Some((input, output, None)));
        }
    }
}
