//! What a guardrail's work costs: the same in every region of the partition `aws`; of others nothing is known.

use bedrock_inference_proto::v1::{CostLine, GuardrailUsage};

use super::{Unpriced, cost, is_apart};

/// The lines of a verdict. A text unit is up to a thousand characters; prices are for a thousand units.
pub(super) fn lines(usage: &GuardrailUsage, region: &str) -> Result<Vec<CostLine>, Unpriced> {
    if is_apart(region) {
        return Err(Unpriced::Guardrail(region.to_owned()));
    }
    let units = [
        // 0.15 USD a thousand.
        ("topic_policy_units", usage.topic_policy_units, 150_000_000),
        ("content_policy_units", usage.content_policy_units, 150_000_000),
        // Free of charge.
        ("word_policy_units", usage.word_policy_units, 0),
        // 0.10 USD a thousand; regular expressions are free.
        ("sensitive_information_policy_units", usage.sensitive_information_policy_units, 100_000_000),
        ("sensitive_information_policy_free_units", usage.sensitive_information_policy_free_units, 0),
        ("contextual_grounding_policy_units", usage.contextual_grounding_policy_units, 100_000_000),
        // 0.00075 USD an image.
        ("content_policy_image_units", usage.content_policy_image_units, 750_000_000),
        // 0.17 USD a thousand.
        ("automated_reasoning_policy_units", usage.automated_reasoning_policy_units, 170_000_000),
    ];
    let lines = units
        .into_iter()
        .map(|(class, units, pico_usd)| cost::line(class, units.unwrap_or(0).into(), Some(pico_usd)));
    lines.filter_map(Result::transpose).collect()
}
