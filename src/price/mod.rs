//! Price: what a call's tokens cost, exactly; and why, where that is not known.
//!
//! All amounts are whole pico-USD (1e-12 USD). Nothing is rounded, since every price is whole a token, and nothing
//! is guessed: a place, a tier or a token class without a price gives [`Unpriced`].

mod cost;
mod guardrail;

use std::sync::Arc;

use bedrock_inference_adapters::contract::{LongContext, Model, PlacePrices, TokenPrices};
use bedrock_inference_proto::v1::{Cost, CostBasis, GuardrailUsage, TokenCounts};

use crate::catalog::{Catalog, Target, partition};

pub use cost::sum;

/// When the prices that are built in were looked up.
const AS_OF: &str = "2026-11-22";

/// The prices of a catalogue, under one version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Prices {
    version: Arc<str>,
}

/// How a call is served, as far as its price depends on it; in the words of AWS, unset for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// `serviceTier.type`.
    pub tier: Option<String>,
    /// `performanceConfig.latency`.
    pub latency: Option<String>,
}

/// All that decides what a model's tokens cost. The classes of its cache writes are apart in the price itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceKey<'k> {
    /// The model.
    pub model: &'k Model,
    /// The geography of the inference profile, `global` included; `None` for the bare id, which stays in its region.
    pub geography: Option<&'k str>,
    /// The region that is called.
    pub region: &'k str,
    /// The service tier.
    pub tier: &'k str,
    /// The latency class.
    pub latency: &'k str,
}

/// What the tokens of one call cost.
#[derive(Debug, Clone)]
pub struct Price {
    prices: TokenPrices,
    long_context: Option<LongContext>,
    /// Whether nothing is known of calls with long input, where those have other prices.
    only_short: bool,
    version: Arc<str>,
}

/// Why something has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// The catalogue has none for the model there.
    #[error("the catalogue has no price of {model} {place}")]
    Model {
        /// The base id.
        model: String,
        /// As it was called.
        place: String,
    },
    /// Not in that tier.
    #[error("the catalogue has no price of {model} in the service tier {tier}")]
    Tier {
        /// The base id.
        model: String,
        /// The service tier.
        tier: String,
    },
    /// Not in that latency class.
    #[error("the catalogue has no price of {model} with the latency {latency}")]
    Latency {
        /// The base id.
        model: String,
        /// The latency class.
        latency: String,
    },
    /// Of other classes, but not of this one.
    #[error("the catalogue has no price for the {0} of this model")]
    Class(&'static str),
    /// Not with so much input in that tier.
    #[error("the catalogue has no price for so much input in this service tier")]
    LongContext,
    /// The answer came without usage.
    #[error("the answer reports no usage of tokens")]
    Unmetered,
    /// Guardrails, there.
    #[error("the catalogue has no price of guardrails in {0}")]
    Guardrail(String),
    /// The numbers are no amounts that can be.
    #[error("the reported usage is negative or beyond any price")]
    Absurd,
}

impl Prices {
    /// The prices of a catalogue's models.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let models = catalog.models().map(|entry| (entry.model.id.as_str(), entry));
        let rows = models.chain(catalog.arns()).map(|(id, entry)| (id, &entry.model.prices));
        // Structs and strings alone: they can always be written.
        let digest =
            rows.fold(FNV_OFFSET, |digest, row| fnv(digest, &serde_json::to_vec(&row).unwrap_or_default()));
        let corrected = catalog.prices_as_of().map(|date| format!("+{date}")).unwrap_or_default();
        Self { version: format!("{AS_OF}{corrected}-{digest:016x}").into() }
    }

    /// The date of the prices, behind it that of the overlay's where it has some, and a digest of them all.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a target's tokens cost, served so.
    ///
    /// # Errors
    /// No price is known.
    pub fn of(&self, target: &Target, service: &Service) -> Result<Price, Unpriced> {
        let Some(entry) = &target.entry else {
            return Err(Unpriced::Model { model: String::new(), place: "without a model".to_owned() });
        };
        self.by_key(&PriceKey::new(&entry.model, target, service))
    }

    fn by_key(&self, key: &PriceKey<'_>) -> Result<Price, Unpriced> {
        let model = || key.model.id.clone();
        let unknown = || Unpriced::Model { model: model(), place: key.place() };
        let place = key.prices().ok_or_else(unknown)?;
        if key.latency != "standard" {
            return Err(Unpriced::Latency { model: model(), latency: word(key.latency) });
        }
        let no_tier = || Unpriced::Tier { model: model(), tier: word(key.tier) };
        let prices = *place.tier(key.tier).ok_or_else(no_tier)?;
        let only_short = key.tier != "default";
        Ok(Price { prices, long_context: place.long_context, only_short, version: Arc::clone(&self.version) })
    }

    /// What a guardrail's verdict cost in a region.
    ///
    /// # Errors
    /// No price is known.
    pub fn of_guardrail(&self, usage: &GuardrailUsage, region: &str) -> Result<Cost, Unpriced> {
        cost::total(guardrail::lines(usage, region)?, CostBasis::Exact, &self.version)
    }
}

impl Prices {
    /// The most that a guardrail's verdict can cost in a region, on so many text units and images.
    ///
    /// # Errors
    /// No price is known.
    pub fn most_of_guardrail(&self, units: i64, images: i64, region: &str) -> Result<i64, Unpriced> {
        guardrail::most(units, images, region)
    }
}

impl Service {
    /// As Bedrock reports it, and what it does not say as it was asked for.
    #[must_use]
    pub fn or(self, asked: &Self) -> Self {
        Self {
            tier: self.tier.or_else(|| asked.tier.clone()),
            latency: self.latency.or_else(|| asked.latency.clone()),
        }
    }
}

impl<'k> PriceKey<'k> {
    fn new(model: &'k Model, target: &'k Target, service: &'k Service) -> Self {
        let geography = target.inference_profile.as_deref().map(|profile| {
            profile.strip_suffix(model.id.as_str()).and_then(|rest| rest.strip_suffix('.')).unwrap_or(profile)
        });
        Self {
            model,
            geography,
            region: &target.region,
            tier: service.tier.as_deref().unwrap_or("default"),
            latency: service.latency.as_deref().unwrap_or("standard"),
        }
    }

    /// The prices that hold there. A profile's are those of its geography, whatever region it is called in.
    fn prices(&self) -> Option<&'k PlacePrices> {
        let at = |place: &str| self.model.prices.iter().find(|prices| prices.hold_at(place));
        match self.geography {
            Some(geography) => at(geography),
            None if is_apart(self.region) => at(self.region),
            None => at(self.region).or_else(|| at(PlacePrices::ON_DEMAND)),
        }
    }

    fn place(&self) -> String {
        match self.geography {
            Some(geography) => format!("through profiles of {geography}"),
            None => format!("in {}", self.region),
        }
    }
}

impl Price {
    /// What these tokens cost, from the usage that Bedrock reported.
    ///
    /// # Errors
    /// A class has tokens but no price, or the sum is beyond an i64.
    pub fn cost(&self, tokens: &TokenCounts) -> Result<Cost, Unpriced> {
        self.cost_as(tokens, CostBasis::Exact)
    }

    /// The least that so much input can cost: without an answer, all of it in its cheapest class.
    ///
    /// # Errors
    /// Those of [`Price::cost`].
    pub fn least(&self, input: i64) -> Result<Cost, Unpriced> {
        let prices = self.for_input(input)?;
        let classes = cost::input_classes(prices);
        let cheapest = classes.into_iter().flatten().min_by_key(|(price, _)| *price);
        let (_, tokens) = cheapest.ok_or(Unpriced::Class("input"))?;
        self.cost_as(&tokens(input, 0), CostBasis::Estimated)
    }

    /// The most that so much input can cost, all of it in its dearest class, with so long an answer.
    ///
    /// # Errors
    /// Those of [`Price::cost`].
    pub fn most(&self, input: i64, output: i64) -> Result<Cost, Unpriced> {
        let prices = self.for_input(input)?;
        let classes = cost::input_classes(prices);
        let dearest = classes.into_iter().flatten().max_by_key(|(price, _)| *price);
        let (_, tokens) = dearest.ok_or(Unpriced::Class("input"))?;
        self.cost_as(&tokens(input, output), CostBasis::Estimated)
    }

    /// Whether an answer costs anything.
    #[must_use]
    pub fn charges_output(&self) -> bool {
        self.prices.output.is_none_or(|price| price.pico_usd() > 0)
    }

    fn cost_as(&self, tokens: &TokenCounts, basis: CostBasis) -> Result<Cost, Unpriced> {
        let input = [tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h];
        let input = input.into_iter().try_fold(0_i64, i64::checked_add).ok_or(Unpriced::Absurd)?;
        cost::total(cost::lines(self.for_input(input)?, tokens)?, basis, &self.version)
    }

    /// The prices of a call with so much input, whatever its class.
    fn for_input(&self, input: i64) -> Result<&TokenPrices, Unpriced> {
        match &self.long_context {
            Some(long) if input > long.above && self.only_short => Err(Unpriced::LongContext),
            Some(long) if input > long.above => Ok(&long.prices),
            _ => Ok(&self.prices),
        }
    }
}

/// Whether a region has prices of its own or none: another partition, such as those of `us-gov` and `cn`.
fn is_apart(region: &str) -> bool {
    partition(region).is_some_and(|partition| partition != "aws")
}

/// As much of the caller's or Bedrock's word as fits into a warning.
fn word(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(20).collect()
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: the same in every build, where the standard library's hash may change with the compiler.
fn fnv(digest: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
