//! Documents say what the code does: configuration, decisions, commands.

use std::collections::BTreeMap;

use bedrock_inference::error::{Reason, Repeat, Retry};
use tonic::Code;

use crate::tree::{files, read, snake};

/// Every key of the configuration, from the structs of `config`: `timeouts.idle`.
fn keys() -> Vec<String> {
    let sources =
        files().into_iter().filter(|file| file.starts_with("src/config") || file.ends_with("src/config.rs"));
    let structs: BTreeMap<String, syn::ItemStruct> = sources
        .flat_map(|file| syn::parse_file(&read(&file)).unwrap().items)
        .filter_map(|item| match item {
            syn::Item::Struct(found) => Some((found.ident.to_string(), found)),
            _ => None,
        })
        .collect();
    let mut keys = Vec::new();
    collect("Settings", "", &structs, &mut keys);
    assert!(keys.len() > 10, "only {keys:?} were found");
    keys
}

fn collect(name: &str, prefix: &str, structs: &BTreeMap<String, syn::ItemStruct>, keys: &mut Vec<String>) {
    for field in &structs[name].fields {
        let key = format!("{prefix}{}", field.ident.as_ref().unwrap());
        let inner = match &field.ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        match inner {
            Some(inner) if structs.contains_key(&inner) => {
                collect(&inner, &format!("{key}."), structs, keys);
            }
            _ => keys.push(key),
        }
    }
}

#[test]
fn every_key_is_documented() {
    let document = read("docs/configuration.md");
    for key in keys() {
        assert!(document.contains(&format!("`{key}`")), "docs/configuration.md does not name `{key}`");
    }
}

#[test]
fn the_example_shows_every_key_and_is_accepted() {
    let path = crate::tree::root().join("config.example.toml");
    bedrock_inference::config::Settings::load(Some(&path)).unwrap();
    // Keys without a default stand there as comments.
    let example = read("config.example.toml").replace("\n# ", "\n");
    for key in keys() {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            example.lines().any(|line| line.starts_with(&format!("{name} ="))),
            "config.example.toml does not show {key}"
        );
    }
}

#[test]
fn a_decision_is_one_page_with_its_drawbacks() {
    let decisions: Vec<_> = files().into_iter().filter(|file| file.starts_with("docs/decisions")).collect();
    assert!(!decisions.is_empty());
    for file in decisions {
        let text = read(&file);
        for heading in ["## Context", "## Decision", "## Drawbacks", "## Alternatives"] {
            assert!(text.contains(heading), "{} has no {heading:?}", file.display());
        }
        assert!(text.lines().count() <= 60, "{} is longer than a page", file.display());
    }
}

#[test]
fn the_readme_and_ci_run_the_same_tests() {
    assert!(read("README.md").contains("cargo test --workspace"));
    assert!(read("justfile").contains("cargo test --workspace"));
    assert!(read(".ci/run").contains("just"));
}

#[test]
fn every_version_has_a_changelog_section() {
    let changelog = read("CHANGELOG.md");
    assert!(changelog.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))));
}

/// The row of the table that begins with this reason, column by column.
fn row_of(table: &str, reason: &str) -> Vec<String> {
    let row = table.lines().find(|line| line.starts_with(&format!("| `{reason}` |")));
    let row = row.unwrap_or_else(|| panic!("docs/errors.md has no row of {reason}"));
    row.trim_matches('|').split('|').map(|column| column.trim().to_owned()).collect()
}

#[test]
fn every_reason_is_documented_as_it_is() {
    let document = read("docs/errors.md");
    let (before, after) = document.split_once("## After the first content").unwrap();
    for reason in Reason::ALL {
        let name = reason.name(false);
        let row = row_of(before, &name);
        let code = snake(&format!("{:?}", reason.code(false))).to_uppercase();
        assert_eq!(row[1], code, "{name}");
        assert!(row[3].starts_with(reason.billed().name()), "{name} is billed {:?}", reason.billed());
        let least = match reason.repeat() {
            Repeat::Futile => "no".to_owned(),
            Repeat::Sensible => "yes".to_owned(),
            Repeat::After(least, _) => format!("{}", least.as_secs_f64()),
        };
        assert!(row[4].starts_with(&least), "{name} is repeated after {least}, not {}", row[4]);
        let own = match reason.retry() {
            Retry::Never => "no",
            Retry::Elsewhere => "at another target",
            Retry::Freely => "yes",
            Retry::Once => "once",
            Retry::IfPaidTwice => "once, with `retry.pay_twice`",
        };
        assert_eq!(row[5], own, "{name}");
        // What keeps its name under another code has to be named; rules cover the others.
        let (kept, named) = (reason.name(true) == name, after.contains(&format!("`{name}`")));
        let turned = reason.code(true) != reason.code(false) || reason.code(true) == Code::Aborted;
        assert!(named || !(kept && turned), "{name} after the first content");
        assert!(kept || !named, "{name} has another name after the first content");
    }
}
