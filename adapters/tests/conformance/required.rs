//! The cases that every chat family must have, where they apply.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::case::Case;

/// What every model that converses has.
const EVERYWHERE: [&str; 5] = ["plain", "multi_turn", "unknown_event", "malformed_reply", "truncated_stream"];

/// What models with a system prompt, tools, sight and a prompt cache have beside.
const MODERN: [&str; 6] = ["system", "tools_call", "tools_result", "tools_parallel", "image", "cache_usage"];

/// Whether the family is modern, and every reason for which its models stop.
const FAMILIES: [(&str, bool, &[&str]); 3] = [
    (
        "claude",
        true,
        &[
            "end_turn",
            "max_tokens",
            "stop_sequence",
            "tool_use",
            "pause_turn",
            "refusal",
            "model_context_window_exceeded",
        ],
    ),
    (
        "nova",
        true,
        &[
            "end_turn",
            "tool_use",
            "max_tokens",
            "stop_sequence",
            "guardrail_intervened",
            "content_filtered",
            "malformed_model_output",
            "malformed_tool_use",
            "model_context_window_exceeded",
        ],
    ),
    (
        "titan",
        false,
        &["finished", "length", "stop_criteria_met", "rag_query_when_rag_disabled", "content_filtered"],
    ),
];

/// The cases that are not there, a family a line; and forms of them that are not there.
pub(crate) fn lacking(cases: &[Case]) -> String {
    let mut lacking = String::new();
    for (family, modern, reasons) in FAMILIES {
        let of_family = || cases.iter().filter(|case| case.family.adapter.family() == family);
        let names: BTreeSet<&str> = of_family().map(|case| case.name.as_str()).collect();
        let modern: &[&str] = if modern { &MODERN } else { &[] };
        let wanted = EVERYWHERE.iter().chain(modern).map(|name| (*name).to_owned());
        let wanted = wanted.chain(reasons.iter().map(|reason| format!("stop_{reason}")));
        let mut missing: Vec<String> = wanted.filter(|name| !names.contains(name.as_str())).collect();
        let plain = of_family().find(|case| case.name == "plain");
        for file in ["request.json", "wire.json", "reply.json", "stream.jsonl"] {
            if plain.is_some_and(|plain| !plain.has(file)) {
                missing.push(format!("plain/{file}"));
            }
        }
        if !missing.is_empty() {
            writeln!(lacking, "{family}: {}", missing.join(", ")).unwrap();
        }
    }
    lacking
}
