//! The rules refuse nothing that is good: neither what the fixtures send nor any conversation put together well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests"
)]

use std::path::Path;

use bedrock_inference_adapters::contract::{Capability, ConverseCall, Model};
use bedrock_inference_adapters::{FAMILIES, rules};
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{ConverseRequest, ConverseStreamRequest, ConverseTokensRequest};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Fixtures that put pieces together which Bedrock refuses beside each other, and whose name does not say it: the
/// encoders take them one by one.
const PIECES: [&str; 7] = [
    "cache_points",
    "documents",
    "plain",
    "thinking",
    "tools_input_beyond_a_double",
    "tools_result_media",
    "video",
];

fn models() -> Vec<Model> {
    FAMILIES.iter().flat_map(|family| family.read_models().unwrap()).collect()
}

fn model(models: &[Model], id: &str) -> Model {
    let named = |model: &&Model| model.id == id || model.profile_ids().any(|profile| profile == id);
    models.iter().find(named).unwrap_or_else(|| panic!("no model is called {id}")).clone()
}

fn found(model: &Model, request: &ConverseStreamRequest) -> Vec<String> {
    let findings = rules::check(model, request);
    let all = [codec::check(request), findings.by_service, findings.by_model].into_iter().flatten();
    all.map(|violation| violation.to_string()).collect()
}

fn read(json: &Value) -> ConverseStreamRequest {
    codec::read(json.to_string().as_bytes()).unwrap().value
}

#[test]
fn what_the_fixtures_send_is_not_refused() {
    let models = models();
    let (mut seen, mut refused) = (0, Vec::new());
    for family in FAMILIES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let folder = source.join(family.adapter.family()).join("fixtures");
        let Ok(folders) = std::fs::read_dir(folder) else { continue };
        for folder in folders.map(|entry| entry.unwrap().path()) {
            let Ok(text) = std::fs::read_to_string(folder.join("request.json")) else { continue };
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            seen += 1;
            let found = found_in(&models, &text);
            if !found.is_empty() && !name.starts_with("refused") && !PIECES.contains(&name.as_str()) {
                refused.push((name, found));
            }
        }
    }
    assert_eq!(refused, Vec::new());
    assert!(seen > 30, "only {seen} fixtures");
}

/// Bodies as AWS's documents show them.
#[test]
fn what_aws_documents_is_not_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/aws_json");
    let bodies: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(bodies.len() > 5);
    for path in bodies {
        let found = found_in(&models(), &std::fs::read_to_string(&path).unwrap());
        assert_eq!(found, Vec::<String>::new(), "{}", path.display());
    }
}

fn found_in(models: &[Model], text: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(text).unwrap();
    found(&model(models, json["modelId"].as_str().unwrap()), &read(&json))
}

/// Turns of a conversation that is put together well: plain ones, and tool uses with their results.
/// A request with one thing in it, and the capability that it needs.
fn asking_for(capability: Capability) -> Value {
    let text = json!({"text": "hello"});
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let bytes = json!({"bytes": "AAAA"});
    match capability {
        Capability::System => json!({"messages": user(json!([text])), "system": [text]}),
        Capability::Tools => json!({"messages": user(json!([text])), "toolConfig": {"tools": [
            {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}},
        ]}}),
        Capability::Images => {
            json!({"messages": user(json!([text, {"image": {"format": "png", "source": bytes}}]))})
        }
        Capability::Documents => {
            let document = json!({"format": "txt", "name": "a", "source": bytes});
            json!({"messages": user(json!([text, {"document": document}]))})
        }
        Capability::Video => {
            json!({"messages": user(json!([text, {"video": {"format": "mp4", "source": bytes}}]))})
        }
        Capability::PromptCaching => {
            json!({"messages": user(json!([text, {"cachePoint": {"type": "default"}}]))})
        }
        Capability::SamplingParams => {
            json!({"messages": user(json!([text])), "inferenceConfig": {"temperature": 0.5}})
        }
        _ => json!({"messages": user(json!([text]))}),
    }
}

/// What the row has neither told nor left open is refused, whoever sells the model; nothing else is.
#[test]
fn a_row_alone_decides() {
    let asked = [
        Capability::Converse,
        Capability::System,
        Capability::Tools,
        Capability::Images,
        Capability::Documents,
        Capability::Video,
        Capability::PromptCaching,
        Capability::SamplingParams,
    ];
    let mut open = 0;
    for model in models() {
        for capability in asked {
            let found = found(&model, &read(&asking_for(capability)));
            let good = model.may(capability) && model.may(Capability::Converse);
            assert_eq!(found.is_empty(), good, "{} and {capability:?}: {found:?}", model.id);
            open += usize::from(good && !model.can(capability));
        }
    }
    assert!(open > 30, "only {open} open questions");
}

/// Fields of Claude's and Nova's names belong to other models where others sell them.
#[test]
fn fields_of_other_providers_are_not_judged() {
    let models = models();
    let fields = json!({"thinking": {"type": "enabled"}, "reasoningConfig": {"type": "enabled"}});
    let mut request = asking_for(Capability::Converse);
    request["additionalModelRequestFields"] = fields;
    for (id, count) in [("zai.glm-4.7", 0), ("amazon.nova-lite-v1:0", 2), ("anthropic.claude-v2:1", 2)] {
        assert_eq!(found(&model(&models, id), &read(&request)).len(), count, "{id}");
    }
    request["inferenceConfig"] = json!({"stopSequences": ["a"]});
    let found = found(&model(&models, "xai.grok-4.7"), &read(&request));
    assert_eq!(found, ["inferenceConfig.stopSequences: is set; the model takes none"]);
}

fn turns() -> impl Strategy<Value = Vec<Value>> {
    let plain = "[a-z]{1,8}".prop_map(|text| {
        vec![
            json!({"role": "user", "content": [{"text": text}]}),
            json!({"role": "assistant", "content": [{"text": "yes"}]}),
        ]
    });
    let tools = (1..4_usize, any::<u16>()).prop_map(|(calls, seed)| {
        let ids: Vec<_> = (0..calls).map(|at| format!("call-{seed}-{at}")).collect();
        let uses = ids.iter().map(|id| json!({"toolUse": {"toolUseId": id, "name": "t", "input": {}}}));
        let results =
            ids.iter().rev().map(|id| json!({"toolResult": {"toolUseId": id, "content": [{"text": ""}]}}));
        vec![
            json!({"role": "user", "content": [{"text": "go"}]}),
            json!({"role": "assistant", "content": uses.collect::<Vec<_>>()}),
            json!({"role": "user", "content": results.chain([json!({"text": "go on"})]).collect::<Vec<_>>()}),
            json!({"role": "assistant", "content": [{"text": "done"}]}),
        ]
    });
    let exchanges = prop::collection::vec(prop_oneof![plain, tools], 0..6);
    exchanges.prop_map(|exchanges| {
        let last = json!({"role": "user", "content": [{"text": "and now?"}]});
        exchanges.into_iter().flatten().chain([last]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_good_conversation_is_refused_by_no_model(turns in turns()) {
        let tools = json!({"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]});
        let json = json!({"messages": turns, "toolConfig": tools, "inferenceConfig": {"maxTokens": 100}});
        let request = read(&json);
        let count: ConverseTokensRequest = codec::read(json!({"messages": turns, "toolConfig": tools}).to_string().as_bytes()).unwrap().value;
        for model in models() {
            if model.can(Capability::Converse) && model.can(Capability::Tools) {
                prop_assert_eq!(found(&model, &request), Vec::<String>::new(), "{}", model.id);
                prop_assert_eq!(rules::check_count(&model, &count), rules::Findings::default());
            }
        }
    }

    /// Words that nobody knows are judged by no rule.
    #[test]
    fn unknown_words_stay_open(word in "[a-z_]{3,12}") {
        let known = ["user", "assistant", "system"];
        prop_assume!(!known.contains(&word.as_str()));
        let json = json!({
            "messages": [
                {"role": word, "content": [{"text": "a"}]},
                {"role": word, "content": [{"image": {"format": word, "source": {"bytes": "AAAA"}}}, {"cachePoint": {"type": word, "ttl": word}}]}
            ],
            "serviceTier": {"type": word}, "performanceConfig": {"latency": word},
            "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": word, "streamProcessingMode": word},
            "outputConfig": {"effort": word}
        });
        let model = model(&models(), "anthropic.claude-sonnet-4-5-20250929-v1:0");
        prop_assert_eq!(found(&model, &read(&json)), Vec::<String>::new());
    }
}

/// A model of which nothing is known: an application inference profile's.
fn unknown() -> Model {
    let mut model = model(&models(), "amazon.nova-lite-v1:0");
    model.provider = String::new();
    model
}

/// What is established of some providers is refused by their models, and never by Converse.
#[test]
fn what_some_models_refuse_is_no_fault_of_the_request() {
    let hi = json!({"role": "user", "content": [{"text": "hi"}]});
    let point = json!({"cachePoint": {"type": "default"}});
    let large =
        json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "A".repeat(6_400_000)}}});
    for (messages, path) in [
        (json!([hi, hi]), "messages[1].role"),
        (json!([{"role": "user", "content": [point, {"text": "hi"}]}]), "messages[0].content[0].cachePoint"),
        (
            json!([{"role": "user", "content": [{"text": "hi"}, large]}]),
            "messages[0].content[1].document.source.bytes",
        ),
    ] {
        let request = read(&json!({ "messages": messages }));
        let paths = |model: &Model| -> Vec<_> {
            let findings = rules::check(model, &request);
            assert_eq!(findings.by_service, []);
            findings.by_model.into_iter().map(|finding| finding.path).collect()
        };
        if !path.ends_with("bytes") {
            assert_eq!(paths(&model(&models(), "anthropic.claude-sonnet-4-5-20250929-v1:0")), [path]);
            assert_eq!(paths(&model(&models(), "amazon.nova-lite-v1:0")), [path]);
            assert_eq!(paths(&unknown()), [""; 0]);
        } else {
            assert_eq!(paths(&unknown()), [path]);
        }
    }
}

#[test]
fn what_may_stand_is_not_refused() {
    let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let opus = "anthropic.claude-opus-5-5";
    let hi = json!({"role": "user", "content": [{"text": "hi"}]});
    let yes = json!({"role": "assistant", "content": [{"text": "yes"}]});
    let brief = json!({"role": "system", "content": [{"text": "be brief"}]});
    let searches = json!({"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "a", "name": "search", "input": {}, "type": "server_tool_use"}}
    ]});
    let documents = |letter: &str| {
        let document = |at| json!({"document": {"format": "txt", "name": format!("{letter}{at}"), "source": {"bytes": "aGk="}}});
        let content: Vec<_> = (0..3).map(document).chain([json!({"text": "a"})]).collect();
        json!({"role": "user", "content": content})
    };
    let tool = json!({"toolSpec": {"name": "t", "inputSchema": {"json": {}}}});
    for (id, json) in [
        // Not the model begins the answer of these, but nobody.
        (opus, json!({"messages": [hi, yes, brief]})),
        (opus, json!({"messages": [hi, searches], "toolConfig": {"tools": [tool]}})),
        // AWS counts a message's documents, not a request's.
        (sonnet, json!({"messages": [documents("a"), yes, documents("b")]})),
        (
            sonnet,
            json!({
                "messages": [hi],
                "toolConfig": {"tools": [tool], "toolChoice": {"tool": {"name": "bash"}}},
                "additionalModelRequestFields": {"tools": [{"type": "bash_20250124", "name": "bash"}]}
            }),
        ),
        (sonnet, json!({"messages": [hi], "guardrailConfig": {"guardrailIdentifier": "abc"}})),
        (opus, json!({"messages": [hi], "additionalModelRequestFields": {"temperature": 1, "top_p": 1}})),
    ] {
        assert_eq!(found(&model(&models(), id), &read(&json)), Vec::<String>::new(), "{json}");
    }
}

#[test]
fn additional_fields_are_judged_like_the_members() {
    let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let opus = "anthropic.claude-opus-5-5";
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    let none = "is set; the model takes no sampling parameters";
    for (id, fields, expected) in [
        (opus, json!({"top_k": 1}), vec![format!("top_k: {none}")]),
        (
            sonnet,
            json!({"thinking": thinking, "temperature": 0.5}),
            vec!["temperature: is other than 1; beside thinking only 1 is accepted".to_owned()],
        ),
        (
            sonnet,
            json!({"thinking": {"type": "adaptive"}}),
            vec!["thinking.type: is adaptive; the model takes enabled, with a budget".to_owned()],
        ),
        (
            "amazon.nova-lite-v1:0",
            json!({"thinking": thinking, "reasoningConfig": {"type": "enabled"}}),
            vec![
                "reasoningConfig: is set; the model does not know it".to_owned(),
                "thinking: is set; the model does not know it".to_owned(),
            ],
        ),
    ] {
        let hi = json!([{"role": "user", "content": [{"text": "hi"}]}]);
        let request = read(&json!({"messages": hi, "additionalModelRequestFields": fields}));
        let expected: Vec<_> =
            expected.iter().map(|finding| format!("additionalModelRequestFields.{finding}")).collect();
        assert_eq!(found(&model(&models(), id), &request), expected);
    }
}

/// What checking costs: `cargo test --release -p bedrock-inference-adapters --test rules -- --ignored --nocapture`.
#[test]
#[ignore = "prints times and asserts nothing"]
fn what_checking_costs() {
    let models = models();
    let model = model(&models, "anthropic.claude-sonnet-4-5-20250929-v1:0");
    for count in [1, 101] {
        let turn = |at: usize| {
            let role = if at.is_multiple_of(2) { "user" } else { "assistant" };
            json!({"role": role, "content": [{"text": "Some words about the rivers of France. ".repeat(10)}]})
        };
        let messages: Vec<_> = (0..count).map(turn).collect();
        let json = json!({"messages": messages, "inferenceConfig": {"maxTokens": 100, "temperature": 0.5}});
        let request =
            ConverseCall::from(codec::read::<ConverseRequest>(json.to_string().as_bytes()).unwrap().value)
                .request;
        let begun = std::time::Instant::now();
        let rounds = 10_000;
        for _ in 0..rounds {
            assert!(std::hint::black_box(found(&model, std::hint::black_box(&request))).is_empty());
        }
        println!("{count} messages: {:?} a check", begun.elapsed() / rounds);
    }
}
