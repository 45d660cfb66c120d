//! Raw bodies that no SDK would send, and what the service says to them.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use client::{Client, NOVA, Protocol, SONNET, emulator, path, read};

/// Name, model, body, and a part of the message; an empty part means that the call succeeds.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("malformed JSON", NOVA, "{", "Malformed input request"),
    ("no object", NOVA, "[]", "not a JSON object"),
    ("empty body", NOVA, "", "Malformed input request"),
    ("unknown member", NOVA, r#"{"messages":[],"modle":1}"#, "extraneous key [modle]"),
    (
        "null messages",
        NOVA,
        r#"{"messages":null}"#,
        "'messages' failed to satisfy constraint: Member must not be null",
    ),
    (
        "unknown role",
        NOVA,
        r#"{"messages":[{"role":"tool","content":[{"text":"a"}]}]}"#,
        "'tool' at 'messages.0.role'",
    ),
    ("no content", NOVA, r#"{"messages":[{"role":"user"}]}"#, "messages.0.content"),
    ("empty union", NOVA, r#"{"messages":[{"role":"user","content":[{}]}]}"#, "must set one of"),
    (
        "two members",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a","image":{}}]}]}"#,
        "exactly one",
    ),
    ("unknown block", NOVA, r#"{"messages":[{"role":"user","content":[{"poem":"a"}]}]}"#, "must set one of"),
    (
        "image format",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"image":{"format":"bmp","source":{"bytes":"AQI="}}}]}]}"#,
        "[png, jpeg, gif, webp]",
    ),
    (
        "base64",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"not base64!"}}}]}]}"#,
        "messages.0.content.0.image.source.bytes is not valid base64",
    ),
    (
        "text is a number",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":1}]}]}"#,
        "must be a string",
    ),
    (
        "maxTokens 0",
        NOVA,
        r#"{"messages":[],"inferenceConfig":{"maxTokens":0}}"#,
        "greater than or equal to 1",
    ),
    (
        "maxTokens text",
        NOVA,
        r#"{"messages":[],"inferenceConfig":{"maxTokens":"1"}}"#,
        "inferenceConfig.maxTokens",
    ),
    (
        "temperature 2",
        NOVA,
        r#"{"messages":[],"inferenceConfig":{"temperature":2}}"#,
        "less than or equal to 1",
    ),
    ("topP -1", NOVA, r#"{"messages":[],"inferenceConfig":{"topP":-1}}"#, "greater than or equal to 0"),
    ("no tools", NOVA, r#"{"messages":[],"toolConfig":{"tools":[]}}"#, "toolConfig.tools"),
    ("tier", NOVA, r#"{"messages":[],"serviceTier":{"type":"gold"}}"#, "[priority, default, flex, reserved]"),
    ("trace", NOVA, r#"{"messages":[],"guardrailConfig":{"trace":"loud"}}"#, "guardrailConfig.trace"),
    ("half a guardrail", NOVA, r#"{"messages":[],"guardrailConfig":{"guardrailVersion":"1"}}"#, "Both"),
    (
        "schema is no JSON",
        SONNET,
        r#"{"messages":[],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}}"#,
        "holds a JSON schema",
    ),
    (
        "thinking budget",
        SONNET,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]}],
            "additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":64000}}}"#,
        "must be greater than `thinking.budget_tokens`",
    ),
    (
        "system role where it is allowed",
        "us.anthropic.claude-opus-5",
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"system","content":[{"text":"b"}]}]}"#,
        "",
    ),
    (
        "nulls are absent",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a","image":null}]}],"system":null}"#,
        "",
    ),
    (
        "assistant first",
        NOVA,
        r#"{"messages":[{"role":"assistant","content":[{"text":"a"}]}]}"#,
        "must start with a user message",
    ),
    (
        "two users",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"user","content":[{"text":"a"}]}]}"#,
        "must alternate",
    ),
    (
        "system role",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"system","content":[{"text":"a"}]}]}"#,
        "system role",
    ),
    (
        "call unanswered",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]},{"role":"user","content":[{"text":"a"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "Expected toolResult blocks at messages.2.content for the following Ids: a",
    ),
    (
        "call at the end",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "Expected toolResult blocks at messages.2.content",
    ),
    (
        "result unasked",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "exceeds the number of toolUse blocks",
    ),
    (
        "result twice",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}},{"toolResult":{"toolUseId":"a","content":[]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "duplicate Ids",
    ),
    (
        "no tool config",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}]}"#,
        "toolConfig field must be defined",
    ),
    (
        "call by the user",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "not allowed in a message with the user role",
    ),
    (
        "image of the assistant",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"image":{"format":"png","source":{"bytes":"AQI="}}}]},{"role":"user","content":[{"text":"a"}]}]}"#,
        "not allowed in a message with the assistant role",
    ),
    (
        "blind model",
        "us.amazon.nova-micro-v1:0",
        r#"{"messages":[{"role":"user","content":[{"text":"a"},{"image":{"format":"png","source":{"bytes":"AQI="}}}]}]}"#,
        "doesn't support the image field",
    ),
    (
        "answered call",
        NOVA,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"t","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"type":"object"}}}}]}}"#,
        "",
    ),
    (
        "unsigned reasoning",
        SONNET,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"a"}}}]},{"role":"user","content":[{"text":"a"}]}]}"#,
        "signature: Field required",
    ),
    (
        "forged reasoning",
        SONNET,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"a","signature":"b"}}}]},{"role":"user","content":[{"text":"a"}]}]}"#,
        "Invalid `signature`",
    ),
    (
        "base id",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]}]}"#,
        "with on-demand throughput isn’t supported. Retry your request",
    ),
    (
        "unknown id",
        "nobody.nothing-v1:0",
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]}]}"#,
        "The provided model identifier is invalid.",
    ),
    (
        "temperature and topP",
        SONNET,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]}],"inferenceConfig":{"temperature":0.1,"topP":0.1}}"#,
        "errors: `temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ),
];

#[tokio::test]
async fn raw_bodies_are_refused_with_a_useful_message() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for verb in ["converse", "converse-stream"] {
        for (name, model, body, part) in CASES {
            let answer = read(client.post(&path(model, verb), *body).await.expect("a response")).await;
            if part.is_empty() {
                assert_eq!(answer.status, 200, "{name}: {:?}", answer.body);
                continue;
            }
            assert_eq!(answer.status, 400, "{name}");
            let message = answer.json();
            let message = message["message"].as_str().expect("a message");
            assert!(message.contains(part), "{name}: {message}");
        }
    }
}
