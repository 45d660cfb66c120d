//! Amounts add up, keys find their own price, and what has none says why.

use bedrock_inference::catalog::{Catalog, Home};
use bedrock_inference::price::{Price, Prices, Service, Unpriced, sum};
use bedrock_inference_proto::v1::{CostBasis, TokenCounts};
use proptest::prelude::*;

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";

fn catalog() -> Catalog {
    Catalog::built_in().unwrap()
}

fn priced(id: &str, region: &str, service: &Service) -> Result<Price, Unpriced> {
    let catalog = catalog();
    let target = catalog.resolve(id, &Home { region: region.to_owned(), geography: None }).unwrap();
    Prices::new(&catalog).of(&target, service)
}

fn tier(tier: &str) -> Service {
    Service { tier: Some(tier.to_owned()), latency: None }
}

fn counts([input, cache_read, cache_write_5m, cache_write_1h, output]: [i64; 5]) -> TokenCounts {
    TokenCounts { input, cache_read, cache_write_5m, cache_write_1h, output }
}

#[test]
fn a_few_costs_are_those_of_a_bill_made_by_hand() {
    let default = Service::default();
    let cases = [
        // 7 x 3.3 + 5 x 0.33 + 3 x 4.125 + 2 x 6.6 + 11 x 16.5 USD a million.
        (format!("us.{SONNET}"), "us-east-1", &default, [7, 5, 3, 2, 11], 231_825_000, "0.000231825"),
        (format!("global.{SONNET}"), "us-east-1", &default, [7, 5, 3, 2, 11], 210_750_000, "0.00021075"),
        // One token above the threshold, and the whole call has the other price.
        (
            format!("global.{SONNET}"),
            "us-east-1",
            &default,
            [200_000, 0, 0, 0, 1],
            600_015_000_000,
            "0.600015",
        ),
        (
            format!("global.{SONNET}"),
            "us-east-1",
            &default,
            [1, 200_000, 0, 0, 1],
            120_028_500_000,
            "0.1200285",
        ),
        (NOVA.to_owned(), "us-east-1", &default, [10, 4, 0, 0, 2], 15_200_000, "0.0000152"),
        (NOVA.to_owned(), "us-gov-west-1", &default, [10, 4, 0, 0, 2], 18_240_000, "0.00001824"),
        (format!("eu.{NOVA}"), "eu-west-1", &default, [10, 4, 0, 0, 2], 19_950_000, "0.00001995"),
        (NOVA.to_owned(), "us-east-1", &tier("flex"), [10, 4, 0, 0, 2], 7_600_000, "0.0000076"),
        (NOVA.to_owned(), "us-east-1", &tier("priority"), [10, 4, 0, 0, 2], 26_600_000, "0.0000266"),
        ("amazon.nova-micro-v1:0".to_owned(), "us-east-1", &default, [0, 1, 0, 0, 0], 8_750, "0.00000000875"),
        (
            "amazon.titan-text-express-v1".to_owned(),
            "us-east-1",
            &default,
            [3, 0, 0, 0, 5],
            3_600_000,
            "0.0000036",
        ),
        (
            "amazon.titan-embed-text-v2:0".to_owned(),
            "us-east-1",
            &default,
            [9, 0, 0, 0, 0],
            180_000,
            "0.00000018",
        ),
    ];
    for (id, region, service, tokens, pico_usd, usd) in cases {
        let cost = priced(&id, region, service).unwrap().cost(&counts(tokens)).unwrap();
        assert_eq!((cost.pico_usd, cost.usd.as_str()), (pico_usd, usd), "{id} in {region} {service:?}");
        assert_eq!(cost.lines.iter().map(|line| line.pico_usd).sum::<i64>(), pico_usd);
        assert_eq!(cost.lines.len(), tokens.iter().filter(|tokens| **tokens > 0).count());
        assert_eq!(cost.basis(), CostBasis::Exact);
        assert!(cost.price_version.starts_with("2026-"));
    }
}

/// I17: whatever has no price says so, and is never taken for something else.
#[test]
fn what_has_no_price_says_why() {
    let optimized = Service { tier: None, latency: Some("optimized".to_owned()) };
    assert!(matches!(priced(NOVA, "us-east-1", &optimized), Err(Unpriced::Latency { .. })));
    for unknown in ["reserved", "priority", "unheard-of"] {
        assert!(
            matches!(priced(SONNET, "us-east-1", &tier(unknown)), Err(Unpriced::Tier { .. })),
            "{unknown}"
        );
    }
    let gone = priced("anthropic.claude-3-haiku-20240307-v1:0", "us-east-1", &Service::default());
    assert!(matches!(gone, Err(Unpriced::Model { .. })));
    // A region of us-gov has its own price or none; a profile is not sold everywhere.
    assert!(priced("deepseek.v3-v1:0", "us-gov-west-1", &Service::default()).is_err());
    assert!(priced(&format!("sa.{SONNET}"), "sa-east-1", &Service::default()).is_err());
    let nova = priced(NOVA, "us-east-1", &Service::default()).unwrap();
    assert_eq!(nova.cost(&counts([1, 0, 1, 0, 1])), Err(Unpriced::Class("cache_write_5m")));
    assert_eq!(nova.cost(&counts([i64::MAX, 0, 0, 0, 0])), Err(Unpriced::Absurd));
    assert_eq!(nova.cost(&counts([i64::MAX, 1, 0, 0, 0])), Err(Unpriced::Absurd));
    assert_eq!(nova.cost(&counts([-1, 0, 0, 0, 0])), Err(Unpriced::Absurd));
}

#[test]
fn the_version_is_that_of_the_prices() {
    let (one, two) = (Prices::new(&catalog()), Prices::new(&catalog()));
    assert_eq!(one.version(), two.version());
}

proptest! {
    /// U18: what the parts cost is what the whole costs, line by line, over every row of the catalogue.
    #[test]
    fn the_parts_cost_what_the_whole_costs(
        row in any::<prop::sample::Index>(),
        one in prop::array::uniform5(0_i64..10_000),
        two in prop::array::uniform5(0_i64..10_000),
    ) {
        let catalog = catalog();
        let home = Home { region: "us-east-1".to_owned(), geography: None };
        let ids = catalog.models().flat_map(|entry| entry.model.profile_ids().chain([entry.model.id.clone()]));
        let targets: Vec<_> = ids.filter_map(|id| catalog.resolve(&id, &home).ok()).collect();
        let price = Prices::new(&catalog).of(row.get(&targets), &Service::default());
        let Ok(price) = price else { return Ok(()) };
        let both: Vec<i64> = one.iter().zip(two).map(|(one, two)| one + two).collect();
        let whole = price.cost(&counts(both.try_into().unwrap()));
        let parts = [price.cost(&counts(one)), price.cost(&counts(two))];
        // Either all of them have a price or none: a class that has none has it nowhere.
        prop_assert!(whole.is_ok() == parts.iter().all(Result::is_ok));
        if let (Ok(whole), [Ok(one), Ok(two)]) = (whole, &parts) {
            let mut summed = sum([one, two]).unwrap().unwrap();
            summed.lines.sort_by_key(|line| whole.lines.iter().position(|l| l.token_class == line.token_class));
            prop_assert_eq!(&whole, &summed);
            // The decimal string is the same number.
            let (dollars, fraction) = whole.usd.split_once('.').unwrap_or((&whole.usd, ""));
            let read: i64 = format!("{dollars}{fraction:0<12}").parse().unwrap();
            prop_assert_eq!(read, whole.pico_usd);
        }
    }

    /// No call costs less than the least or more than the most.
    #[test]
    fn every_cost_is_within_its_bounds(tokens in prop::array::uniform5(0_i64..100_000)) {
        let price = priced(&format!("us.{SONNET}"), "us-east-1", &Service::default()).unwrap();
        let tokens = counts(tokens);
        let input = tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
        let cost = price.cost(&tokens).unwrap().pico_usd;
        prop_assert!(price.least(input).unwrap().pico_usd <= cost);
        prop_assert!(cost <= price.most(input, tokens.output).unwrap().pico_usd);
    }
}
