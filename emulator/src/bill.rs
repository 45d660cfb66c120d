//! The bill: what each call costs, in whole pico-USD (10^-12 USD), by a price file of the emulator's own.

use serde::Serialize;

use crate::calls::Operation;
use crate::charges::{Charge, ChargeEnd};
use crate::guardrail::TextUnits;
use crate::prices::{Place, Prices};

/// What Bedrock would bill for the calls that have ended, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// The sum of the lines that did not fail and have a price.
    pub total_pico_usd: u128,
    /// The sum of those that failed half-way and have a price, at most that of their whole answers. It is not in
    /// the total: AWS does not document whether they are billed.
    pub failed_pico_usd: u128,
    /// One for each call that reached a model or a guardrail.
    pub lines: Vec<BillLine>,
    /// What the price file has no price for, in the order of the lines.
    pub unpriced: Vec<Unpriced>,
}

/// What one call used, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BillLine {
    /// The AWS request id.
    pub request_id: String,
    /// The model id as it was called: base id, profile id or ARN; for ApplyGuardrail the guardrail.
    pub model_id: String,
    /// The region that was called, by the signature; without one, that of the emulator.
    pub region: String,
    /// The service tier that served: `default` where none was asked for.
    pub tier: String,
    /// The latency mode that served: `standard` where none was asked for.
    pub latency: String,
    /// What was called.
    pub operation: Operation,
    /// How the answer ended.
    pub end: BillEnd,
    /// The tokens of the whole answer, however much of it was given.
    pub usage: BilledUsage,
    /// What guardrails looked at, in ApplyGuardrail or beside a model.
    pub text_units: TextUnits,
    /// The sum of the parts; `None` where one of them has no price.
    pub pico_usd: Option<u128>,
    /// What it is made of: the classes of which something was used.
    pub parts: Vec<BillPart>,
}

/// How the answer of a billed call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BillEnd {
    /// It was given to its end.
    Finished,
    /// The client went away before. Bedrock goes on and bills the whole answer.
    Aborted,
    /// A scripted fault spoiled it.
    Failed,
}

/// Tokens by class; each token is in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BilledUsage {
    /// Input neither read from nor written to the prompt cache.
    pub input: u32,
    /// Output, reasoning included.
    pub output: u32,
    /// Input read from the prompt cache.
    pub cache_read: u32,
    /// Input written to the prompt cache for five minutes.
    pub cache_write_5m: u32,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h: u32,
}

/// What is counted and has a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BillClass {
    /// Tokens of input outside the prompt cache.
    Input,
    /// Tokens of output.
    Output,
    /// Tokens read from the prompt cache.
    CacheRead,
    /// Tokens written to the prompt cache for five minutes.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Tokens written to the prompt cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Text units looked through for denied topics.
    GuardrailTopic,
    /// Text units looked through for words, which is free.
    GuardrailWord,
    /// Text units looked through for sensitive information.
    GuardrailSensitiveInformation,
}

/// One class of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BillPart {
    /// Of what.
    pub class: BillClass,
    /// How many tokens or text units.
    pub quantity: u64,
    /// What one costs; `None` where the price file does not tell.
    pub pico_usd_each: Option<u64>,
    /// What all cost.
    pub pico_usd: Option<u128>,
}

/// A part without a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// The AWS request id of the line.
    pub request_id: String,
    /// The model id of the line.
    pub model_id: String,
    /// Of what.
    pub class: BillClass,
    /// How many tokens or text units.
    pub quantity: u64,
}

impl Bill {
    /// Prices charges.
    pub(crate) fn of(charges: &[Charge], prices: &Prices) -> Self {
        let lines: Vec<_> = charges.iter().map(|charge| BillLine::of(charge, prices)).collect();
        let sum = |failed: bool| {
            let of_kind = lines.iter().filter(|line| (line.end == BillEnd::Failed) == failed);
            of_kind.filter_map(|line| line.pico_usd).sum()
        };
        let (total_pico_usd, failed_pico_usd) = (sum(false), sum(true));
        let unpriced = lines.iter().flat_map(BillLine::unpriced).collect();
        Self { total_pico_usd, failed_pico_usd, lines, unpriced }
    }
}

impl BillLine {
    fn of(charge: &Charge, prices: &Prices) -> Self {
        let input = charge.usage.input;
        let usage = BilledUsage {
            input: input.plain,
            output: charge.usage.output,
            cache_read: input.read,
            cache_write_5m: input.written_5m,
            cache_write_1h: input.written_1h,
        };
        let tier = charge.service_tier.as_deref().unwrap_or("default");
        let latency = charge.latency.as_deref().unwrap_or("standard");
        let input_tokens = [input.plain, input.read, input.written_5m, input.written_1h];
        let place = Place {
            model_id: &charge.model_id,
            region: &charge.region,
            tier,
            latency,
            input_tokens: input_tokens.into_iter().map(u64::from).sum(),
        };
        let parts = parts(usage, charge.units, &place, prices);
        Self {
            request_id: charge.request_id.clone(),
            model_id: charge.model_id.clone(),
            region: charge.region.clone(),
            tier: tier.to_owned(),
            latency: latency.to_owned(),
            operation: charge.operation,
            end: match charge.end {
                ChargeEnd::Open | ChargeEnd::Finished => BillEnd::Finished,
                ChargeEnd::Aborted => BillEnd::Aborted,
                ChargeEnd::Failed(_) => BillEnd::Failed,
            },
            usage,
            text_units: charge.units,
            pico_usd: parts.iter().map(|part| part.pico_usd).sum(),
            parts,
        }
    }

    fn unpriced(&self) -> impl Iterator<Item = Unpriced> {
        self.parts.iter().filter(|part| part.pico_usd.is_none()).map(|part| Unpriced {
            request_id: self.request_id.clone(),
            model_id: self.model_id.clone(),
            class: part.class,
            quantity: part.quantity,
        })
    }
}

/// What of a call has a price of its own, without what was not used.
fn parts(usage: BilledUsage, units: TextUnits, place: &Place<'_>, prices: &Prices) -> Vec<BillPart> {
    let (token, unit) = (prices.of(place), prices.guardrail);
    let parts = [
        (BillClass::Input, u64::from(usage.input), token.input),
        (BillClass::Output, u64::from(usage.output), token.output),
        (BillClass::CacheRead, u64::from(usage.cache_read), token.cache_read),
        (BillClass::CacheWrite5m, u64::from(usage.cache_write_5m), token.cache_write_5m),
        (BillClass::CacheWrite1h, u64::from(usage.cache_write_1h), token.cache_write_1h),
        (BillClass::GuardrailTopic, units.topic, Some(unit.topic)),
        (BillClass::GuardrailWord, units.word, Some(unit.word)),
        (
            BillClass::GuardrailSensitiveInformation,
            units.sensitive_information,
            Some(unit.sensitive_information),
        ),
    ];
    let used = parts.into_iter().filter(|(_, quantity, _)| *quantity > 0);
    used.map(|(class, quantity, pico_usd_each)| BillPart {
        class,
        quantity,
        pico_usd_each,
        pico_usd: pico_usd_each.map(|each| u128::from(quantity) * u128::from(each)),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::answer::Usage;
    use crate::prompt_cache::InputSplit;

    /// Ids with every price, with some, and with none.
    const IDS: &[&str] = &[
        "amazon.nova-pro-v1:0",
        "eu.amazon.nova-pro-v1:0",
        "amazon.titan-text-express-v1",
        "us.anthropic.claude-sonnet-4-6",
        "global.anthropic.claude-haiku-5-5",
        "us.anthropic.claude-haiku-5-5",
        "us.anthropic.claude-3-haiku-20240307-v1:0",
    ];

    fn charge() -> impl Strategy<Value = Charge> {
        let tokens = || prop_oneof![Just(0), 1..300_000_u32, Just(u32::MAX)];
        let ends = [
            ChargeEnd::Finished,
            ChargeEnd::Aborted,
            ChargeEnd::Failed(None),
            ChargeEnd::Failed(Some("ThrottlingException".to_owned())),
        ];
        let tiers = [None, Some("default"), Some("priority"), Some("flex"), Some("reserved")];
        let end = prop::sample::select(ends.to_vec());
        let tier = prop::sample::select(tiers.to_vec());
        let units = (0..9_u64, 0..9_u64, 0..9_u64);
        let usage = (tokens(), tokens(), tokens(), tokens(), tokens());
        let place = (prop::sample::select(IDS), prop::sample::select(&["us-east-1", "us-gov-west-1"][..]));
        (place, tier, usage, units, end).prop_map(|((id, region), tier, usage, units, end)| {
            let (plain, read, written_5m, written_1h, output) = usage;
            let (topic, word, sensitive_information) = units;
            Charge {
                request_id: "r".to_owned(),
                model_id: id.to_owned(),
                region: region.to_owned(),
                operation: Operation::Converse,
                service_tier: tier.map(str::to_owned),
                latency: None,
                usage: Usage { input: InputSplit { plain, read, written_5m, written_1h }, output },
                units: TextUnits { topic, word, sensitive_information },
                access_key_id: None,
                at: SystemTime::UNIX_EPOCH,
                end,
            }
        })
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_its_lines_and_a_line_of_its_parts(
            charges in prop::collection::vec(charge(), 0..40),
        ) {
            let bill = Bill::of(&charges, &Prices::load().unwrap());
            let (mut total, mut failed, mut unpriced) = (0, 0, 0);
            for (charge, line) in charges.iter().zip(&bill.lines) {
                let quantity: u64 = line.parts.iter().map(|part| part.quantity).sum();
                let (usage, units) = (charge.usage, charge.units);
                let input = usage.input;
                let tokens = [input.plain, input.read, input.written_5m, input.written_1h, usage.output];
                let units = units.topic + units.word + units.sensitive_information;
                prop_assert_eq!(quantity, tokens.map(u64::from).iter().sum::<u64>() + units);
                let without = line.parts.iter().filter(|part| part.pico_usd_each.is_none()).count();
                unpriced += without;
                prop_assert_eq!(line.pico_usd.is_none(), without > 0);
                let Some(pico_usd) = line.pico_usd else { continue };
                let parts = line.parts.iter();
                let sum = parts.map(|part| u128::from(part.quantity) * u128::from(part.pico_usd_each.unwrap()));
                prop_assert_eq!(pico_usd, sum.sum::<u128>());
                if matches!(charge.end, ChargeEnd::Failed(_)) { failed += pico_usd } else { total += pico_usd }
            }
            prop_assert_eq!((bill.lines.len(), bill.unpriced.len()), (charges.len(), unpriced));
            prop_assert_eq!((bill.total_pico_usd, bill.failed_pico_usd), (total, failed));
        }
    }
}
