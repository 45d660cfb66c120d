//! The overlay takes what it says, all of it and nothing else; and names every mistake.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::LazyLock;

use bedrock_inference_adapters::contract::{Model, PlacePrices};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::{Home, Residency};
use super::*;
use crate::error::Reason;

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";
const ARN: &str = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3d4e5f6";
const PROVISIONED: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

/// Two models and two ARNs; each block between empty lines can stand anywhere.
const WHOLE: &str = r#"
as_of = "2026-11-24"

[[model]]
family = "claude"
id = "anthropic.claude-nine-v1:0"
provider = "anthropic"
profiles = ["us", "global"]
on_demand = false
limits = { max_input_tokens = 200000, max_output_tokens = 64000 }
capabilities = ["converse", "invoke", "streaming", "system", "tools"]
lifecycle = { status = "active" }
price = [
  { at = ["us"], default = { input = "3.3", output = "16.5" }, basis = "AWS's page" },
  { at = ["global"], default = { input = "3", output = "15" }, flex = { input = "1.5", output = "7.5" }, basis = "AWS's page" },
]

[[model]]
id = "amazon.nova-pro-v1:0"
limits = { max_output_tokens = 5000 }
unpriced = ["eu"]
price = [{ at = ["us", "on-demand"], default = { input = "0.7", output = "3" }, basis = "a contract" }]

[[arn]]
arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3d4e5f6"
model = "us.anthropic.claude-nine-v1:0"

[[arn]]
arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"
model = "amazon.nova-pro-v1:0"
price = { default = { input = "0", output = "0" }, basis = "paid by the hour" }
"#;

static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in().unwrap());

fn built_in() -> Catalog {
    Catalog {
        models: BUILT_IN.models.clone(),
        arns: BTreeMap::new(),
        prices_as_of: None,
        aliases: BTreeMap::new(),
        residency: Residency::default(),
        unknown: BUILT_IN.unknown,
    }
}

fn overlaid(text: &str) -> Result<Catalog, Vec<String>> {
    built_in().overlaid(text)
}

/// All that an overlay can change, by id.
type Seen = (BTreeMap<String, (Model, &'static str, String, String)>, Option<String>);

fn seen(catalog: &Catalog) -> Seen {
    let models = catalog.models.iter().map(|(id, entry)| {
        (id.clone(), (entry.model.clone(), entry.adapter.family(), String::new(), String::new()))
    });
    let arns = catalog.arns.iter().map(|(arn, own)| {
        let (entry, id) = (&own.entry, own.id());
        let (profile, region) = (id.profile.unwrap_or_default(), id.region.unwrap_or_default());
        (arn.clone(), (entry.model.clone(), entry.adapter.family(), profile.to_owned(), region.to_owned()))
    });
    (models.chain(arns).collect(), catalog.prices_as_of.clone())
}

fn model(catalog: &Catalog, id: &str) -> Model {
    catalog.models[id].model.clone()
}

/// The families' own files, each row with its family.
fn own_files() -> String {
    let files = bedrock_inference_adapters::FAMILIES.iter().map(|family| {
        let row = format!("[[model]]\nfamily = {:?}\n", family.adapter.family());
        family.models.replace("[[model]]\n", &row)
    });
    files.collect::<Vec<_>>().concat()
}

#[test]
fn an_empty_overlay_changes_nothing() {
    let known = seen(&built_in());
    for text in ["", "# Nothing yet.\n", "as_of = \"2026-11-24\"\n", "model = []\narn = []\n"] {
        assert_eq!(seen(&overlaid(text).unwrap()), known, "{text:?}");
    }
}

/// The form is that of `models.toml`, and what is built in has no mistake that would be one here.
#[test]
fn the_families_own_files_are_overlays() {
    let known = built_in();
    let sorted = |model: &Model| {
        let mut prices = model.prices.clone();
        prices.iter_mut().for_each(|row| row.at.sort());
        prices.sort_by(|one, other| one.at.cmp(&other.at));
        Model { prices, ..model.clone() }
    };
    let all = |catalog: &Catalog| {
        let models = catalog.models.values().map(|entry| (sorted(&entry.model), entry.adapter.family()));
        models.collect::<Vec<_>>()
    };
    let text = format!("as_of = \"2026-11-22\"\n{}", own_files());
    let nothing = Catalog { models: BTreeMap::new(), ..built_in() };
    assert_eq!(all(&nothing.overlaid(&text).unwrap()), all(&known));
    assert_eq!(all(&overlaid(&text).unwrap()), all(&known));
}

#[test]
fn a_new_model_is_there_as_it_is_written() {
    let catalog = overlaid(WHOLE).unwrap();
    let (models, as_of) = seen(&catalog);
    let (model, family, ..) = &models["anthropic.claude-nine-v1:0"];
    assert_eq!((*family, model.limits.max_output_tokens), ("claude", Some(64_000)));
    let prices: Vec<_> = model.prices.iter().map(|row| row.at.join("+")).collect();
    assert_eq!(prices, ["global", "us"]);
    assert_eq!(as_of.as_deref(), Some("2026-11-24"));
}

/// A place has one row, from one source.
#[test]
fn a_price_holds_at_its_places_and_leaves_the_others() {
    let (known, catalog) = (built_in(), overlaid(WHOLE).unwrap());
    let (old, new) = (model(&known, NOVA), model(&catalog, NOVA));
    let at = |model: &Model, place: &str| model.prices.iter().find(|row| row.hold_at(place)).cloned();
    let row = at(&new, "us").unwrap();
    assert_eq!((row.basis.as_str(), row.flex), ("a contract", None));
    assert_eq!(at(&new, "on-demand"), Some(row));
    assert!(at(&old, "eu").is_some() && at(&new, "eu").is_none());
    let bare = |row: Option<PlacePrices>| row.map(|row| PlacePrices { at: Vec::new(), ..row });
    for place in ["apac", "us-gov-west-1"] {
        assert!(at(&old, place).is_some(), "{place}");
        assert_eq!(bare(at(&old, place)), bare(at(&new, place)), "{place}");
    }
    assert_eq!(new.limits.max_output_tokens, Some(5000));
    assert_eq!(new.limits.max_input_tokens, old.limits.max_input_tokens);
}

#[test]
fn an_arn_stands_for_its_model_in_its_own_region() {
    let catalog = overlaid(WHOLE).unwrap();
    let home = Home { region: "eu-west-1".to_owned(), geography: None };
    let found = catalog.resolve(ARN, &home).unwrap();
    assert_eq!((found.model_id.as_str(), found.region.as_str()), (ARN, "us-west-2"));
    assert_eq!(found.inference_profile.as_deref(), Some("us.anthropic.claude-nine-v1:0"));
    assert!(Arc::ptr_eq(found.entry().unwrap(), &catalog.models["anthropic.claude-nine-v1:0"]));
    let found = catalog.resolve(PROVISIONED, &home).unwrap();
    assert_eq!((found.model_id.as_str(), found.region.as_str()), (PROVISIONED, "us-east-1"));
    assert_eq!((found.entry().unwrap().model.id.as_str(), found.inference_profile.as_ref()), (NOVA, None));
    // Residency knows where they go.
    for (places, reaches) in [(vec!["us"], true), (vec!["us-west-2"], false), (vec!["eu"], false)] {
        let places: Vec<_> = places.into_iter().map(str::to_owned).collect();
        let catalog = overlaid(WHOLE).unwrap().within(Residency::new(&places).unwrap());
        let found = catalog.resolve(ARN, &home).map(drop).map_err(|error| error.reason);
        assert_eq!(found, if reaches { Ok(()) } else { Err(Reason::RegionNotAllowed) }, "{places:?}");
    }
}

/// Tokens of provisioned throughput have no price but one that is given; a bare id is not completed there.
#[test]
fn provisioned_throughput_is_not_priced_by_its_model() {
    let text = format!("[[arn]]\narn = {PROVISIONED:?}\nmodel = {SONNET:?}\n");
    let catalog = overlaid(&text).unwrap();
    let home = Home { region: "us-east-1".to_owned(), geography: None };
    let found = catalog.resolve(PROVISIONED, &home).unwrap();
    assert_eq!((found.model_id.as_str(), found.inference_profile.as_deref()), (PROVISIONED, None));
    assert!(found.entry().unwrap().model.prices.is_empty());
    assert!(!model(&catalog, SONNET).prices.is_empty());
}

/// Mistakes of every kind.
const WRONG: &str = r#"
speed = 1
[[model]]
id = "anthropic.claude-nine"
family = "cloud"
capabilities = ["converse", "flying"]
lifecycle = { status = "active" }
price = [
  { at = ["us", "moon"], default = { input = "3.00000001", outptu = "1" } },
  { at = ["us"], basis = "x" },
]
[[model]]
id = "amazon.nova-pro-v1:0"
family = "claude"
limits = { max_output_tokens = -1 }
unpriced = ["sa"]
[[model]]
id = "us.amazon.nova-pro-v1:0"
[[model]]
provider = "amazon"
[[arn]]
arn = "arn:aws:bedrock:us-gov-west-1:123456789012:application-inference-profile/a1"
model = "amazon.nova-nine-v1:0"
[[arn]]
arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a2"
model = "sa.amazon.nova-pro-v1:0"
[[arn]]
arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a3"
model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
[[arn]]
arn = "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/a4"
model = "us.amazon.nova-pro-v1:0"
"#;

#[test]
fn every_mistake_is_named_at_once() {
    let mistakes = overlaid(WRONG).unwrap_err();
    for wanted in [
        "speed: is not known here",
        "model \"anthropic.claude-nine\": family: \"cloud\" is none; there are claude, generic, nova, titan",
        "model \"anthropic.claude-nine\": provider: is missing",
        "model \"anthropic.claude-nine\": on_demand: is missing",
        "model \"anthropic.claude-nine\": capabilities: unknown variant `flying`",
        "model \"anthropic.claude-nine\": price[0]: at: \"moon\" is neither",
        "model \"anthropic.claude-nine\": price[0]: default: input: \"3.00000001\" is no price",
        "model \"anthropic.claude-nine\": price[0]: default: outptu: is not known here",
        "model \"anthropic.claude-nine\": price[0]: basis: is missing",
        "model \"anthropic.claude-nine\": price[1]: default: is missing",
        "model \"amazon.nova-pro-v1:0\": family: is \"nova\"",
        "model \"amazon.nova-pro-v1:0\": limits: one is not positive",
        "model \"amazon.nova-pro-v1:0\": unpriced: \"sa\" has no price",
        "model \"us.amazon.nova-pro-v1:0\": family: is missing",
        "model[3]: id: is missing",
        "a1\": arn: is of no",
        "a1\": model: \"amazon.nova-nine-v1:0\" is no model",
        "a2\": model: amazon.nova-pro-v1:0 is not sold through sa.",
        "a3\": model: is sold through inference profiles only",
        "a4\": model: is an inference profile",
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.contains(wanted)), "{wanted}: {mistakes:#?}");
    }
}

#[test]
fn what_cannot_be_is_a_mistake() {
    let nova = |more: &str| format!("as_of = \"2026-11-24\"\n[[model]]\nid = {NOVA:?}\n{more}\n");
    let row = |at: &str| format!("{{ at = {at}, default = {{ input = \"1\" }}, basis = \"b\" }}");
    for (text, words) in [
        (format!("{}{}", nova(""), nova("").replace("as_of = \"2026-11-24\"\n", "")), "stands there twice"),
        (nova(&format!("price = [{}, {}]", row("[\"us\"]"), row("[\"us\"]"))), "\"us\" stands there twice"),
        (nova(&format!("unpriced = [\"us\"]\nprice = [{}]", row("[\"us\"]"))), "\"us\" stands there twice"),
        (nova(&format!("price = [{}]", row("[]"))), "names no place"),
        (
            nova(&format!("price = [{}]", row("[\"us\"]"))).replace("2026-11-24", "today"),
            "as_of: says no date",
        ),
        (nova(&format!("price = [{}]", row("[\"us\"]"))).replace("\"b\"", "\" \""), "basis: is missing"),
        (nova("price = 1"), "price: is no array of tables"),
        (nova("limits = 1"), "limits: is no table"),
        (nova("lifecycle = { status = \"gone\" }"), "\"gone\" is no status"),
        (nova("lifecycle = { status = \"eol\" }"), "without eol_date"),
        (nova("lifecycle = { status = \"eol\", eol_date = \"soon\" }"), "is no date"),
        (nova("profiles = [\"mars\"]"), "profiles: one is no geography: us, eu"),
        (nova("profiles = []\non_demand = false"), "nobody can call an active model"),
        (nova("capabilities = [\"tools\"]"), "nobody can call it"),
        (nova("provider = \"meta\""), "with which the id does not begin"),
        (nova("unconfirmed = [\"converse\"]"), "has what is among the capabilities"),
        ("[[model]\n".to_owned(), "line 1: "),
        ("a = 1\nb = \n".to_owned(), "line 2: "),
    ] {
        let mistakes = overlaid(&text).map(drop).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(words)), "{text}: {mistakes:?}");
    }
}

/// Members of a correction, and whether a model has what they say.
type Correction = (&'static str, fn(&mut Model));

const CORRECTIONS: [Correction; 6] = [
    ("limits = { max_output_tokens = 77 }", |model| model.limits.max_output_tokens = Some(77)),
    ("limits = { max_input_tokens = 99, max_stop_sequences = 3 }", |model| {
        model.limits.max_input_tokens = Some(99);
        model.limits.max_stop_sequences = Some(3);
    }),
    ("refuses = [\"audio\", \"prefill\"]", |model| {
        use bedrock_inference_adapters::contract::Refused;
        model.refuses = vec![Refused::Audio, Refused::Prefill];
    }),
    ("lifecycle = { status = \"legacy\" }", |model| {
        model.lifecycle.status = "legacy".to_owned();
        model.lifecycle.eol_date = None;
    }),
    ("profiles = [\"us\", \"in\"]", |model| model.profiles = vec!["us".to_owned(), "in".to_owned()]),
    ("route = \"converse\"", |model| {
        model.route = Some(bedrock_inference_adapters::contract::RouteRule::Converse);
    }),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_correction_changes_exactly_what_it_says(
        which in any::<Index>(),
        members in subsequence((0..CORRECTIONS.len()).collect::<Vec<_>>(), 0..=CORRECTIONS.len()),
    ) {
        // Both are members of one name.
        let members: Vec<_> = members.iter().filter(|at| **at != 1 || !members.contains(&0)).collect();
        let known = built_in();
        let ids: Vec<_> = known.models.keys().collect();
        let id = *which.get(&ids);
        let mut text = format!("[[model]]\nid = {id:?}\n");
        let mut expected = seen(&known);
        for at in members {
            let (member, change) = CORRECTIONS[*at];
            text.push_str(member);
            text.push('\n');
            change(&mut expected.0.get_mut(id).unwrap().0);
        }
        prop_assert_eq!(seen(&overlaid(&text).unwrap()), expected);
    }

    /// A price is replaced where it is given, of any model and at any of its places, and nowhere else.
    #[test]
    fn a_price_changes_at_its_places_alone(which in any::<Index>(), place in any::<Index>()) {
        let known = built_in();
        let priced: Vec<_> = known.models.values().filter(|entry| !entry.model.prices.is_empty()).collect();
        let old = &which.get(&priced).model;
        let places: Vec<_> = old.prices.iter().flat_map(|row| &row.at).collect();
        let place = *place.get(&places);
        let text = format!(
            "as_of = \"2026-11-24\"\n[[model]]\nid = {:?}\nprice = [{{ at = [{place:?}], \
             default = {{ input = \"7\" }}, basis = \"b\" }}]\n", old.id
        );
        let new = overlaid(&text).unwrap();
        let new = model(&new, &old.id);
        for at in places {
            let tiers = |model: &Model| {
                let rows: Vec<_> = model.prices.iter().filter(|row| row.hold_at(at)).collect();
                assert_eq!(rows.len(), 1);
                (rows[0].default, rows[0].priority, rows[0].flex, rows[0].batch, rows[0].basis.clone())
            };
            prop_assert_eq!(tiers(&new) == tiers(old), at != place, "{} {}", old.id, at);
        }
    }

    #[test]
    fn the_order_says_nothing(order in Just((1..5).collect::<Vec<usize>>()).prop_shuffle(), turned in any::<bool>()) {
        let blocks: Vec<_> = WHOLE.trim().split("\n\n").collect();
        let shuffled = order.iter().map(|at| blocks[*at]).collect::<Vec<_>>().join("\n");
        let mut text = format!("{}\n{shuffled}", blocks[0]);
        if turned {
            text = text.replace("[\"us\", \"on-demand\"]", "[\"on-demand\", \"us\"]");
            let rows: Vec<_> = text.lines().filter(|line| line.starts_with("  {")).collect();
            text = text.replace(&rows.join("\n"), &[rows[1], rows[0]].join("\n"));
        }
        prop_assert_eq!(seen(&overlaid(&text).unwrap()), seen(&overlaid(WHOLE).unwrap()));
    }

    /// Whatever becomes of the file's bytes, it is taken as it then stands, with all of its rows, or refused.
    #[test]
    fn a_damaged_overlay_is_never_taken_by_half(
        edits in prop::collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            let printed = b' ' + byte % 95;
            match kind {
                0 => bytes[at] = printed,
                1 => bytes.insert(at, printed),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        let Ok(catalog) = overlaid(&text) else { return Ok(()) };
        let table: toml::Table = text.parse().unwrap();
        let rows = |kind: &str| table.get(kind).and_then(|rows| rows.as_array().cloned()).unwrap_or_default();
        let known = built_in();
        let named: Vec<_> = rows("model").iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        for (row, id) in rows("model").iter().zip(&named) {
            let model = model(&catalog, id);
            let own = row.get("price").and_then(|price| price.as_array().cloned()).unwrap_or_default();
            for price in &own {
                let basis = price["basis"].as_str().unwrap();
                let at = price["at"].as_array().unwrap();
                let there = model.prices.iter().any(|held| {
                    held.basis == basis && at.iter().all(|place| held.hold_at(place.as_str().unwrap()))
                });
                prop_assert!(there, "{}", text);
            }
        }
        let (mut others, expected) = (seen(&catalog), seen(&known));
        let arns = rows("arn").len();
        prop_assert_eq!(catalog.arns.len(), arns);
        others.0.retain(|id, _| !id.starts_with("arn:") && !named.contains(id));
        let mut expected = expected.0;
        expected.retain(|id, _| !named.contains(id));
        prop_assert_eq!(others.0, expected, "{}", text);
    }
}
