//! Real and broken replies of Converse through decoder, grammar and fold, against what was recorded.
//!
//! A case is a folder of `src/converse/fixtures/` with a `reply.json` (a whole reply), a `stream.jsonl` (one
//! event a line), or both of the same answer. Beside them stand the golden files: `reply.events`,
//! `stream.events`, and `folded.json` (or `folded.txt`, in proto3 JSON, where AWS's cannot say the reply).
//! `BLESS=1 cargo test -p bedrock-inference-adapters --test converse_fixtures` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[path = "conformance/golden.rs"]
mod golden;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bedrock_inference_adapters::contract::{AdapterError, Event, Fold, Grammar, Piece, StreamDecoder};
use bedrock_inference_adapters::converse::ConverseDecoder;
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{ConverseResponse, Warning};
use bytes::Bytes;
use serde_json::{Value, json};

/// What came of one form of an answer.
struct Outcome {
    /// The events and how they ended, one a line.
    lines: String,
    /// The folded reply, where the events are complete.
    folded: Option<ConverseResponse>,
    warnings: Vec<Warning>,
}

fn run(feed: impl FnOnce(&mut Vec<Event>) -> Result<(), AdapterError>) -> Outcome {
    let mut events = Vec::new();
    let (mut grammar, mut fold, mut lines) = (Grammar::default(), Fold::default(), String::new());
    let mut end = feed(&mut events);
    for event in events {
        writeln!(lines, "{}", golden::line(&event)).unwrap();
        end = end.and_then(|()| grammar.accept(&event));
        fold.add(event);
    }
    let complete = end.is_ok() && grammar.is_complete();
    let (reply, warnings) = fold.finish();
    match end {
        Err(error) => writeln!(lines, "=> {:?}: {error}", error.kind).unwrap(),
        Ok(()) if complete => lines.push_str("=> complete\n"),
        Ok(()) => lines.push_str("=> incomplete\n"),
    }
    lines.extend(warnings.iter().map(golden::warning));
    Outcome { lines, folded: complete.then_some(reply), warnings }
}

fn whole(body: &[u8]) -> Outcome {
    let body = Bytes::copy_from_slice(body);
    run(|events| ConverseDecoder.feed(Piece::Whole(body.into()), events))
}

fn stream(lines: &str) -> Outcome {
    run(|events| {
        let mut decoder = ConverseDecoder;
        lines.lines().try_for_each(|line| {
            let frame: Value = serde_json::from_str(line).unwrap();
            // As it stands in the file: a serde_json::Value would round.
            let payload = line.split_once("\"payload\":").unwrap().1.strip_suffix('}').unwrap();
            let event = frame["event"].as_str().unwrap();
            decoder.feed(
                Piece::Frame { event, payload: Bytes::copy_from_slice(payload.as_bytes()).into() },
                events,
            )
        })
    })
}

#[test]
fn every_fixture_gives_what_was_recorded() {
    let cases = cases();
    assert!(cases.len() >= 27, "only {} cases", cases.len());
    for case in cases {
        let reply = std::fs::read(case.join("reply.json")).ok().map(|body| whole(&body));
        let stream = std::fs::read_to_string(case.join("stream.jsonl")).ok().map(|lines| stream(&lines));
        assert!(reply.is_some() || stream.is_some(), "{} is empty", case.display());
        let lines = |outcome: &Option<Outcome>| outcome.as_ref().map(|outcome| outcome.lines.clone());
        golden::check(&case.join("reply.events"), lines(&reply));
        golden::check(&case.join("stream.events"), lines(&stream));
        let folded: Vec<_> = [reply, stream].into_iter().flatten().filter_map(|form| form.folded).collect();
        if let [whole, streamed] = folded.as_slice() {
            assert_eq!(whole, streamed, "{}: the two forms differ", case.display());
        }
        let json =
            folded.first().and_then(|reply| codec::write(reply).ok()).map(|json| golden::pretty(&json));
        let text = folded
            .first()
            .filter(|_| json.is_none())
            .map(|reply| golden::pretty(golden::proto_json(reply).as_bytes()));
        golden::check(&case.join("folded.json"), json);
        golden::check(&case.join("folded.txt"), text);
    }
}

#[test]
fn no_error_or_warning_shows_content() {
    for case in cases() {
        let reply = std::fs::read(case.join("reply.json")).ok().map(|body| whole(&body));
        let stream = std::fs::read_to_string(case.join("stream.jsonl")).ok().map(|lines| stream(&lines));
        for outcome in [reply, stream].into_iter().flatten() {
            let end = outcome.lines.lines().find(|line| line.starts_with("=>")).unwrap();
            assert!(!end.contains("secret"), "{end}");
            assert!(!format!("{:?}", outcome.warnings).contains("secret"), "{:?}", outcome.warnings);
        }
    }
}

/// U12.
#[test]
fn every_stop_reason_passes_through_in_both_forms() {
    let reasons = [
        "end_turn",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
        "refusal",
        "",
    ];
    for reason in reasons {
        let usage = json!({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3});
        let reply = json!({"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
            "stopReason": reason, "usage": usage});
        let frames = [
            ("messageStart", json!({"role": "assistant"})),
            ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "x"}})),
            ("contentBlockStop", json!({"contentBlockIndex": 0})),
            ("messageStop", json!({"stopReason": reason})),
            ("metadata", json!({"usage": usage})),
        ];
        let frames = frames.map(|(name, body)| format!("{{\"event\": \"{name}\", \"payload\":{body}}}"));
        let whole = whole(reply.to_string().as_bytes()).folded.unwrap();
        assert_eq!(whole.stop_reason.as_deref(), Some(reason));
        assert_eq!(Some(whole), stream(&frames.join("\n")).folded, "{reason}");
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/converse/fixtures");
    let mut cases: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}
