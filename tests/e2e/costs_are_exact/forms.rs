//! No form of an id finds the price of another: whatever stands for a model, each tier and class costs what the row
//! of exactly that place says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use bedrock_inference::app::known;
use bedrock_inference::catalog::{Catalog, Home, Target};
use bedrock_inference::config::Settings;
use bedrock_inference::price::{Prices, Service};
use bedrock_inference_proto::v1::TokenCounts;

use crate::the_command_line_works::process::file;

const TIERS: [&str; 5] = ["default", "priority", "flex", "batch", "ultrafast"];
const CLASSES: [&str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];

/// Regions of several partitions: one of each geography, those with prices of their own, and where nobody sells.
const REGIONS: [(&str, &str); 12] = [
    ("us-east-1", "aws"),
    ("us-west-2", "aws"),
    ("ca-central-1", "aws"),
    ("sa-east-1", "aws"),
    ("eu-west-1", "aws"),
    ("eu-west-2", "aws"),
    ("ap-northeast-1", "aws"),
    ("ap-southeast-2", "aws"),
    ("us-gov-west-1", "aws-us-gov"),
    ("us-gov-east-1", "aws-us-gov"),
    ("cn-north-1", "aws-cn"),
    ("eusc-de-east-1", "aws-eusc"),
];

/// The price of a token in each class, in pico-USD.
type Rates = [Option<i64>; 5];

/// A row of a family's file, read by nothing of ours.
#[derive(Default)]
struct Row {
    id: String,
    profiles: Vec<String>,
    on_demand: bool,
    /// Places, and what each tier costs there.
    prices: Vec<(Vec<String>, BTreeMap<String, Rates>)>,
}

/// Line by line, since the service reads it as TOML.
fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for file in [
        include_str!("../../../adapters/src/claude/models.toml"),
        include_str!("../../../adapters/src/generic/models.toml"),
        include_str!("../../../adapters/src/nova/models.toml"),
        include_str!("../../../adapters/src/titan/models.toml"),
    ] {
        for line in file.lines() {
            if line == "[[model]]" {
                rows.push(Row::default());
            }
            let Some((name, value)) = line.split_once(" = ") else { continue };
            let Some(row) = rows.last_mut() else { continue };
            match name {
                "id" => row.id = words(value).remove(0),
                "profiles" => row.profiles = words(value),
                "on_demand" => row.on_demand = value == "true",
                "at" => row.prices.push((words(value), BTreeMap::new())),
                tier if TIERS.contains(&tier) => {
                    row.prices.last_mut().unwrap().1.insert(tier.to_owned(), rates(value));
                }
                _ => {}
            }
        }
    }
    rows
}

fn words(line: &str) -> Vec<String> {
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `{ input = "0.8", output = "4" }`
fn rates(line: &str) -> Rates {
    let parts: Vec<_> = line.split('"').collect();
    CLASSES.map(|class| {
        let at = parts
            .iter()
            .position(|part| part.trim_end_matches([' ', '=']).ends_with(&format!(" {class}")))?;
        let (whole, fraction) = parts[at + 1].split_once('.').unwrap_or((parts[at + 1], ""));
        Some(format!("{whole}{fraction:0<6}").parse().unwrap())
    })
}

/// What is seen of a form: each tier, class by class.
fn seen(prices: &Prices, target: &Target) -> Vec<Rates> {
    TIERS
        .iter()
        .map(|tier| {
            let service = Service { tier: Some((*tier).to_owned()), latency: None };
            let price = prices.of(target, &service).ok();
            let one = |count: fn(&mut TokenCounts)| {
                let mut tokens = TokenCounts::default();
                count(&mut tokens);
                Some(price.as_ref()?.cost(&tokens).ok()?.pico_usd)
            };
            [
                one(|tokens| tokens.input = 1),
                one(|tokens| tokens.output = 1),
                one(|tokens| tokens.cache_read = 1),
                one(|tokens| tokens.cache_write_5m = 1),
                one(|tokens| tokens.cache_write_1h = 1),
            ]
        })
        .collect()
}

/// What the file says of the first of these places that has a row.
fn told(row: &Row, places: &[&str]) -> Vec<Rates> {
    let found =
        places.iter().find_map(|place| row.prices.iter().find(|(at, _)| at.iter().any(|at| at == place)));
    TIERS
        .iter()
        .map(|tier| found.and_then(|(_, tiers)| tiers.get(*tier)).copied().unwrap_or_default())
        .collect()
}

/// The places whose prices a bare id has in a region.
fn bare<'p>(region: &'p str, partition: &str) -> Vec<&'p str> {
    if partition == "aws" { vec![region, "on-demand"] } else { vec![region] }
}

fn home(region: &str) -> Home {
    Home { region: region.to_owned(), geography: None }
}

/// What has been checked, and the distinct prices among it.
#[derive(Default)]
struct Checked {
    forms: usize,
    prices: BTreeSet<Vec<Rates>>,
}

impl Checked {
    fn check(
        &mut self,
        (catalog, prices): (&Catalog, &Prices),
        id: &str,
        region: &str,
        expected: Vec<Rates>,
    ) {
        let target =
            catalog.resolve(id, &home(region)).unwrap_or_else(|error| panic!("{id}: {}", error.context));
        assert_eq!(seen(prices, &target), expected, "{id} from {region}");
        self.forms += 1;
        self.prices.insert(expected);
    }
}

/// Every form of every id, called from everywhere.
fn every_form(catalog: &Catalog, rows: &[Row]) -> Checked {
    let prices = Prices::new(catalog);
    let (own, mut checked) = ((catalog, &prices), Checked::default());
    for row in rows {
        for (region, partition) in REGIONS {
            let elsewhere = "us-east-2";
            for geography in &row.profiles {
                let profile = format!("{geography}.{}", row.id);
                let expected = told(row, &[geography]);
                checked.check(own, &profile, region, expected.clone());
                let arn =
                    format!("arn:{partition}:bedrock:{region}:123456789012:inference-profile/{profile}");
                checked.check(own, &arn, elsewhere, expected);
            }
            let arn = format!("arn:{partition}:bedrock:{region}::foundation-model/{}", row.id);
            let expected = if row.on_demand {
                told(row, &bare(region, partition))
            } else {
                // Completed by a profile of the region's geography, or not to be called.
                let Ok(target) = catalog.resolve(&row.id, &home(region)) else { continue };
                let profile = target.inference_profile.unwrap();
                told(row, &[profile.strip_suffix(&format!(".{}", row.id)).unwrap()])
            };
            checked.check(own, &row.id, region, expected.clone());
            checked.check(own, &arn, elsewhere, expected);
        }
    }
    checked
}

#[test]
fn no_form_of_an_id_finds_the_price_of_another() {
    let (catalog, rows) = (Catalog::built_in().unwrap(), rows());
    assert_eq!(rows.len(), catalog.models().count());
    let checked = every_form(&catalog, &rows);
    println!("{} forms, {} distinct prices", checked.forms, checked.prices.len());
    assert!(checked.forms > 6000 && checked.prices.len() > 100, "{} forms", checked.forms);
}

/// Nor where it has none: the price of every other place is there, and is not taken.
#[test]
fn a_form_without_a_price_finds_none() {
    for gone in ["us", "eu", "global", "us-gov", "on-demand", "us-gov-west-1"] {
        let (mut rows, mut text) = (rows(), "as_of = \"2026-11-24\"\n".to_owned());
        for row in &mut rows {
            let places = row.prices.iter_mut().map(|(places, _)| places);
            let taken = places.filter_map(|places| {
                let at = places.iter().position(|place| place == gone)?;
                Some(places.remove(at))
            });
            if taken.count() > 0 {
                write!(text, "[[model]]\nid = {:?}\nunpriced = [{gone:?}]\n", row.id).unwrap();
            }
        }
        assert!(text.contains("unpriced"), "{gone}");
        let overlay = Some(file("gone.toml", &text).into());
        every_form(&known(&Settings { overlay, ..Settings::default() }).unwrap(), &rows);
    }
}

/// An alias costs what the ids cost that it stands for, and completes them where it is.
#[test]
fn an_alias_finds_the_prices_of_its_targets() {
    let rows = rows();
    let mut checked = Checked::default();
    for (region, _) in REGIONS {
        let catalog = Catalog::built_in().unwrap().with_aliases(&BTreeMap::new(), &home(region)).unwrap();
        let prices = Prices::new(&catalog);
        for target in catalog.aliases().flat_map(|(_, choice)| choice.targets.iter()) {
            let row = rows.iter().find(|row| target.model_id.ends_with(&row.id)).unwrap();
            let geography = target.model_id.strip_suffix(&row.id).unwrap().trim_end_matches('.');
            let (_, partition) = REGIONS.iter().find(|(known, _)| *known == target.region).unwrap();
            let places = if geography.is_empty() { bare(region, partition) } else { vec![geography] };
            assert_eq!(seen(&prices, target), told(row, &places), "{} as {}", target.model_id, target.asked);
            checked.check((&catalog, &prices), &target.model_id, region, told(row, &places));
        }
    }
    assert!(checked.forms > 50, "{} targets", checked.forms);
}

/// The same of every application inference profile and of provisioned throughput, as an overlay names them.
#[test]
fn no_arn_of_ones_own_finds_the_price_of_another() {
    let rows = rows();
    let mut text = String::new();
    let mut forms: Vec<(String, Vec<Rates>)> = Vec::new();
    let mut add = |kind: &str, (region, partition): (&str, &str), model: &str, expected: Vec<Rates>| {
        let arn = format!("arn:{partition}:bedrock:{region}:123456789012:{kind}/x{}", forms.len());
        write!(text, "[[arn]]\narn = {arn:?}\nmodel = {model:?}\n").unwrap();
        forms.push((arn, expected));
    };
    for row in &rows {
        for place in [REGIONS[0], REGIONS[4], REGIONS[8], REGIONS[10]] {
            for geography in &row.profiles {
                let profile = format!("{geography}.{}", row.id);
                add("application-inference-profile", place, &profile, told(row, &[geography]));
            }
            if row.on_demand {
                add("application-inference-profile", place, &row.id, told(row, &bare(place.0, place.1)));
            }
            add("provisioned-model", place, &row.id, told(row, &[]));
        }
    }
    let overlay = Some(file("arns.toml", &text).into());
    let catalog = known(&Settings { overlay, ..Settings::default() }).unwrap();
    let prices = Prices::new(&catalog);
    let mut checked = Checked::default();
    for (arn, expected) in forms {
        checked.check((&catalog, &prices), &arn, "us-east-2", expected);
    }
    assert!(checked.forms > 1000 && checked.prices.len() > 100, "{} forms", checked.forms);
}
