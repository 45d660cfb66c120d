//! Amounts of money, exactly.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decimal places of an amount.
const PLACES: u32 = 12;

/// An amount in USD, to the pico-USD; written as text, `"12.50"`, or as a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Usd {
    pico: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Whole(i64),
}

impl Usd {
    /// In pico-USD (1e-12 USD).
    #[must_use]
    pub fn pico(self) -> i64 {
        self.pico
    }
}

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let pico = || {
            let missing = PLACES.checked_sub(u32::try_from(rest.len()).ok()?)?;
            let fraction = if rest.is_empty() { 0 } else { rest.parse::<i64>().ok()? };
            let fraction = fraction.checked_mul(10_i64.checked_pow(missing)?)?;
            whole.parse::<i64>().ok()?.checked_mul(10_i64.pow(PLACES))?.checked_add(fraction)
        };
        let amount = (digits(whole) && digits(rest)).then(pico).flatten();
        let pico = amount.ok_or("an amount in USD such as \"12.50\" is accepted, from 0 to 9 million")?;
        Ok(Self { pico })
    }
}

impl TryFrom<Written> for Usd {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Whole(whole) => whole.to_string().parse(),
        }
    }
}

impl From<Usd> for String {
    fn from(amount: Usd) -> Self {
        let (whole, fraction) = (amount.pico / 10_i64.pow(PLACES), amount.pico % 10_i64.pow(PLACES));
        format!("{whole}.{fraction:012}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, pico) in [
            ("0", 0),
            ("1", 1_000_000_000_000),
            ("12.50", 12_500_000_000_000),
            ("0.000000000001", 1),
            ("9000000", 9_000_000_000_000_000_000),
            ("3.", 3_000_000_000_000),
        ] {
            let amount: Result<Usd, _> = text.parse();
            assert_eq!(amount, Ok(Usd { pico }), "{text}");
            assert_eq!(String::from(Usd { pico }).parse(), amount);
        }
        for text in ["", ".5", "-1", "1e3", "1,5", "0.0000000000001", "10000000", "+1", " 1"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }
}
