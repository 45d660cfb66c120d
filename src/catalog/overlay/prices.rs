//! Prices of the overlay: rows that hold at places, and how they meet those that are known.

use bedrock_inference_adapters::contract::{LongContext, PlacePrices, TokenPrices};

use super::super::id::{GEOGRAPHIES, is_region};
use super::members::Members;

/// The rows of a model: the known ones, less the places that the overlay speaks of, and its own behind them.
///
/// A place has one row as a whole: what a given row leaves out is not taken from a known one.
pub(super) fn merged(known: &[PlacePrices], model: &mut Members<'_>) -> Vec<PlacePrices> {
    let mut own: Vec<_> = model.each("price", at_places).into_iter().flatten().collect();
    let gone: Vec<String> = model.take("unpriced").unwrap_or_default();
    for place in &gone {
        if !known.iter().any(|row| row.hold_at(place)) {
            model.wrong("unpriced", &format!("{place:?} has no price that could be taken away"));
        }
    }
    let mut spoken: Vec<_> = own.iter().flat_map(|row| &row.at).chain(&gone).collect();
    spoken.sort();
    for pair in spoken.windows(2) {
        if let [one, other] = pair
            && one == other
        {
            model.wrong("price", &format!("{one:?} stands there twice"));
        }
    }
    let left = known.iter().map(|row| {
        let at = row.at.iter().filter(|place| !spoken.contains(place)).cloned().collect();
        PlacePrices { at, ..row.clone() }
    });
    let left: Vec<_> = left.filter(|row| !row.at.is_empty()).collect();
    // The order in which they were written says nothing.
    own.sort_by(|one, other| one.at.cmp(&other.at));
    [left, own].concat()
}

/// A row with its places.
fn at_places(row: &mut Members<'_>) -> Option<PlacePrices> {
    let at: Option<Vec<String>> = row.or("at", None);
    let mut at = at.unwrap_or_default();
    at.sort();
    if at.is_empty() {
        row.wrong("at", "names no place");
    }
    for place in &at {
        let known = GEOGRAPHIES.contains(&place.as_str()) || is_region(place);
        if !known && place != PlacePrices::ON_DEMAND {
            row.wrong(
                "at",
                &format!(
                    "{place:?} is neither a region, nor {:?}, nor a geography: {}",
                    PlacePrices::ON_DEMAND,
                    GEOGRAPHIES.join(", ")
                ),
            );
        }
    }
    anywhere(at, row)
}

/// A row whose places are known.
pub(super) fn anywhere(at: Vec<String>, row: &mut Members<'_>) -> Option<PlacePrices> {
    let default = row.within("default", tokens);
    let basis: Option<String> = row.take("basis");
    if default.is_none() {
        row.wrong("default", "is missing");
    }
    if basis.as_ref().is_none_or(|basis| basis.trim().is_empty()) {
        row.wrong("basis", "is missing: say where the prices come from");
    }
    let [priority, flex, batch, ultrafast] =
        ["priority", "flex", "batch", "ultrafast"].map(|tier| row.within(tier, tokens));
    let long_context = row.within("long_context", long_context).flatten();
    Some(PlacePrices { at, default: default?, priority, flex, batch, ultrafast, long_context, basis: basis? })
}

fn long_context(row: &mut Members<'_>) -> Option<LongContext> {
    let above = row.or("above", None);
    let prices = row.within("prices", tokens);
    if above.is_some_and(|above: i64| above <= 0) {
        row.wrong("above", "is not positive");
    }
    if prices.is_none() {
        row.wrong("prices", "is missing");
    }
    Some(LongContext { above: above?, prices: prices? })
}

fn tokens(row: &mut Members<'_>) -> TokenPrices {
    TokenPrices {
        input: row.take("input"),
        output: row.take("output"),
        cache_read: row.take("cache_read"),
        cache_write_5m: row.take("cache_write_5m"),
        cache_write_1h: row.take("cache_write_1h"),
    }
}
