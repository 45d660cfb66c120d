//! ApplyGuardrail: a guardrail's verdict on content, without a model.

use bedrock_inference_proto::v1::{
    ApplyGuardrailRequest, GuardrailContentBlock, GuardrailTextBlock, guardrail_content_block,
};
use tonic::Code;

use crate::stage::{Stage, reason};

fn judged(source: &str, text: &str) -> ApplyGuardrailRequest {
    let text = GuardrailTextBlock { text: Some(text.to_owned()), qualifiers: Vec::new() };
    ApplyGuardrailRequest {
        guardrail_identifier: Some("demoguardrail1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        source: Some(source.to_owned()),
        content: vec![GuardrailContentBlock { kind: Some(guardrail_content_block::Kind::Text(text)) }],
        ..ApplyGuardrailRequest::default()
    }
}

#[tokio::test]
async fn the_verdict_comes_with_assessments_usage_and_a_report() {
    let stage = Stage::open().await;
    let cases = [
        ("INPUT", "What is the capital of France?", "NONE"),
        ("INPUT", "Which stocks should I invest in?", "GUARDRAIL_INTERVENED"),
        ("OUTPUT", "Write to someone@example.com.", "GUARDRAIL_INTERVENED"),
    ];
    for (source, text, action) in cases {
        let verdict = stage.inference().apply_guardrail(judged(source, text)).await.unwrap().into_inner();
        assert_eq!(verdict.action.as_deref(), Some(action), "{text}");
        assert_eq!(verdict.outputs.is_empty(), action == "NONE", "{text}");
        assert!(!verdict.assessments.is_empty(), "{text}");
        let usage = verdict.usage.unwrap();
        let units = [usage.topic_policy_units, usage.sensitive_information_policy_units];
        assert!(units.iter().flatten().sum::<i32>() > 0, "{text}");
        let report = verdict.call.unwrap();
        // 0.15 USD for a thousand units of topics and of content, 0.10 of personal data and of grounding.
        let by_thousand = [
            (usage.topic_policy_units, 150_000_000),
            (usage.content_policy_units, 150_000_000),
            (usage.sensitive_information_policy_units, 100_000_000),
            (usage.contextual_grounding_policy_units, 100_000_000),
        ];
        let bill: i64 = by_thousand.iter().map(|(units, pico)| i64::from(units.unwrap_or(0)) * pico).sum();
        assert_eq!(report.cost.as_ref().map(|cost| cost.pico_usd), Some(bill), "{text}");
        assert_eq!(report.attempts.len(), 1, "{text}");
        assert_eq!((report.region.as_str(), report.model.as_str()), ("us-east-1", ""), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_guardrail_or_a_missing_name_is_told() {
    let stage = Stage::open().await;
    let unknown = ApplyGuardrailRequest {
        guardrail_identifier: Some("nosuchguardrail".to_owned()),
        ..judged("INPUT", "hi")
    };
    let status = stage.inference().apply_guardrail(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let sent = stage.emulator.calls().len();
    let nameless = ApplyGuardrailRequest { guardrail_identifier: None, ..judged("INPUT", "hi") };
    let versionless = ApplyGuardrailRequest { guardrail_version: None, ..judged("INPUT", "hi") };
    for (request, path) in [(nameless, "guardrailIdentifier"), (versionless, "guardrailVersion")] {
        let status = stage.inference().apply_guardrail(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
        assert!(status.message().starts_with(path), "{}", status.message());
    }
    assert_eq!(stage.emulator.calls().len(), sent);
}
