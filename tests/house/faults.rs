//! The catalogue of faults: each has its row in docs/faults.md, and a test that names it or "not yet" in its row.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{files, read};

/// Every fault: those of the caller, of Bedrock, and inside.
const FAULTS: [(char, usize); 3] = [('C', 20), ('U', 18), ('I', 20)];

fn faults() -> BTreeSet<String> {
    FAULTS.into_iter().flat_map(|(kind, last)| (1..=last).map(move |n| format!("{kind}{n}"))).collect()
}

/// What happens, by id.
fn rows() -> BTreeMap<String, String> {
    let document = read("docs/faults.md");
    let rows = document.lines().filter_map(|line| {
        let mut columns = line.trim_matches('|').split('|').map(str::trim);
        let (id, _, what) = (columns.next()?, columns.next()?, columns.next()?);
        let numbered = id.len() > 1 && id.chars().skip(1).all(|c| c.is_ascii_digit());
        numbered.then(|| (id.to_owned(), what.to_owned()))
    });
    rows.collect()
}

/// The ids at the beginning of a test's first line: `/// C8, C11: messages that are only promised.`
fn named(line: &str) -> Vec<String> {
    let Some(text) = line.trim_start().strip_prefix("/// ") else { return Vec::new() };
    let head = text.split([':', '.']).next().unwrap_or_default();
    let ids: Vec<_> = head.split(", ").map(str::to_owned).collect();
    let all = faults();
    if ids.iter().all(|id| all.contains(id)) { ids } else { Vec::new() }
}

/// The tests that name each fault.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files().into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        let text = read(&file);
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_test = lines[at + 1..]
                .iter()
                .take_while(|line| {
                    line.trim_start().starts_with("#[") || line.trim_start().starts_with("///")
                })
                .any(|line| line.contains("test]") || line.contains("tokio::test"));
            for id in named(line).into_iter().filter(|_| is_test) {
                found.entry(id).or_default().push(format!("{}:{}", file.display(), at + 1));
            }
        }
    }
    found
}

#[test]
fn every_fault_has_its_row() {
    assert_eq!(rows().into_keys().collect::<BTreeSet<_>>(), faults());
}

#[test]
fn every_fault_that_is_met_has_a_test() {
    let tests = tests();
    for (id, what) in rows() {
        let tested = tests.contains_key(&id);
        // Met in part, some rows have a test and something that is still to come.
        let waits = what.contains("not yet") || what.starts_with("the caller's to mend");
        assert!(tested || waits, "{id} has no test: {what}");
        assert!(!(tested && what == "not yet"), "{id} is not to come any more: {:?}", tests[&id]);
    }
}
