//! What a guardrail's work costs: the same in every region of the partition `aws`; of others nothing is known.

use bedrock_inference_proto::v1::{CostLine, GuardrailUsage};

use super::{Unpriced, cost, is_apart};

/// How often a member of a verdict's usage is counted.
type Units = fn(&GuardrailUsage) -> Option<i32>;

/// The price of each.
const PICO_USD: [(&str, Units, i64); 8] = [
    // 0.15 USD a thousand.
    ("topic_policy_units", |usage| usage.topic_policy_units, 150_000_000),
    ("content_policy_units", |usage| usage.content_policy_units, 150_000_000),
    // Free of charge.
    ("word_policy_units", |usage| usage.word_policy_units, 0),
    // 0.10 USD a thousand; regular expressions are free.
    ("sensitive_information_policy_units", |usage| usage.sensitive_information_policy_units, 100_000_000),
    ("sensitive_information_policy_free_units", |usage| usage.sensitive_information_policy_free_units, 0),
    ("contextual_grounding_policy_units", |usage| usage.contextual_grounding_policy_units, 100_000_000),
    // 0.00075 USD an image.
    ("content_policy_image_units", |usage| usage.content_policy_image_units, 750_000_000),
    // 0.17 USD a thousand.
    ("automated_reasoning_policy_units", |usage| usage.automated_reasoning_policy_units, 170_000_000),
];

/// The lines of a verdict. A text unit is up to a thousand characters; prices are for a thousand units.
pub(super) fn lines(usage: &GuardrailUsage, region: &str) -> Result<Vec<CostLine>, Unpriced> {
    if is_apart(region) {
        return Err(Unpriced::Guardrail(region.to_owned()));
    }
    let lines = PICO_USD
        .into_iter()
        .map(|(class, units, pico_usd)| cost::line(class, units(usage).unwrap_or(0).into(), Some(pico_usd)));
    lines.filter_map(Result::transpose).collect()
}

/// The most that so many text units and images can cost: each policy judges each of them.
pub(super) fn most(units: i64, images: i64, region: &str) -> Result<i64, Unpriced> {
    if region.starts_with("us-gov-") {
        return Err(Unpriced::Guardrail(region.to_owned()));
    }
    let each = |of_images: bool| {
        let prices = PICO_USD.into_iter().filter(move |(class, ..)| class.contains("image") == of_images);
        prices.map(|(.., pico_usd)| pico_usd).sum::<i64>()
    };
    let texts = units.checked_mul(each(false));
    let sum = texts.zip(images.checked_mul(each(true))).and_then(|(texts, images)| texts.checked_add(images));
    sum.ok_or(Unpriced::Absurd)
}
