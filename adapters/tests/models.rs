//! Every family's `models.toml` is what the catalogue expects.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{Capability, Family, Model, Refused};

/// The prefixes of inference profiles that AWS documents.
const GEOGRAPHIES: [&str; 11] =
    ["us", "eu", "apac", "jp", "au", "ca", "us-gov", "global", "in", "sa", "amer"];

/// Who sells conversations through Bedrock, and must not be lost.
const PROVIDERS: [&str; 17] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "writer",
    "xai",
    "zai",
];

const STATUSES: [&str; 5] = ["active", "legacy", "eol", "retired-or-unlisted", "unknown"];

fn all() -> Vec<Model> {
    FAMILIES.iter().flat_map(|family| family.read_models().unwrap()).collect()
}

#[test]
fn every_family_has_models_and_a_name_of_its_own() {
    let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.adapter.family()).collect();
    assert_eq!(names.len(), FAMILIES.len());
    for family in FAMILIES {
        assert!(!family.read_models().unwrap().is_empty(), "{}", family.adapter.family());
    }
}

#[test]
fn no_id_and_no_profile_id_stands_twice() {
    let mut seen = BTreeSet::new();
    for model in all() {
        for id in model.profile_ids().chain([model.id.clone()]) {
            assert!(seen.insert(id.clone()), "{id} stands twice");
        }
    }
}

#[test]
fn rows_stand_in_the_order_of_their_ids() {
    for family in FAMILIES {
        let models = family.read_models().unwrap();
        let first = models.windows(2).find(|pair| pair[0].id >= pair[1].id).map(|pair| pair[1].id.clone());
        assert_eq!(first, None, "{}", family.adapter.family());
    }
}

#[test]
fn every_provider_of_conversations_is_there() {
    let can = all().into_iter().filter(|model| model.can(Capability::Converse));
    let found: BTreeSet<_> = can.map(|model| model.provider).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), PROVIDERS);
}

/// A capability is told, open or neither; what is told is not refused.
#[test]
fn no_row_contradicts_itself() {
    for model in all() {
        let id = &model.id;
        for open in &model.unconfirmed {
            assert!(!model.can(*open), "{id}: {open:?} is told and open");
        }
        let ways = [Capability::Converse, Capability::Invoke];
        assert!(ways.iter().any(|way| model.can(*way)), "{id}: there is no way to call it");
        let schema = model.can(Capability::StructuredOutput) && model.refuses(Refused::StructuredOutput);
        assert!(!schema, "{id} takes a schema and refuses it");
    }
}

#[test]
fn every_row_is_sound() {
    for model in all() {
        let id = &model.id;
        assert!(id.starts_with(&format!("{}.", model.provider)), "{id} is not by {}", model.provider);
        for geography in &model.profiles {
            assert!(GEOGRAPHIES.contains(&geography.as_str()), "{id}: no geography is called {geography}");
        }
        let status = model.lifecycle.status.as_str();
        assert!(STATUSES.contains(&status), "{id}: no status is called {status}");
        if let Some(date) = &model.lifecycle.eol_date {
            assert!(is_date(date), "{id}: {date} is no date");
        }
        assert!(status != "eol" || model.lifecycle.eol_date.is_some(), "{id}: eol without a date");
        assert!(status != "active" || model.on_demand || !model.profiles.is_empty(), "{id} cannot be called");
        for list in [&model.capabilities, &model.unconfirmed] {
            let distinct: BTreeSet<_> = list.iter().map(|c| format!("{c:?}")).collect();
            assert_eq!(distinct.len(), list.len(), "{id} has a capability twice");
        }
        let both = !model.can(Capability::TemperatureWithTopP) || model.can(Capability::SamplingParams);
        assert!(both, "{id} takes temperature with top_p but neither alone");
        let limits = model.limits;
        for limit in [limits.max_input_tokens, limits.max_output_tokens, limits.prompt_cache_min_tokens] {
            assert!(limit.is_none_or(|tokens| tokens > 0), "{id} has a limit that is not positive");
        }
        let cached = limits.prompt_cache_min_tokens.is_none() || model.can(Capability::PromptCaching);
        assert!(cached, "{id} has a cache minimum but no cache");
    }
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[test]
fn a_row_with_anything_unknown_is_refused() {
    let good = r#"
        [[model]]
        id = "a.b"
        provider = "a"
        on_demand = true
        capabilities = ["streaming"]
        lifecycle = { status = "active" }
    "#;
    let read = |models: String| {
        let models: &'static str = models.leak();
        Family { models, ..FAMILIES[0] }.read_models()
    };
    let model = read(good.to_owned()).unwrap().remove(0);
    assert_eq!((model.profiles.len(), model.limits.max_input_tokens), (0, None));
    assert!(model.can(Capability::Streaming) && !model.can(Capability::Tools));
    let bad = [
        good.replace("on_demand", "on_demnad"),
        good.replace("[[model]]", "[[models]]"),
        format!("{good}\nextra = 1"),
        format!("{good}\nlimits = {{ max_tokens = 1 }}"),
        good.replace("streaming", "streming"),
        good.replace("status = \"active\"", "status = \"active\", since = \"2026\""),
        good.replace("status = \"active\"", ""),
        good.replace("id = \"a.b\"", ""),
    ];
    for models in bad {
        assert!(read(models.clone()).is_err(), "{models}");
    }
}
