//! What tokens and text units cost, from a price file that no other crate reads.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

/// See its `source`.
const FILE: &str = include_str!("../prices.json");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "source")]
    _source: String,
    guardrail: UnitPrices,
    rows: Vec<Row>,
}

/// What a text unit costs by policy, in pico-USD.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UnitPrices {
    pub(crate) topic: u64,
    pub(crate) word: u64,
    pub(crate) sensitive_information: u64,
}

/// What a token costs by class, in pico-USD; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(crate) struct TokenPrices {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    #[serde(rename = "cacheWrite5m")]
    pub(crate) cache_write_5m: Option<u64>,
    #[serde(rename = "cacheWrite1h")]
    pub(crate) cache_write_1h: Option<u64>,
}

/// The ids that cost the same: base ids of models, and inference profiles.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    ids: Vec<String>,
    price: TokenPrices,
    /// Regions that cost something else; of a geographic profile, where it is called from.
    #[serde(default)]
    regions: HashMap<String, TokenPrices>,
    /// The service tiers beside `default`.
    #[serde(default)]
    tiers: HashMap<String, TokenPrices>,
    long_context: Option<LongContext>,
}

/// What a whole call costs whose input, cached or not, has more tokens than this.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongContext {
    above: u64,
    price: TokenPrices,
}

/// All that the price of a token depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'c> {
    /// As called: a base id, a profile id, or an ARN of either.
    pub(crate) model_id: &'c str,
    pub(crate) region: &'c str,
    pub(crate) tier: &'c str,
    pub(crate) latency: &'c str,
    /// All input tokens, cached or not.
    pub(crate) input_tokens: u64,
}

/// The price file, read.
#[derive(Debug)]
pub(crate) struct Prices {
    rows: HashMap<String, Arc<Row>>,
    pub(crate) guardrail: UnitPrices,
}

impl Prices {
    /// Reads the embedded file.
    pub(crate) fn load() -> serde_json::Result<Self> {
        let file: File = serde_json::from_str(FILE)?;
        let mut rows = HashMap::new();
        for row in file.rows.into_iter().map(Arc::new) {
            rows.extend(row.ids.iter().map(|id| (id.clone(), Arc::clone(&row))));
        }
        Ok(Self { rows, guardrail: file.guardrail })
    }

    /// What tokens cost. A tier, a region and a long context each have their price; the file has none for two of
    /// them together, and none for optimised latency.
    pub(crate) fn of(&self, place: &Place<'_>) -> TokenPrices {
        let id = match place.model_id.strip_prefix("arn:") {
            Some(arn) => arn.rsplit('/').next().unwrap_or_default(),
            None => place.model_id,
        };
        let Some(row) = self.rows.get(id).filter(|_| place.latency == "standard") else {
            return TokenPrices::default();
        };
        let region = row.regions.get(place.region);
        let long = row.long_context.as_ref().filter(|long| place.input_tokens > long.above);
        match (place.tier, region, long) {
            ("default", None, None) => row.price,
            ("default", Some(price), None) => *price,
            ("default", None, Some(long)) => long.price,
            (tier, None, None) => row.tiers.get(tier).copied().unwrap_or_default(),
            _ => TokenPrices::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::models::Catalogue;

    const NOVA: &str = "us.amazon.nova-pro-v1:0";
    const HAIKU: &str = "global.anthropic.claude-haiku-5-5";

    fn input_price(model_id: &str, region: &str, tier: &str, input_tokens: u64) -> Option<u64> {
        let place = Place { model_id, region, tier, latency: "standard", input_tokens };
        Prices::load().unwrap().of(&place).input
    }

    #[test]
    fn a_price_is_that_of_the_place_or_none() {
        for (id, region, tier, tokens, expected) in [
            (NOVA, "us-east-1", "default", 1, Some(800_000)),
            (NOVA, "us-gov-east-1", "default", 1, Some(960_000)),
            (NOVA, "us-east-1", "priority", 1, Some(1_400_000)),
            (NOVA, "us-gov-east-1", "priority", 1, None),
            (NOVA, "us-east-1", "reserved", 1, None),
            (HAIKU, "us-east-1", "default", 100_000, Some(100_000)),
            (HAIKU, "us-east-1", "default", 100_001, Some(500_000)),
            ("us.anthropic.claude-haiku-5-5", "us-east-1", "default", 100_000, Some(110_000)),
            ("us.anthropic.claude-haiku-5-5", "us-east-1", "default", 100_001, None),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
                "us-east-1",
                "default",
                1,
                Some(800_000),
            ),
            (
                "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-pro-v1:0",
                "eu-west-1",
                "default",
                1,
                Some(1_050_000),
            ),
            ("nope", "us-east-1", "default", 1, None),
        ] {
            assert_eq!(input_price(id, region, tier, tokens), expected, "{id} {region} {tier} {tokens}");
        }
    }

    #[test]
    fn optimised_latency_has_no_price() {
        let place = Place {
            model_id: NOVA,
            region: "us-east-1",
            tier: "default",
            latency: "optimized",
            input_tokens: 1,
        };
        assert_eq!(Prices::load().unwrap().of(&place), TokenPrices::default());
    }

    #[test]
    fn every_id_that_can_be_called_has_a_price_but_those_of_four_models() {
        let (catalogue, prices) = (Catalogue::load().unwrap(), Prices::load().unwrap());
        assert!(prices.rows.keys().all(|id| catalogue.resolve(id).is_ok()));
        let mut unpriced: Vec<_> = catalogue.ids().filter(|id| !prices.rows.contains_key(*id)).collect();
        unpriced.retain(|id| catalogue.resolve(id).is_ok());
        let models = ["claude-3-haiku-", "claude-3-sonnet-", "cohere.command-r-plus-", "cohere.command-r-v1"];
        assert!(unpriced.iter().all(|id| models.iter().any(|model| id.contains(model))), "{unpriced:?}");
    }

    #[test]
    fn an_id_has_one_row() {
        let file: File = serde_json::from_str(FILE).unwrap();
        let ids = file.rows.iter().map(|row| row.ids.len()).sum::<usize>();
        assert_eq!(Prices::load().unwrap().rows.len(), ids);
    }
}
