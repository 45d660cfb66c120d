//! One suite for every family: requests to native bodies, native replies to events, and what they fold to.
//!
//! A case is a folder `src/<family>/fixtures/<case>/`, in which each file is optional:
//!
//! - `request.json`: a Converse request with its `modelId`. Beside it stands what it must give, written by
//!   hand: `wire.json` (the native body, byte for byte) and `headers.json`, or `refused.txt` (the path of every
//!   member that the native route refuses, one a line).
//! - `reply.json` (a whole native reply) with `head.json` (its headers), `stream.jsonl` (a chunk a line), or
//!   both of the same answer. Golden files record what they give: `events.txt`, and `folded.json` (or
//!   `folded.txt`, in proto3 JSON, where AWS's cannot say it).
//!   `BLESS=1 cargo test -p bedrock-inference-adapters --test conformance` writes those anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/golden.rs"]
mod golden;
#[path = "conformance/required.rs"]
mod required;

use std::fmt::Write as _;

use bedrock_inference_adapters::contract::{AdapterErrorKind, Event, Mode, Wire};
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::ConverseResponse;
use case::{Outcome, cases};
use serde_json::Value;

#[test]
fn every_request_gives_its_body_or_its_refusals() {
    let cases = cases();
    assert!(cases.len() >= 120, "only {} cases", cases.len());
    for case in cases.iter().filter(|case| case.has("request.json")) {
        let unary = case.encode(Mode::Unary);
        match unary {
            Ok(Wire::Invoke { body, headers }) => {
                assert_eq!(case.encode(Mode::Unary).unwrap(), case.encode(Mode::Stream).unwrap(), "{case}");
                serde_json::from_slice::<Value>(&body).expect("the body is JSON");
                let body = String::from_utf8(body.to_vec()).unwrap();
                assert_eq!(case.text("wire.json").as_deref().map(str::trim_end), Some(&*body), "{case}");
                assert_eq!(headers, case.headers(), "{case}");
                assert!(!case.has("refused.txt"), "{case} is not refused");
            }
            Ok(wire) => panic!("{case} gives {wire:?}"),
            Err(error) => {
                let AdapterErrorKind::Unsupported(violations) = &error.kind else {
                    panic!("{case}: {error}")
                };
                let paths: String =
                    violations.iter().map(|violation| format!("{}\n", violation.path)).collect();
                assert_eq!(case.text("refused.txt"), Some(paths), "{case}");
                assert!(!case.has("wire.json"), "{case} is refused: {error}");
                assert!(!format!("{violations:?}").contains("secret"), "{case} shows content");
            }
        }
    }
}

#[test]
fn every_reply_gives_what_was_recorded_in_both_forms() {
    for case in cases() {
        let forms = case.forms();
        let mut lines = String::new();
        for (name, outcome) in &forms {
            write!(lines, "# {name}\n{}", outcome.lines).unwrap();
        }
        golden::check(&case.path("events.txt"), (!forms.is_empty()).then_some(lines));
        let folded: Vec<_> = forms.iter().filter_map(|(_, outcome)| outcome.folded.as_ref()).collect();
        if let [whole, streamed] = folded.as_slice() {
            assert_eq!(without_latency(whole), without_latency(streamed), "{case}: the two forms differ");
        }
        let json = folded.first().and_then(|reply| codec::write(*reply).ok());
        let text = folded
            .first()
            .filter(|_| json.is_none())
            .map(|reply| golden::pretty(golden::proto_json(*reply).as_bytes()));
        golden::check(&case.path("folded.json"), json.map(|json| golden::pretty(&json)));
        golden::check(&case.path("folded.txt"), text);
    }
}

/// Each form of a reply has its own latency.
fn without_latency(reply: &ConverseResponse) -> ConverseResponse {
    ConverseResponse { metrics: None, ..reply.clone() }
}

#[test]
fn the_meter_of_a_raw_reply_counts_as_the_decoder_does() {
    for case in cases() {
        for (name, outcome) in case.forms() {
            let decoded = outcome.events.iter().find_map(|event| match event {
                Event::Metadata(metadata) => metadata.usage.clone(),
                _ => None,
            });
            if outcome.folded.is_some() {
                assert_eq!(outcome.metered, decoded, "{case}: {name}");
                assert!(outcome.meter_is_complete, "{case}: {name}");
            } else if name == "stream" && outcome.error.is_none() {
                assert!(!outcome.meter_is_complete, "{case}: the meter takes a cut stream for a whole one");
            }
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_is_never_complete() {
    for case in cases() {
        let Some(lines) = case.text("stream.jsonl") else { continue };
        let chunks: Vec<&str> = lines.lines().collect();
        if case.stream(&chunks).folded.is_none() {
            continue;
        }
        for end in 0..chunks.len() {
            assert!(!is_complete(&case.stream(&chunks[..end])), "{case} after {end} chunks");
        }
        let (last, before) = chunks.split_last().unwrap();
        for at in (0..last.len()).filter(|at| last.is_char_boundary(*at)) {
            let mut cut = before.to_vec();
            cut.push(&last[..at]);
            assert!(!is_complete(&case.stream(&cut)), "{case} after {at} bytes of the last chunk");
        }
    }
}

fn is_complete(outcome: &Outcome) -> bool {
    outcome.folded.is_some() || outcome.meter_is_complete
}

#[test]
fn a_stream_that_lost_a_border_chunk_is_never_complete() {
    for case in cases() {
        let Some(lines) = case.text("stream.jsonl") else { continue };
        let chunks: Vec<&str> = lines.lines().collect();
        if case.stream(&chunks).folded.is_none() || chunks.len() < 2 {
            continue;
        }
        assert!(case.stream(&chunks[..chunks.len() - 1]).folded.is_none(), "{case} without its end");
        if case.family.adapter.family() != "titan" {
            assert!(case.stream(&chunks[1..]).folded.is_none(), "{case} without its beginning");
        }
    }
}

#[test]
fn no_error_or_warning_shows_content() {
    for case in cases() {
        let content = case.content();
        for (name, outcome) in case.forms() {
            let said = format!("{:?} {:?}", outcome.warnings, outcome.error);
            for text in content.iter().map(String::as_str).chain(["secret"]) {
                assert!(!said.contains(text), "{case}: {name} shows {text:?} in {said}");
            }
        }
    }
}

#[test]
fn every_chat_family_has_the_cases_that_it_must_have() {
    let lacking = required::lacking(&cases());
    assert!(lacking.is_empty(), "cases that are still to be written:\n{lacking}");
}
