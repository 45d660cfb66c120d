//! Members that break AWS's service model, alone and together.

use serde_json::json;

use super::{Bad, CLAUDE, NOVA, OPUS, assistant, bad, said, tool, user};

const MISSING: &str = "is not set; AWS requires it";

pub(super) fn all() -> Vec<Bad> {
    [required(), forms(), several()].into_iter().flatten().collect()
}

fn required() -> Vec<Bad> {
    let one = |block| said(CLAUDE, json!([user(json!([{"text": "a"}, block]))]));
    let at = |member: &str| format!("messages[0].content[1].{member}");
    vec![
        said(CLAUDE, json!([{"content": [{"text": "a"}]}])).at("messages[0].role", MISSING),
        one(json!({"image": {}})).at(&at("image.format"), MISSING).at(&at("image.source"), MISSING),
        one(json!({"image": {"format": "png", "source": {}}}))
            .at(&at("image.source"), "has no member; one of bytes, s3Location must be set"),
        one(json!({"image": {"format": "png", "source": {"bytes": ""}}}))
            .at(&at("image.source.bytes"), "has 0 bytes; at least 1 is accepted"),
        one(json!({"cachePoint": {}})).at(&at("cachePoint.type"), MISSING),
        bad(NOVA, json!({"toolConfig": {"tools": [{"toolSpec": {}}]}}))
            .at("toolConfig.tools[0].toolSpec.name", MISSING)
            .at("toolConfig.tools[0].toolSpec.inputSchema", MISSING),
        bad(CLAUDE, json!({"toolConfig": {"tools": [tool("t")], "toolChoice": {}}}))
            .at("toolConfig.toolChoice", "has no member; one of auto, any, tool must be set"),
        one(json!({"document": {"format": "pdf", "name": "a", "source": {}}}))
            .at(&at("document.source"), "has no member; one of bytes, s3Location, text, content must be set"),
        bad(CLAUDE, json!({"serviceTier": {}})).at("serviceTier.type", MISSING).unknown_there(),
        bad(CLAUDE, json!({"outputConfig": {"textFormat": {}}}))
            .at("outputConfig.textFormat.type", MISSING)
            .at("outputConfig.textFormat.structure", MISSING),
    ]
}

fn forms() -> Vec<Bad> {
    let metadata = "does not match AWS's pattern [a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}";
    let paths: Vec<_> = (0..11).map(|at| format!("/{at}")).collect();
    let many = (0..17).map(|at| (format!("key{at}"), json!("x"))).collect::<serde_json::Map<_, _>>();
    let s3 = json!({"image": {"format": "png", "source": {"s3Location": {"uri": "https://a.b/c", "bucketOwner": "me"}}}});
    vec![
        bad(CLAUDE, json!({"toolConfig": {"tools": [tool("no spaces"), tool("")]}}))
            .at("toolConfig.tools[0].toolSpec.name", "does not match AWS's pattern [a-zA-Z0-9_-]+")
            .at("toolConfig.tools[1].toolSpec.name", "has 0 characters; 1 to 64 are accepted"),
        bad(CLAUDE, json!({"toolConfig": {"tools": [tool(&"n".repeat(65))]}}))
            .at("toolConfig.tools[0].toolSpec.name", "has 65 characters; 1 to 64 are accepted"),
        bad(NOVA, json!({"requestMetadata": {"team": "r\u{f6}d"}})).at("requestMetadata.team", metadata),
        bad(NOVA, json!({"requestMetadata": many}))
            .at("requestMetadata", "has 17 entries; 1 to 16 are accepted"),
        bad(CLAUDE, json!({ "additionalModelResponseFieldPaths": paths }))
            .at("additionalModelResponseFieldPaths", "has 11 entries; at most 10 are accepted"),
        bad(CLAUDE, json!({"system": [{"text": ""}]}))
            .at("system[0].text", "has 0 characters; at least 1 is accepted"),
        bad(CLAUDE, json!({"inferenceConfig": {"stopSequences": ["a", ""]}}))
            .at("inferenceConfig.stopSequences[1]", "has 0 characters; at least 1 is accepted"),
        bad(CLAUDE, json!({"inferenceConfig": {"stopSequences": vec!["a"; 2501]}}))
            .at("inferenceConfig.stopSequences", "has 2501 entries; at most 2500 are accepted"),
        bad(CLAUDE, json!({"outputConfig": {"effort": "seventeen letters"}}))
            .at("outputConfig.effort", "has 17 characters; at most 16 are accepted"),
        bad(CLAUDE, json!({"guardrailConfig": {"guardrailIdentifier": "No", "guardrailVersion": "0"}}))
            .at(
                "guardrailConfig.guardrailIdentifier",
                "is of none of the forms that AWS's service model gives",
            )
            .at(
                "guardrailConfig.guardrailVersion",
                "does not match AWS's pattern (|([1-9][0-9]{0,7})|(DRAFT))",
            ),
        said(NOVA, json!([user(json!([{"text": "a"}, s3]))]))
            .at(
                "messages[0].content[1].image.source.s3Location.uri",
                "does not match AWS's pattern s3://[a-z0-9][\\.\\-a-z0-9]{1,61}[a-z0-9](/.*)?",
            )
            .at(
                "messages[0].content[1].image.source.s3Location.bucketOwner",
                "does not match AWS's pattern [0-9]{12}",
            )
            .unknown_there(),
    ]
}

/// One of everything.
fn several() -> Vec<Bad> {
    vec![
        bad(
            OPUS,
            json!({
                "messages": [
                    assistant(json!([{"text": " "}, {"toolUse": {"toolUseId": "a b", "input": {}}}])),
                    {"role": "assistant", "content": []}
                ],
                "system": [{"text": ""}],
                "inferenceConfig": {"maxTokens": 200_000, "temperature": 2, "stopSequences": [""]},
                "toolConfig": {"tools": [tool("t"), tool("t")], "toolChoice": {"any": {}}},
                "serviceTier": {}
            }),
        )
        .at("messages[0].role", "is assistant; a conversation begins with user")
        .at("messages[0].content[0].text", "is blank; text with something in it is needed")
        .at("messages[0].content[1].toolUse.toolUseId", "does not match AWS's pattern [a-zA-Z0-9_.:-]+")
        .at(
            "messages[0].content[1].toolUse.toolUseId",
            "is answered by no toolResult in the next message of the user",
        )
        .at("messages[0].content[1].toolUse.name", MISSING)
        .at("messages[1].role", "is assistant again; user and assistant take turns")
        .at(
            "messages[1].role",
            "is assistant in the last message; the model does not go on with an answer begun",
        )
        .at("messages[1].content", "is empty; at least one content block is needed")
        .at("system[0].text", "has 0 characters; at least 1 is accepted")
        .at("inferenceConfig.maxTokens", "is 200000; the model answers with at most 128000")
        .at("inferenceConfig.temperature", "is 2; 0 to 1 is accepted")
        .at("inferenceConfig.temperature", "is set; the model takes no sampling parameters")
        .at("inferenceConfig.stopSequences[0]", "has 0 characters; at least 1 is accepted")
        .at("toolConfig.tools[1].toolSpec.name", "is the name of a tool before it too")
        .at("toolConfig.toolChoice.any", "forces a tool call; the model takes auto only")
        .at("serviceTier.type", MISSING),
    ]
}
