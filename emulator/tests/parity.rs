//! The same question gets the same answer, whether it is asked natively or through Converse.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod client;

use client::{Client, NOVA, Protocol, SONNET, emulator, soon};
use serde_json::{Map, Value, json};

const NOVA_2: &str = "us.amazon.nova-2-lite-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHg";

/// An answer without its wire format: what is said, why it ended, and input, output, read and written tokens.
#[derive(Debug, PartialEq)]
struct Said {
    blocks: Vec<Value>,
    stop_reason: String,
    usage: [u64; 4],
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn id(value: &Value) -> &str {
    value.as_str().unwrap().trim_start_matches("toolu_bdrk_").trim_start_matches("tooluse_")
}

fn from_converse(body: &Value) -> Said {
    let blocks = body["output"]["message"]["content"].as_array().unwrap().iter().map(|block| {
        let (kind, value) = block.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "text" => json!({"text": value}),
            "toolUse" => json!({"call": id(&value["toolUseId"]), "name": value["name"], "input": value["input"]}),
            "citationsContent" => {
                json!({"text": value["content"][0]["text"], "cited": value["citations"][0]["sourceContent"][0]["text"]})
            }
            _ => json!({"reasoning": value["reasoningText"]["text"], "signature": value["reasoningText"]["signature"]}),
        }
    });
    let usage = &body["usage"];
    // Nova's own body has names of its own for what was cached.
    let cached = |converse: &str, nova: &str| number(&usage[converse]).max(number(&usage[nova]));
    Said {
        blocks: blocks.collect(),
        stop_reason: body["stopReason"].as_str().unwrap().to_owned(),
        usage: [
            number(&usage["inputTokens"]),
            number(&usage["outputTokens"]),
            cached("cacheReadInputTokens", "cacheReadInputTokenCount"),
            cached("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        ],
    }
}

fn from_claude(body: &Value) -> Said {
    let blocks =
        body["content"].as_array().unwrap().iter().map(|block| match block["type"].as_str().unwrap() {
            "text" if block["citations"].is_array() => {
                json!({"text": block["text"], "cited": block["citations"][0]["cited_text"]})
            }
            "text" => json!({"text": block["text"]}),
            "tool_use" => json!({"call": id(&block["id"]), "name": block["name"], "input": block["input"]}),
            "thinking" => json!({"reasoning": block["thinking"], "signature": block["signature"]}),
            other => panic!("{other}"),
        });
    let usage = &body["usage"];
    let counters =
        ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    Said {
        blocks: blocks.collect(),
        stop_reason: body["stop_reason"].as_str().unwrap().to_owned(),
        usage: counters.map(|name| number(&usage[name])),
    }
}

fn from_titan(body: &Value) -> Said {
    let result = &body["results"][0];
    let stop_reason = match result["completionReason"].as_str().unwrap() {
        "FINISHED" => "end_turn",
        "LENGTH" => "max_tokens",
        "STOP_CRITERIA_MET" => "stop_sequence",
        other => panic!("{other}"),
    };
    Said {
        blocks: vec![json!({"text": result["outputText"]})],
        stop_reason: stop_reason.to_owned(),
        usage: [number(&body["inputTextTokenCount"]), number(&result["tokenCount"]), 0, 0],
    }
}

fn read(model: &str, body: &Value) -> Said {
    match model {
        SONNET => from_claude(body),
        TITAN => from_titan(body),
        _ => from_converse(body),
    }
}

/// Everything that the deltas of a native stream say, joined.
fn spoken(chunks: &[Value]) -> String {
    let pointers = [
        "/delta/text",
        "/delta/thinking",
        "/delta/partial_json",
        "/contentBlockDelta/delta/text",
        "/contentBlockDelta/delta/toolUse/input",
        "/contentBlockDelta/delta/reasoningContent/text",
        "/outputText",
    ];
    let said = |chunk: &Value| pointers.iter().find_map(|at| chunk.pointer(at)?.as_str().map(str::to_owned));
    chunks.iter().filter_map(said).collect()
}

fn written(said: &Said) -> String {
    let words = said.blocks.iter().map(|block| match &block["input"] {
        Value::Null => block["text"].as_str().or(block["reasoning"].as_str()).unwrap().to_owned(),
        input => input.to_string(),
    });
    words.collect()
}

fn turns(native: bool) -> Value {
    let text = |text: &str| if native { json!(text) } else { json!([{"text": text}]) };
    json!([
        {"role": "user", "content": text("My name is Ada.")},
        {"role": "assistant", "content": text("Hello Ada")},
        {"role": "user", "content": text("What is my name?")},
    ])
}

fn tool(name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    match name {
        "claude" => json!({"name": "get_weather", "description": "Weather", "input_schema": schema}),
        _ => {
            json!({"toolSpec": {"name": "get_weather", "description": "Weather", "inputSchema": {"json": schema}}})
        }
    }
}

fn say(text: &str) -> Value {
    json!([{"role": "user", "content": [{"text": text}]}])
}

/// Name, model, native body, Converse body.
fn cases() -> Vec<(&'static str, &'static str, Value, Value)> {
    let mut cases = claude_cases();
    let limit = json!({"maxTokens": 2, "stopSequences": ["TWO"]});
    let tools = json!({"tools": [tool("nova")], "toolChoice": {"any": {}}});
    let reasoning = json!({"type": "enabled", "maxReasoningEffort": "low"});
    let image = json!([{"role": "user", "content": [{"text": "What?"},
        {"image": {"format": "png", "source": {"bytes": PNG}}}]}]);
    let echo = "Repeat after me: one TWO three";
    for (name, body) in [
        ("turns", json!({"messages": turns(false), "system": [{"text": "You are a pirate."}]})),
        ("tools", json!({"messages": say("Weather in Paris and Rome?"), "toolConfig": tools})),
        ("image", json!({"messages": image})),
        ("limits", json!({"messages": say(echo), "inferenceConfig": limit})),
    ] {
        cases.push((name, NOVA, body.clone(), body));
    }
    cases.push((
        "reasoning",
        NOVA_2,
        json!({"messages": say("Hi"), "inferenceConfig": {"reasoningConfig": reasoning}}),
        json!({"messages": say("Hi"), "additionalModelRequestFields": {"reasoningConfig": reasoning}}),
    ));
    cases.push((
        "turns",
        TITAN,
        json!({"inputText": "User: My name is Ada.\nBot: Hello Ada\nUser: What is my name?\nBot:"}),
        json!({"messages": turns(false)}),
    ));
    cases.push((
        "limits",
        TITAN,
        json!({"inputText": format!("User: {echo}\nBot:"),
            "textGenerationConfig": {"maxTokenCount": 2, "stopSequences": ["TWO"]}}),
        json!({"messages": say(echo), "inferenceConfig": limit}),
    ));
    cases
}

fn claude_cases() -> Vec<(&'static str, &'static str, Value, Value)> {
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let structure = json!({"jsonSchema": {"schema": schema.to_string()}});
    let source = json!({"type": "text", "media_type": "text/plain", "data": "Sales rose."});
    let cited = json!({"enabled": true});
    let pairs = [
        (
            "turns",
            json!({"messages": turns(true), "system": "You are a pirate."}),
            json!({"messages": turns(false), "system": [{"text": "You are a pirate."}]}),
        ),
        (
            "tools and thinking",
            json!({"messages": [{"role": "user", "content": "Weather in Paris and Rome?"}], "thinking": thinking,
                "tools": [tool("claude")]}),
            json!({"messages": say("Weather in Paris and Rome?"), "toolConfig": {"tools": [tool("converse")]},
                "additionalModelRequestFields": {"thinking": thinking}}),
        ),
        (
            "image",
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}]}),
            json!({"messages": [{"role": "user", "content": [{"text": "What?"},
                {"image": {"format": "png", "source": {"bytes": PNG}}}]}]}),
        ),
        (
            "structured output",
            json!({"messages": [{"role": "user", "content": "About Oslo"}],
                "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}}}),
            json!({"messages": say("About Oslo"),
                "outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}),
        ),
        (
            "citation",
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Sum up"},
                {"type": "document", "title": "report", "source": source, "citations": cited}]}]}),
            json!({"messages": [{"role": "user", "content": [{"text": "Sum up"}, {"document": {"name": "report",
                "format": "txt", "source": {"text": "Sales rose."}, "citations": cited}}]}]}),
        ),
    ];
    let mut cases = Vec::new();
    for (name, mut native, mut converse) in pairs {
        native["anthropic_version"] = "bedrock-2023-05-31".into();
        native["max_tokens"] = 4096.into();
        converse["inferenceConfig"] = json!({"maxTokens": 4096});
        cases.push((name, SONNET, native, converse));
    }
    cases
}

#[tokio::test]
async fn native_answers_are_those_of_converse() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for (name, model, native, converse) in cases() {
        let expected = client.converse(model, &converse).await;
        assert_eq!(expected.status, 200, "{name} {model}: {:?}", expected.body);
        let expected = from_converse(&expected.json());
        let found = client.invoke(model, &native).await;
        assert_eq!(found.status, 200, "{name} {model}: {:?}", found.body);
        assert_eq!(read(model, &found.json()), expected, "{name} {model}");
        let chunks = soon(client.chunks(model, &native)).await;
        assert_eq!(spoken(&chunks), written(&expected), "{name} {model}");
        let metrics = &chunks.last().unwrap()["amazon-bedrock-invocationMetrics"];
        assert_eq!(number(&metrics["inputTokenCount"]), expected.usage[0], "{name} {model}");
        assert_eq!(number(&metrics["outputTokenCount"]), expected.usage[1], "{name} {model}");
    }
}

#[tokio::test]
async fn a_prefix_written_natively_is_read_through_converse() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let text = "s".repeat(8_000);
    let mut native = client::claude("Hello");
    native["system"] =
        json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let first = client.invoke(SONNET, &native).await.json();
    assert_eq!(first["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 2_000);
    assert_eq!(first["usage"]["cache_creation_input_tokens"], 2_000);
    let mut converse = client::say("Hello");
    converse["system"] = json!([{"text": text}, {"cachePoint": {"type": "default", "ttl": "1h"}}]);
    let second = from_converse(&client.converse(SONNET, &converse).await.json());
    assert_eq!(second.usage[2..], [2_000, 0]);
    assert_eq!(from_claude(&client.invoke(SONNET, &native).await.json()), second);
}

#[tokio::test]
async fn a_thought_goes_from_one_route_to_the_other() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let mut native = client::claude("Hello");
    native["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    let thought = client.invoke(SONNET, &native).await.json()["content"][0].clone();
    let mut converse = client::say("Hello");
    let text = Map::from_iter([
        ("text".to_owned(), thought["thinking"].clone()),
        ("signature".to_owned(), thought["signature"].clone()),
    ]);
    let said = json!({"role": "assistant", "content": [{"reasoningContent": {"reasoningText": text}}, {"text": "hi"}]});
    let more = json!({"role": "user", "content": [{"text": "Go on"}]});
    converse["messages"].as_array_mut().unwrap().extend([said, more]);
    assert_eq!(client.converse(SONNET, &converse).await.status, 200);
}
