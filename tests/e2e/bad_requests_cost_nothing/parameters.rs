//! Parameters that the model does not take: length, sampling, thinking, the form of the answer.

use serde_json::{Value, json};

use super::{Bad, CLAUDE, NOVA, OPUS, TITAN, assistant, bad, tool, user};

pub(super) fn all() -> Vec<Bad> {
    [lengths(), sampling(), thinking(), others()].into_iter().flatten().collect()
}

fn lengths() -> Vec<Bad> {
    let stops: Vec<_> = (0..11).map(|at| format!("stop {at}")).collect();
    vec![
        bad(NOVA, json!({"inferenceConfig": {"maxTokens": 10_001}}))
            .at("inferenceConfig.maxTokens", "is 10001; the model answers with at most 10000"),
        bad(CLAUDE, json!({"inferenceConfig": {"maxTokens": 0}}))
            .at("inferenceConfig.maxTokens", "is 0; at least 1 is accepted"),
        bad(TITAN, json!({"inferenceConfig": {"stopSequences": stops}}))
            .at("inferenceConfig.stopSequences", "has 11 entries; the model takes at most 10")
            .unknown_there(),
    ]
}

fn sampling() -> Vec<Bad> {
    let none = "is set; the model takes no sampling parameters";
    let both = "is set beside temperature; the model takes one of the two";
    vec![
        bad(OPUS, json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.9}, "additionalModelRequestFields": {"top_k": 5}}))
            .at("inferenceConfig.temperature", none)
            .at("inferenceConfig.topP", none)
            .at("additionalModelRequestFields.top_k", none),
        bad(CLAUDE, json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.9}})).at("inferenceConfig.topP", both),
        bad(CLAUDE, json!({"inferenceConfig": {"temperature": 1.5, "topP": -0.1}}))
            .at("inferenceConfig.temperature", "is 1.5; 0 to 1 is accepted")
            .at("inferenceConfig.topP", "is -0.1; 0 to 1 is accepted")
            .at("inferenceConfig.topP", both),
    ]
}

fn thinks(model: &'static str, thinking: Value, mut beside: Value) -> Bad {
    beside["additionalModelRequestFields"]["thinking"] = thinking;
    bad(model, beside)
}

fn thinking() -> Vec<Bad> {
    let budget = "additionalModelRequestFields.thinking.budget_tokens";
    let enabled = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    vec![
        thinks(CLAUDE, enabled(1023), json!({})).at(budget, "is 1023; at least 1024 is accepted"),
        thinks(CLAUDE, enabled(2000), json!({"inferenceConfig": {"maxTokens": 2000}}))
            .at(budget, "is 2000; it must be below the 2000 tokens of the answer"),
        thinks(CLAUDE, json!({"type": "enabled"}), json!({})).at(budget, "is not set; thinking needs it"),
        thinks(
            CLAUDE,
            enabled(2000),
            json!({
                "inferenceConfig": {"temperature": 0.5}, "additionalModelRequestFields": {"top_k": 5},
                "toolConfig": {"tools": [tool("t")], "toolChoice": {"any": {}}},
                "messages": [user(json!([{"text": "a"}])), assistant(json!([{"text": "b"}]))]
            }),
        )
        .at(
            "messages[1].role",
            "is assistant in the last message; a model that thinks begins its answers itself",
        )
        .at("inferenceConfig.temperature", "is other than 1; beside thinking only 1 is accepted")
        .at("toolConfig.toolChoice.any", "forces a tool call; beside thinking only auto is accepted")
        .at("additionalModelRequestFields.top_k", "is set; it cannot be beside thinking"),
        thinks(OPUS, enabled(2000), json!({}))
            .at("additionalModelRequestFields.thinking.type", "is enabled; the model takes adaptive")
            .unknown_there(),
        thinks(OPUS, json!({"type": "disabled"}), json!({}))
            .at("additionalModelRequestFields.thinking.type", "is disabled; the model always thinks")
            .unknown_there(),
        thinks(NOVA, enabled(2000), json!({}))
            .at("additionalModelRequestFields.thinking", "is set; the model does not know it"),
        bad(NOVA, json!({"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}}))
            .at("additionalModelRequestFields.reasoningConfig", "is set; the model does not know it"),
    ]
}

fn others() -> Vec<Bad> {
    let schema = json!({"jsonSchema": {"schema": "{\"type\":\"object\"}"}});
    vec![
        bad(TITAN, json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": schema}}}))
            .at("outputConfig.textFormat", "is set; the model takes no schema for its answer")
            .unknown_there(),
        bad(CLAUDE, json!({"additionalModelResponseFieldPaths": ["stop_sequence", "/good", "/bad~2"]}))
            .at("additionalModelResponseFieldPaths[0]", "is no JSON Pointer, such as /stop_sequence")
            .at("additionalModelResponseFieldPaths[2]", "is no JSON Pointer, such as /stop_sequence"),
    ]
}
