//! Replays the fuzzer's corpus, and every fixture as if it were a part of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../fuzz/harness.rs"]
mod harness;

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn the_corpus_breaks_nothing() {
    let mut corpus = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/decoders"), &mut corpus);
    assert!(corpus.len() >= 20, "only {} files in the corpus", corpus.len());
    for file in corpus {
        harness::decode(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn every_fixture_in_every_decoder_breaks_nothing() {
    let mut fixtures = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut fixtures);
    fixtures.retain(|file| file.components().any(|part| part.as_os_str() == "fixtures"));
    assert!(fixtures.len() > 50, "only {} fixtures", fixtures.len());
    for file in fixtures {
        let bytes = std::fs::read(&file).unwrap();
        for choice in 0..10_u8 {
            harness::decode(&[&[choice], bytes.as_slice()].concat());
        }
    }
}
