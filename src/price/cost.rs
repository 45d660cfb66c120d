//! Amounts: lines by class, and their sum.

use bedrock_inference_adapters::contract::{TokenPrice, TokenPrices, decimal};
use bedrock_inference_proto::v1::{Cost, CostBasis, CostLine, TokenCounts};

use super::Unpriced;

/// Decimal places of an amount in USD.
const PLACES: usize = 12;

/// So many units of a class at so many pico-USD each; `None` for no units.
pub(super) fn line(
    class: &'static str,
    quantity: i64,
    pico_usd: Option<i64>,
) -> Result<Option<CostLine>, Unpriced> {
    match (quantity, pico_usd) {
        (0, _) => Ok(None),
        (i64::MIN..0, _) => Err(Unpriced::Absurd),
        (_, None) => Err(Unpriced::Class(class)),
        (_, Some(each)) => {
            let pico_usd = quantity.checked_mul(each).ok_or(Unpriced::Absurd)?;
            Ok(Some(CostLine { token_class: class.to_owned(), quantity, pico_usd }))
        }
    }
}

/// A line for each class that has tokens.
pub(super) fn lines(prices: &TokenPrices, tokens: &TokenCounts) -> Result<Vec<CostLine>, Unpriced> {
    let classes = [
        ("input", tokens.input, prices.input),
        ("cache_read", tokens.cache_read, prices.cache_read),
        ("cache_write_5m", tokens.cache_write_5m, prices.cache_write_5m),
        ("cache_write_1h", tokens.cache_write_1h, prices.cache_write_1h),
        ("output", tokens.output, prices.output),
    ];
    let lines = classes
        .into_iter()
        .map(|(class, quantity, price)| line(class, quantity, price.map(TokenPrice::pico_usd)));
    lines.filter_map(Result::transpose).collect()
}

/// Counts of so much input in one class, and so much output.
pub(super) type Counted = fn(i64, i64) -> TokenCounts;

/// The classes that input can be in, those that have a price.
pub(super) fn input_classes(prices: &TokenPrices) -> [Option<(TokenPrice, Counted)>; 4] {
    let classes: [(Option<TokenPrice>, Counted); 4] = [
        (prices.input, |input, output| TokenCounts { input, output, ..TokenCounts::default() }),
        (prices.cache_read, |cache_read, output| TokenCounts {
            cache_read,
            output,
            ..TokenCounts::default()
        }),
        (prices.cache_write_5m, |cache_write_5m, output| TokenCounts {
            cache_write_5m,
            output,
            ..TokenCounts::default()
        }),
        (prices.cache_write_1h, |cache_write_1h, output| TokenCounts {
            cache_write_1h,
            output,
            ..TokenCounts::default()
        }),
    ];
    classes.map(|(price, counted)| price.map(|price| (price, counted)))
}

/// The sum of lines.
pub(super) fn total(lines: Vec<CostLine>, basis: CostBasis, version: &str) -> Result<Cost, Unpriced> {
    let mut amounts = lines.iter().map(|line| line.pico_usd);
    let pico_usd = amounts.try_fold(0_i64, i64::checked_add).ok_or(Unpriced::Absurd)?;
    Ok(Cost {
        pico_usd,
        usd: decimal(pico_usd, PLACES),
        basis: basis.into(),
        price_version: version.to_owned(),
        saved_pico_usd: 0,
        lines,
    })
}

/// The cost of several attempts: each class once. `None` where there are none.
///
/// # Errors
/// The sum is beyond an i64.
pub fn sum<'c>(costs: impl IntoIterator<Item = &'c Cost>) -> Result<Option<Cost>, Unpriced> {
    costs.into_iter().try_fold(None, |whole: Option<Cost>, cost| {
        let Some(whole) = whole else { return Ok(Some(cost.clone())) };
        let mut lines = whole.lines.clone();
        for line in &cost.lines {
            match lines.iter_mut().find(|one| one.token_class == line.token_class) {
                None => lines.push(line.clone()),
                Some(one) => {
                    let added =
                        one.quantity.checked_add(line.quantity).zip(one.pico_usd.checked_add(line.pico_usd));
                    (one.quantity, one.pico_usd) = added.ok_or(Unpriced::Absurd)?;
                }
            }
        }
        let basis = if whole.basis() == cost.basis() { cost.basis() } else { CostBasis::Estimated };
        total(lines, basis, &whole.price_version).map(Some)
    })
}
