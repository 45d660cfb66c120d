//! Commands that only tell: demo, models and help.

use std::io::Read;

use super::process::{program, run};

#[test]
fn the_demo_plays_every_scene() {
    let told = run(&mut program(&["demo", "--fast"])).good();
    let scenes = [
        "1. Converse: a unary call",
        "2. ConverseStream: a streaming call",
        "3. Tools: a round trip of several turns",
        "4. Images: a picture in the prompt",
        "5. Guardrails: an intervention is an answer",
        "6. InvokeModel: the model's own body",
        "7. CountTokens: before the call",
        "8. An alias: what one target refuses, the next one answers",
        "Every call worked.",
    ];
    let places: Vec<_> =
        scenes.iter().map(|scene| told.find(scene).unwrap_or_else(|| panic!("{told}"))).collect();
    assert!(places.is_sorted());
    assert!(told.contains("[calls get_weather"), "{told}");
    assert!(told.contains("guardrail_intervened"), "{told}");
    assert!(told.contains(": UPSTREAM_THROTTLED"), "{told}");
    assert_eq!(told.matches("request   ").count(), 9, "a call report a call: {told}");
    let program = env!("CARGO_BIN_EXE_bedrock-inference");
    for command in ["serve --upstream emulator`", "ask amazon.nova-lite-v1:0 "] {
        assert!(told.contains(&format!("`{program} {command}")), "{command}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "escape codes in a pipe: {told:?}");
}

#[test]
fn models_are_a_table_or_json() {
    let table = run(&mut program(&["models"])).good();
    assert!(table.starts_with("MODEL "), "{table}");
    assert!(table.contains("anthropic.claude-sonnet-4-5-20250929-v1:0"));
    assert!(!table.contains('\u{1b}'));
    let lines = run(&mut program(&["models", "--json"])).good();
    let models: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(models.len(), table.lines().count() - 1);
    assert!(models.iter().all(|model| model["modelId"].is_string() && model["family"].is_string()));
    for model in models {
        let can = |name: &str| model["capabilities"].as_array().unwrap().iter().any(|can| can == name);
        assert!(can("converse") || can("invoke"), "{model}");
        assert!(can("converse") || model["family"] == "generic", "{model}");
    }
}

#[test]
fn models_can_be_chosen_by_family() {
    for family in ["claude", "generic", "nova", "titan"] {
        let lines = run(&mut program(&["models", "--all", "--json", "--family", family])).good();
        assert!(lines.lines().count() > 0);
        for line in lines.lines() {
            let model: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(model["family"], family);
        }
    }
    let all = run(&mut program(&["models", "--all"])).good();
    assert!(all.lines().count() > run(&mut program(&["models"])).good().lines().count());
    let told = run(&mut program(&["models", "--family", "dinosaurs"])).bad(2);
    assert!(told.contains("claude, generic, nova and titan"), "{told}");
}

#[test]
fn models_can_be_chosen_by_provider() {
    let table = run(&mut program(&["models", "--provider", "mistral"])).good();
    assert!(table.lines().skip(1).all(|line| line.starts_with("mistral.")), "{table}");
    assert!(table.contains("mistral.mistral-large-3-675b-instruct"), "{table}");
    let told = run(&mut program(&["models", "--provider", "mistral", "--family", "claude"])).bad(2);
    assert!(told.contains("no such models"), "{told}");
    let told = run(&mut program(&["models", "--provider", "dinosaurs"])).bad(2);
    assert!(told.contains("writer, xai and zai"), "{told}");
}

#[test]
fn a_reader_who_leaves_early_is_no_panic() {
    let mut child = program(&["models", "--json", "--all"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn help_shows_examples() {
    let told = run(&mut program(&["--help"])).good();
    for command in ["demo", "serve", "ask", "models", "check", "emulator"] {
        assert!(told.contains(&format!("\n  {command} ")), "{command}: {told}");
    }
    assert!(told.contains("Examples:\n  bedrock-inference demo"), "{told}");
    let told = run(&mut program(&["ask", "--help"])).good();
    assert!(told.contains("Examples:\n  bedrock-inference ask"), "{told}");
    let told = run(&mut program(&["emulator", "--help"])).good();
    assert!(told.contains("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), "{told}");
}
