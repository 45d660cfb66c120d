//! The prices of the catalogue are those that are published, place by place; what has none has a written reason.

use std::collections::BTreeMap;

use bedrock_inference::catalog::Catalog;
use bedrock_inference_adapters::contract::{Capability, Model, PlacePrices, TokenPrices};

/// Classes in the order of a line.
type Published = [Option<String>; 5];

/// Of one model: places and their prices, or why there are none.
enum Line {
    Prices(BTreeMap<String, Published>),
    None,
}

fn published() -> BTreeMap<String, Line> {
    let mut all = BTreeMap::new();
    for line in include_str!("published.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<_> = line.split(' ').collect();
        let (id, place) = (words[0].to_owned(), words[1].to_owned());
        if place == "none" {
            assert!(words.len() > 3, "{id} has no price and no reason");
            assert!(all.insert(id, Line::None).is_none(), "{line}");
            continue;
        }
        let prices = words[2..].iter().map(|word| (*word != "-").then(|| (*word).to_owned()));
        let prices: Published = prices.collect::<Vec<_>>().try_into().unwrap();
        let Line::Prices(places) = all.entry(id).or_insert_with(|| Line::Prices(BTreeMap::new())) else {
            panic!("{line}");
        };
        assert!(places.insert(place, prices).is_none(), "{line}");
    }
    all
}

fn written(prices: &TokenPrices) -> Published {
    let TokenPrices { input, output, cache_read, cache_write_5m, cache_write_1h } = prices;
    [input, output, cache_read, cache_write_5m, cache_write_1h]
        .map(|price| price.as_ref().map(ToString::to_string))
}

/// What is published of a place: its own row, that of its regions for us-gov, or the row without a place.
fn of<'p>(places: &'p BTreeMap<String, Published>, place: &str, model: &Model) -> Option<&'p Published> {
    let own = places.get(place);
    match place {
        "us-gov" => own.or_else(|| places.get("us-gov-west-1")),
        _ if place == PlacePrices::ON_DEMAND || model.profiles.iter().any(|sold| sold == place) => {
            own.or_else(|| places.get("base"))
        }
        _ => own,
    }
}

#[test]
fn the_catalogue_has_the_published_prices_and_no_others() {
    let (catalog, published) = (Catalog::built_in().unwrap(), published());
    let models: BTreeMap<_, _> = catalog.models().map(|entry| (&entry.model.id, &entry.model)).collect();
    let mut compared = 0;
    for (id, line) in &published {
        let Line::Prices(places) = line else {
            assert!(models.get(id).is_none_or(|model| model.prices.is_empty()), "{id} has a price");
            continue;
        };
        let model = models.get(id).unwrap_or_else(|| panic!("{id} has a price and is not there"));
        assert!(!model.prices.is_empty(), "{id} has no price");
        for row in &model.prices {
            assert!(!row.basis.is_empty() && !row.at.is_empty(), "{id}");
            for place in &row.at {
                assert_eq!(Some(&written(&row.default)), of(places, place, model), "{id} at {place}");
                compared += 1;
            }
        }
        // Nothing that can be called has been left out.
        let priced = |place: &str| model.prices.iter().any(|row| row.hold_at(place));
        for place in places.keys().filter(|place| *place != "base") {
            let region = place.ends_with(|last: char| last.is_ascii_digit());
            let called = if region { model.on_demand } else { model.profiles.contains(place) };
            assert!(!called || priced(place), "{id} has no price at {place}");
        }
        let left = model.profiles.iter().find(|geography| !priced(geography));
        assert_eq!(left, None, "{id}");
        let base = places.contains_key("base");
        assert!(!(model.on_demand && base) || priced(PlacePrices::ON_DEMAND), "{id} has no price by its id");
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn every_model_of_converse_is_among_the_published() {
    let (catalog, published) = (Catalog::built_in().unwrap(), published());
    for entry in catalog.models() {
        let model = &entry.model;
        let own =
            ["anthropic.claude", "amazon.nova", "amazon.titan"].iter().any(|name| model.id.starts_with(name));
        assert!(
            published.contains_key(&model.id) || !(own || model.can(Capability::Converse)),
            "{}",
            model.id
        );
        let mut places: Vec<_> = model.prices.iter().flat_map(|row| &row.at).collect();
        places.sort();
        let twice = places.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "{}: a place has two prices", model.id);
    }
    // AWS's price list has none of these any more.
    let without = published.iter().filter(|(id, line)| {
        let converses =
            catalog.models().any(|entry| entry.model.id == **id && entry.model.can(Capability::Converse));
        matches!(line, Line::None) && converses
    });
    let known = [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "anthropic.claude-3-sonnet-20240229-v1:0",
        "cohere.command-r-plus-v1:0",
        "cohere.command-r-v1:0",
    ];
    assert_eq!(without.map(|(id, _)| id.as_str()).collect::<Vec<_>>(), known);
}
