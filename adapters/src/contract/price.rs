//! What tokens cost, as a row of `models.toml` says it: exact, never a floating-point number.

use std::fmt::{self, Display};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A price of one token in pico-USD (1e-12 USD), which is a millionth of the price of a million tokens in USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenPrice(i64);

/// What tokens cost where one price holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlacePrices {
    /// Geographies of inference profiles, regions, and [`PlacePrices::ON_DEMAND`].
    pub at: Vec<String>,
    /// What the tier `default` costs.
    pub default: TokenPrices,
    /// What the tier `priority` costs; `None` where not known, as with the other tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<TokenPrices>,
    /// What the tier `flex` costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<TokenPrices>,
    /// What batch jobs cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<TokenPrices>,
    /// What the tier `ultrafast` costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ultrafast: Option<TokenPrices>,
    /// What calls with much input cost in the tier `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContext>,
    /// Where the prices come from.
    pub basis: String,
}

/// Other prices for the whole of a call, once its input is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongContext {
    /// They hold for more input tokens than this, those of the prompt cache included.
    pub above: i64,
    /// What tokens cost then.
    pub prices: TokenPrices,
}

/// The price of each token class; `None` where not known. A price of zero is written out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the classes are those of `TokenCounts`")]
pub struct TokenPrices {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<TokenPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<TokenPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<TokenPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<TokenPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<TokenPrice>,
}

impl PlacePrices {
    /// The bare id in a region of the partition `aws` that has no prices of its own.
    pub const ON_DEMAND: &'static str = "on-demand";

    /// Whether the prices hold at a geography, a region, or [`PlacePrices::ON_DEMAND`].
    #[must_use]
    pub fn hold_at(&self, place: &str) -> bool {
        self.at.iter().any(|at| at == place)
    }

    /// What a service tier costs, by AWS's name of it.
    #[must_use]
    pub fn tier(&self, tier: &str) -> Option<&TokenPrices> {
        match tier {
            "default" => Some(&self.default),
            "priority" => self.priority.as_ref(),
            "flex" => self.flex.as_ref(),
            "batch" => self.batch.as_ref(),
            "ultrafast" => self.ultrafast.as_ref(),
            _ => None,
        }
    }
}

impl TokenPrice {
    /// Decimal places of a price in USD per million tokens.
    const PLACES: usize = 6;

    /// In pico-USD.
    #[must_use]
    pub fn pico_usd(self) -> i64 {
        self.0
    }

    /// Reads a price in USD per million tokens, such as `0.00875`.
    ///
    /// # Errors
    /// It is no plain decimal number, too large, or no whole number of pico-USD a token.
    pub fn read(usd_per_million: &str) -> Result<Self, String> {
        let wrong = || format!("{usd_per_million:?} is no price: at most six decimal places are accepted");
        let (whole, fraction) = match usd_per_million.split_once('.') {
            Some((_, "")) => return Err(wrong()),
            Some(parts) => parts,
            None => (usd_per_million, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > Self::PLACES || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        let padded = format!("{whole}{fraction:0<places$}", places = Self::PLACES);
        padded.parse().map(Self).map_err(|_| wrong())
    }
}

/// In USD per million tokens.
impl Display for TokenPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal(self.0, Self::PLACES))
    }
}

impl<'de> Deserialize<'de> for TokenPrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).map_err(de::Error::custom)
    }
}

impl Serialize for TokenPrice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number of units of 1e-`places`, as a decimal number without needless zeros.
#[must_use]
pub fn decimal(units: i64, places: usize) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly_and_written_as_they_were() {
        for (text, pico) in
            [("3", 3_000_000), ("0.00875", 8_750), ("18.8", 18_800_000), ("0", 0), ("0.000001", 1)]
        {
            let price = TokenPrice::read(text);
            assert_eq!(price, Ok(TokenPrice(pico)), "{text}");
            assert_eq!(price.map(|price| price.to_string()), Ok(text.to_owned()));
        }
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", "1,5", "9999999999999999999", "1.2.3"]
        {
            assert!(TokenPrice::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn decimals_have_no_needless_zeros() {
        let cases = [(0, "0"), (1, "0.000000000001"), (1_500_000_000_000, "1.5"), (-2, "-0.000000000002")];
        for (units, expected) in cases {
            assert_eq!(decimal(units, 12), expected);
        }
        assert_eq!(decimal(i64::MIN, 12), "-9223372.036854775808");
    }
}
