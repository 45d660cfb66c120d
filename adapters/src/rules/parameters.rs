//! The length of an answer, sampling and stop sequences.

use bedrock_inference_proto::v1::{ConverseStreamRequest, InferenceConfiguration};

use super::conversation::Conversation;
use super::fields;
use super::findings::Findings;
use crate::contract::{Capability, Model};

pub(super) fn check(
    model: &Model,
    request: &ConverseStreamRequest,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    if let Some(config) = &request.inference_config {
        check_length(model, config, conversation, findings);
        check_stops(model, config, findings);
    }
    check_sampling(model, request.inference_config.as_ref(), conversation, findings);
}

/// Betas of Claude such as `output-128k-2025-02-19` raise the limit.
fn check_length(
    model: &Model,
    config: &InferenceConfiguration,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    // Of the others the catalogue knows what is sensible rather than what is refused: 8,000 where the model takes 8,192.
    if let (Some(asked), Some(limit)) = (config.max_tokens, model.limits.max_output_tokens)
        && model.is_of(&["anthropic", "amazon"])
        && i64::from(asked) > limit
        && !conversation.fields.betas.output
    {
        let description = format!("is {asked}; the model answers with at most {limit}");
        findings.of_model("inferenceConfig.maxTokens", description);
    }
}

fn check_stops(model: &Model, config: &InferenceConfiguration, findings: &mut Findings) {
    let found = config.stop_sequences.len();
    if let Some(limit) = model.limits.max_stop_sequences
        && found > limit
    {
        let description = match limit {
            0 => "is set; the model takes none".to_owned(),
            limit => format!("has {found} entries; the model takes at most {limit}"),
        };
        findings.of_model("inferenceConfig.stopSequences", description);
    }
}

fn check_sampling(
    model: &Model,
    config: Option<&InferenceConfiguration>,
    conversation: &Conversation<'_>,
    findings: &mut Findings,
) {
    let fields = &conversation.fields;
    let temperature = [
        ("inferenceConfig.temperature".to_owned(), config.and_then(|config| config.temperature)),
        (fields::path("temperature"), fields.temperature),
    ];
    let top_p = [
        ("inferenceConfig.topP".to_owned(), config.and_then(|config| config.top_p)),
        (fields::path("top_p"), fields.top_p),
    ];
    let set = |parameters: &[(String, Option<f64>); 2]| parameters.iter().any(|(_, value)| value.is_some());
    if !model.may(Capability::SamplingParams) {
        // 1 is the default of both, which a model without these parameters has too.
        #[expect(clippy::float_cmp, reason = "exactly the default")]
        let other = |value: Option<f64>| value.is_some_and(|value| value != 1.0);
        let set = temperature.into_iter().chain(top_p).filter(|(_, value)| other(*value));
        let top_k = fields.top_k.then(|| fields::path("top_k"));
        for path in set.map(|(path, _)| path).chain(top_k) {
            findings.of_model(path, "is set; the model takes no sampling parameters");
        }
    } else if !model.may(Capability::TemperatureWithTopP) && set(&temperature) {
        for (path, _) in top_p.into_iter().filter(|(_, value)| value.is_some()) {
            findings.of_model(path, "is set beside temperature; the model takes one of the two");
        }
    }
}
