//! Arbitrary replies: all fourteen kinds of content block, the unknown one and the empty one.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::content_block::Kind;
use bedrock_inference_proto::v1::*;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,4}", ".{0,8}"]
}

fn blob() -> impl Strategy<Value = bytes::Bytes> {
    vec(any::<u8>(), 0..6).prop_map(bytes::Bytes::from)
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    });
    nested.prop_map(|json| json.to_string())
}

/// What a value is read from, and its twin: as replies have them, and any other two.
fn document() -> impl Strategy<Value = (Option<String>, Option<String>)> {
    prop_oneof![
        4 => json().prop_map(|json| { let text = document_from_json(&json).unwrap().1; (Some(json), text) }),
        1 => (of(json()), of(prop_oneof![json(), text()])),
    ]
}

/// The value of that JSON; a macro, since this crate cannot name `google.protobuf.Value`.
macro_rules! value {
    ($json:expr) => {
        $json.and_then(|json| document_from_json(&json).unwrap().0)
    };
}

fn image_source() -> impl Strategy<Value = ImageSource> {
    of(prop_oneof![
        blob().prop_map(image_source::Kind::Bytes),
        of(text()).prop_map(|uri| image_source::Kind::S3Location(S3Location { uri, bucket_owner: None })),
    ])
    .prop_map(|kind| ImageSource { kind })
}

fn image() -> impl Strategy<Value = ImageBlock> {
    let error = of(text()).prop_map(|message| ErrorBlock { message });
    (of(text()), of(image_source()), of(error)).prop_map(|(format, source, error)| ImageBlock {
        format,
        source,
        error,
    })
}

fn document_block() -> impl Strategy<Value = DocumentBlock> {
    let part = of(text())
        .prop_map(|text| DocumentContentBlock { kind: text.map(document_content_block::Kind::Text) });
    let kind = prop_oneof![
        text().prop_map(document_source::Kind::Text),
        blob().prop_map(document_source::Kind::Bytes),
    ];
    let source = (of(kind), vec(part, 0..3)).prop_map(|(kind, content)| DocumentSource { kind, content });
    (of(text()), of(text()), of(source), of(text())).prop_map(|(format, name, source, context)| {
        DocumentBlock { format, name, source, context, citations: None }
    })
}

fn video() -> impl Strategy<Value = VideoBlock> {
    let source = of(blob()).prop_map(|bytes| VideoSource { kind: bytes.map(video_source::Kind::Bytes) });
    (of(text()), of(source)).prop_map(|(format, source)| VideoBlock { format, source })
}

fn audio() -> impl Strategy<Value = AudioBlock> {
    let source = of(blob()).prop_map(|bytes| AudioSource { kind: bytes.map(audio_source::Kind::Bytes) });
    (of(text()), of(source)).prop_map(|(format, source)| AudioBlock { format, source, error: None })
}

fn tool_use() -> impl Strategy<Value = ToolUseBlock> {
    (of(text()), of(text()), document(), of(text())).prop_map(
        |(tool_use_id, name, (input, input_text), r#type)| ToolUseBlock {
            tool_use_id,
            name,
            input: value!(input),
            r#type,
            input_text,
        },
    )
}

fn tool_result() -> impl Strategy<Value = ToolResultBlock> {
    use tool_result_content_block::Kind;
    let plain = prop_oneof![
        text().prop_map(Kind::Text),
        image().prop_map(Kind::Image),
        document_block().prop_map(Kind::Document),
        video().prop_map(Kind::Video),
        search_result().prop_map(Kind::SearchResult),
    ];
    let part = prop_oneof![
        of(plain).prop_map(|kind| ToolResultContentBlock { kind, json_text: None }),
        document().prop_map(|(json, json_text)| ToolResultContentBlock {
            kind: value!(json).map(Kind::Json),
            json_text,
        }),
    ];
    (of(text()), vec(part, 0..4), of(text()), of(text())).prop_map(
        |(tool_use_id, content, status, r#type)| ToolResultBlock { tool_use_id, content, status, r#type },
    )
}

fn search_result() -> impl Strategy<Value = SearchResultBlock> {
    let content = vec(of(text()).prop_map(|text| SearchResultContentBlock { text }), 0..3);
    (of(text()), of(text()), content).prop_map(|(source, title, content)| SearchResultBlock {
        source,
        title,
        content,
        citations: Some(CitationsConfig { enabled: Some(true) }),
    })
}

fn guard_content() -> impl Strategy<Value = GuardrailConverseContentBlock> {
    let text = (of(text()), vec(text(), 0..2)).prop_map(|(text, qualifiers)| {
        guardrail_converse_content_block::Kind::Text(GuardrailConverseTextBlock { text, qualifiers })
    });
    of(text).prop_map(|kind| GuardrailConverseContentBlock { kind })
}

fn reasoning() -> impl Strategy<Value = ReasoningContentBlock> {
    use reasoning_content_block::Kind;
    let readable =
        (of(text()), of(text())).prop_map(|(text, signature)| ReasoningTextBlock { text, signature });
    let kind = prop_oneof![readable.prop_map(Kind::ReasoningText), blob().prop_map(Kind::RedactedContent)];
    of(kind).prop_map(|kind| ReasoningContentBlock { kind })
}

fn citations() -> impl Strategy<Value = CitationsContentBlock> {
    let generated = of(text())
        .prop_map(|text| CitationGeneratedContent { kind: text.map(citation_generated_content::Kind::Text) });
    let quoted = of(text())
        .prop_map(|text| CitationSourceContent { kind: text.map(citation_source_content::Kind::Text) });
    let location = of(any::<(i32, i32)>()).prop_map(|place| CitationLocation {
        kind: place.map(|(start, end)| {
            let document_index = Some(0);
            citation_location::Kind::DocumentPage(DocumentPageLocation {
                document_index,
                start: Some(start),
                end: Some(end),
            })
        }),
    });
    let citation = (of(text()), of(text()), vec(quoted, 0..3), of(location)).prop_map(
        |(title, source, source_content, location)| Citation { title, source, source_content, location },
    );
    (vec(generated, 0..3), vec(citation, 0..3))
        .prop_map(|(content, citations)| CitationsContentBlock { content, citations })
}

fn tool_reference() -> impl Strategy<Value = Option<ToolReference>> {
    of((of(text()), of(text())).prop_map(|(r#type, name)| ToolReference { r#type, name, server_name: None }))
}

fn block() -> impl Strategy<Value = ContentBlock> {
    let kind = prop_oneof![
        text().prop_map(Kind::Text).boxed(),
        image().prop_map(Kind::Image).boxed(),
        document_block().prop_map(Kind::Document).boxed(),
        video().prop_map(Kind::Video).boxed(),
        audio().prop_map(Kind::Audio).boxed(),
        tool_use().prop_map(Kind::ToolUse).boxed(),
        tool_result().prop_map(Kind::ToolResult).boxed(),
        guard_content().prop_map(Kind::GuardContent).boxed(),
        of(text()).prop_map(|ttl| Kind::CachePoint(CachePointBlock { r#type: None, ttl })).boxed(),
        reasoning().prop_map(Kind::ReasoningContent).boxed(),
        citations().prop_map(Kind::CitationsContent).boxed(),
        search_result().prop_map(Kind::SearchResult).boxed(),
        tool_reference().prop_map(|tool| Kind::ToolAddition(ToolAdditionBlock { tool })).boxed(),
        tool_reference().prop_map(|tool| Kind::ToolRemoval(ToolRemovalBlock { tool })).boxed(),
        json().prop_filter_map("not too deep", |json| value!(Some(json)).map(Kind::Unknown)).boxed(),
    ];
    prop_oneof![20 => kind.prop_map(|kind| ContentBlock { kind: Some(kind) }), 1 => Just(ContentBlock::default())]
}

fn usage() -> impl Strategy<Value = TokenUsage> {
    let detail =
        (of(text()), of(any::<i32>())).prop_map(|(ttl, input_tokens)| CacheDetail { ttl, input_tokens });
    (of(any::<i32>()), of(any::<i32>()), of(any::<i32>()), vec(detail, 0..3)).prop_map(
        |(input_tokens, output_tokens, cache_read_input_tokens, cache_details)| TokenUsage {
            input_tokens,
            output_tokens,
            total_tokens: None,
            cache_read_input_tokens,
            cache_write_input_tokens: None,
            cache_details,
        },
    )
}

fn trace() -> impl Strategy<Value = ConverseTrace> {
    let filter =
        of(0.0..1.0_f64).prop_map(|score| GuardrailContextualGroundingFilter { score, ..Default::default() });
    let policy =
        vec(filter, 0..2).prop_map(|filters| GuardrailContextualGroundingPolicyAssessment { filters });
    let assessment = of(policy).prop_map(|contextual_grounding_policy| GuardrailAssessment {
        contextual_grounding_policy,
        ..Default::default()
    });
    let list = vec(assessment, 0..2).prop_map(|assessments| GuardrailAssessmentList { assessments });
    let guardrail =
        (vec(text(), 0..2), btree_map(text(), list, 0..2)).prop_map(|(model_output, output_assessments)| {
            GuardrailTraceAssessment { model_output, output_assessments, ..Default::default() }
        });
    let router = of(text()).prop_map(|invoked_model_id| PromptRouterTrace { invoked_model_id });
    (of(guardrail), of(router))
        .prop_map(|(guardrail, prompt_router)| ConverseTrace { guardrail, prompt_router })
}

/// Any reply that has what a reply must have.
pub(crate) fn reply() -> BoxedStrategy<ConverseResponse> {
    let message =
        (of(text()), vec(block().boxed(), 0..6)).prop_map(|(role, content)| Message { role, content });
    let metrics = of(any::<i64>()).prop_map(|latency_ms| ConverseMetrics { latency_ms });
    let latency = of(text()).prop_map(|latency| PerformanceConfiguration { latency });
    let tier = of(text()).prop_map(|r#type| ServiceTier { r#type });
    (
        message.boxed(),
        text(),
        usage().boxed(),
        of(metrics),
        document(),
        of(trace()).boxed(),
        of(latency),
        of(tier),
    )
        .prop_map(|(message, stop_reason, usage, metrics, (fields, fields_text), trace, latency, tier)| {
            ConverseResponse {
                output: Some(ConverseOutput { kind: Some(converse_output::Kind::Message(message)) }),
                stop_reason: Some(stop_reason),
                usage: Some(usage),
                metrics,
                additional_model_response_fields: value!(fields),
                trace,
                performance_config: latency,
                service_tier: tier,
                additional_model_response_fields_text: fields_text,
                call: None,
            }
        })
        .boxed()
}
