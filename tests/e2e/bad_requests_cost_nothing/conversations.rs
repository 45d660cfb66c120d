//! Mistakes in the conversation: turns, blocks, tools, media, cache points.

use serde_json::{Value, json};

use super::{Bad, CLAUDE, HAIKU, NOVA, NOVA_MICRO, OPUS, TITAN, assistant, bad, said, tool, user};

pub(super) fn all() -> Vec<Bad> {
    [turns(), blocks(), answers(), tools(), media(), documents(), cache_points()]
        .into_iter()
        .flatten()
        .collect()
}

fn hi() -> Value {
    user(json!([{"text": "hi"}]))
}

fn yes() -> Value {
    assistant(json!([{"text": "yes"}]))
}

fn turns() -> Vec<Bad> {
    let again = |role: &str| format!("is {role} again; user and assistant take turns");
    vec![
        said(CLAUDE, json!([])).at("messages", "is empty; a conversation begins with a message of the user"),
        said(CLAUDE, json!([yes(), hi()]))
            .at("messages[0].role", "is assistant; a conversation begins with user"),
        said(OPUS, json!([{"role": "system", "content": [{"text": "be brief"}]}, hi()]))
            .at("messages[0].role", "is system; a conversation begins with user"),
        said(NOVA, json!([hi(), hi()])).at("messages[1].role", &again("user")),
        said(CLAUDE, json!([hi(), yes(), yes(), hi(), hi()]))
            .at("messages[2].role", &again("assistant"))
            .at("messages[4].role", &again("user")),
        // What the system says does not part two turns.
        said(OPUS, json!([hi(), {"role": "system", "content": [{"text": "be brief"}]}, hi()]))
            .at("messages[2].role", &again("user")),
        said(CLAUDE, json!([hi(), {"role": "system", "content": [{"text": "be brief"}]}]))
            .at("messages[1].role", "is system; the model takes instructions in the member system only"),
        said(OPUS, json!([hi(), yes()])).at(
            "messages[1].role",
            "is assistant in the last message; the model does not go on with an answer begun",
        ),
        bad(TITAN, json!({"system": [{"text": "be brief"}]}))
            .at("system", "is set; the model takes no system prompt"),
    ]
}

fn blocks() -> Vec<Bad> {
    let blank = "is blank; text with something in it is needed";
    let image = json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}});
    vec![
        said(CLAUDE, json!([user(json!([]))]))
            .at("messages[0].content", "is empty; at least one content block is needed"),
        said(CLAUDE, json!([user(json!([{"text": ""}]))])).at("messages[0].content[0].text", blank),
        said(NOVA, json!([user(json!([{"text": "a"}, {"text": " \n\t"}])), assistant(json!([{"text": ""}])), hi()]))
            .at("messages[0].content[1].text", blank)
            .at("messages[1].content[0].text", blank),
        said(CLAUDE, json!([hi(), assistant(json!([image])), hi()]))
            .at("messages[1].content[0].image", "stands in a message of assistant; user may have it"),
        said(CLAUDE, json!([user(json!([{"text": "a"}, {"toolAddition": {"tool": {"name": "t"}}}]))]))
            .at("messages[0].content[1].toolAddition", "stands in a message of user; system may have it"),
        said(CLAUDE, json!([user(json!([{}]))])).at(
            "messages[0].content[0]",
            "has no member; one of text, image, document, video, audio, toolUse, toolResult, guardContent, \
             cachePoint, reasoningContent, citationsContent, searchResult, toolAddition, toolRemoval must be set",
        ),
        said(CLAUDE, json!([hi(), assistant(json!([{"reasoningContent": {"reasoningText": {"text": "a"}}}])), hi()]))
            .at(
                "messages[1].content[0].reasoningContent.reasoningText.signature",
                "is not set; reasoning goes back with the signature it came with",
            ),
    ]
}

fn tool_use(id: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "t", "input": {}}})
}

fn result(id: &str) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": [{"text": "done"}]}})
}

fn answers() -> Vec<Bad> {
    let with_tools =
        |messages| bad(CLAUDE, json!({"messages": messages, "toolConfig": {"tools": [tool("t")]}}));
    let unanswered = "is answered by no toolResult in the next message of the user";
    let unasked = "is the id of no toolUse in the turn before";
    vec![
        with_tools(json!([hi(), assistant(json!([tool_use("a")])), hi()]))
            .at("messages[1].content[0].toolUse.toolUseId", unanswered),
        with_tools(json!([hi(), assistant(json!([tool_use("a")]))]))
            .at("messages[1].content[0].toolUse.toolUseId", unanswered),
        with_tools(json!([user(json!([result("a")]))]))
            .at("messages[0].content[0].toolResult.toolUseId", unasked),
        with_tools(json!([
            hi(),
            assistant(json!([tool_use("a"), tool_use("b")])),
            user(json!([result("c"), result("b")]))
        ]))
        .at("messages[1].content[0].toolUse.toolUseId", unanswered)
        .at("messages[2].content[0].toolResult.toolUseId", unasked),
        with_tools(json!([hi(), assistant(json!([tool_use("a")])), user(json!([result("a"), result("a")]))]))
            .at(
                "messages[2].content[1].toolResult.toolUseId",
                "is answered by another toolResult of the message too",
            ),
        with_tools(json!([
            hi(),
            assistant(json!([tool_use("a"), tool_use("a")])),
            user(json!([result("a")]))
        ]))
        .at("messages[1].content[1].toolUse.toolUseId", "is the id of another toolUse of the message too"),
        said(CLAUDE, json!([hi(), assistant(json!([tool_use("a")])), user(json!([result("a")]))])).at(
            "toolConfig",
            "is not set; it is needed where tools were used, as in messages[1].content[0].toolUse",
        ),
        with_tools(json!([user(json!([tool_use("a")]))]))
            .at("messages[0].content[0].toolUse", "stands in a message of user; assistant may have it")
            .at("messages[0].content[0].toolUse.toolUseId", unanswered),
    ]
}

fn tools() -> Vec<Bad> {
    let offers = |model, config: Value| bad(model, json!({ "toolConfig": config }));
    let no_tools = "is set; the model takes no tools";
    vec![
        offers(CLAUDE, json!({"tools": [tool("a"), tool("b"), tool("a")]}))
            .at("toolConfig.tools[2].toolSpec.name", "is the name of a tool before it too"),
        offers(CLAUDE, json!({"tools": [tool("a")], "toolChoice": {"tool": {"name": "b"}}}))
            .at("toolConfig.toolChoice.tool.name", "is the name of none of toolConfig.tools"),
        offers(OPUS, json!({"tools": [tool("a")], "toolChoice": {"any": {}}}))
            .at("toolConfig.toolChoice.any", "forces a tool call; the model takes auto only")
            .unknown_there(),
        offers(OPUS, json!({"tools": [tool("a")], "toolChoice": {"tool": {"name": "a"}}}))
            .at("toolConfig.toolChoice.tool", "forces a tool call; the model takes auto only")
            .unknown_there(),
        offers(TITAN, json!({"tools": [tool("a")]})).at("toolConfig", no_tools),
        bad(
            TITAN,
            json!({"messages": [hi(), assistant(json!([tool_use("a")])), user(json!([result("a")]))]}),
        )
        .at("messages[1].content[0].toolUse", no_tools)
        .at("messages[2].content[0].toolResult", no_tools),
        offers(CLAUDE, json!({"tools": []})).at("toolConfig.tools", "has 0 entries; at least 1 is accepted"),
    ]
}

fn image() -> Value {
    json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}})
}

fn media() -> Vec<Bad> {
    let taken = "is set; the model takes none";
    let many: Vec<_> = (0..21).map(|_| image()).chain([json!({"text": "which one?"})]).collect();
    let in_result = json!({"toolResult": {"toolUseId": "a", "content": [image()]}});
    let video = json!({"video": {"format": "mp4", "source": {"bytes": "AAAA"}}});
    let audio = json!({"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}});
    vec![
        said(HAIKU, json!([user(json!([{"text": "a"}, image()]))])).at("messages[0].content[1].image", taken),
        said(NOVA_MICRO, json!([user(json!([{"text": "a"}, image(), video]))]))
            .at("messages[0].content[1].image", taken)
            .at("messages[0].content[2].video", taken),
        said(CLAUDE, json!([user(json!([video, audio]))]))
            .at("messages[0].content[0].video", taken)
            .at("messages[0].content[1].audio", taken),
        bad(
            HAIKU,
            json!({
                "messages": [hi(), assistant(json!([tool_use("a")])), user(json!([in_result]))],
                "toolConfig": {"tools": [tool("t")]}
            }),
        )
        .at("messages[2].content[0].toolResult.content[0].image", taken),
        said(CLAUDE, json!([user(json!(many))]))
            .at("messages[0].content", "holds 21 images; the model takes at most 20"),
        said(
            CLAUDE,
            json!([user(json!([{"image": {"format": "png", "source": {"bytes": large(3_932_161)}}}]))]),
        )
        .at("messages[0].content[0].image.source.bytes", "has 3932161 bytes; the model takes at most 3932160")
        .unknown_there(),
    ]
}

/// So many bytes in base64.
fn large(bytes: usize) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(vec![b'x'; bytes])
}

fn document(name: &str) -> Value {
    json!({"document": {"format": "txt", "name": name, "source": {"bytes": "aGk="}}})
}

fn documents() -> Vec<Bad> {
    let with_text = |documents: Vec<Value>| {
        said(NOVA, json!([user(documents.into_iter().chain([json!({"text": "a"})]).collect())]))
    };
    let letters = "holds other characters than letters, digits, single spaces, hyphens, parentheses and square brackets";
    let name = "messages[0].content[0].document.name";
    let big = json!({"document": {"format": "txt", "name": "a", "source": {"bytes": large(4_718_593)}}});
    vec![
        with_text((0..6).map(|at| document(&format!("n{at}"))).collect())
            .at("messages[0].content", "holds 6 documents; at most 5 are accepted"),
        said(CLAUDE, json!([user(json!([document("a")]))]))
            .at("messages[0].content", "holds a document and no text; a text block is needed beside it"),
        with_text(vec![document("report.txt")]).at(name, letters),
        with_text(vec![document("two  spaces")]).at(name, letters),
        with_text(vec![document("")]).at(name, "has 0 characters; 1 to 200 are accepted"),
        with_text(vec![document("a"), document("b"), document("a")])
            .at("messages[0].content[2].document.name", "is the name of a document before it too")
            .unknown_there(),
        // The emulator refuses its tokens.
        with_text(vec![big]).at(
            "messages[0].content[0].document.source.bytes",
            "has 4718593 bytes; the model takes at most 4718592",
        ),
        said(NOVA_MICRO, json!([user(json!([document("a"), {"text": "a"}]))]))
            .at("messages[0].content[0].document", "is set; the model takes none"),
    ]
}

fn cache_points() -> Vec<Bad> {
    let point = json!({"cachePoint": {"type": "default"}});
    let hour = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let late = "is 1h behind a cache point of 5m; the longer ones must come first";
    vec![
        bad(
            CLAUDE,
            json!({
                "toolConfig": {"tools": [tool("t"), point]}, "system": [{"text": "a"}, point],
                "messages": [user(json!([{"text": "a"}, point, {"text": "b"}, point, {"text": "c"}, point]))]
            }),
        )
        .at("messages[0].content[5].cachePoint", "is one of 5 cache points; the model takes at most 4"),
        bad(
            CLAUDE,
            json!({
                "toolConfig": {"tools": [tool("t"), point]}, "system": [{"text": "a"}, hour],
                "messages": [user(json!([{"text": "a"}, hour]))]
            }),
        )
        .at("system[1].cachePoint.ttl", late)
        .at("messages[0].content[1].cachePoint.ttl", late),
        said(CLAUDE, json!([user(json!([point, {"text": "a"}]))]))
            .at("messages[0].content[0].cachePoint", "stands first in its message; there is nothing to cache")
            .unknown_there(),
        said(TITAN, json!([user(json!([{"text": "a"}, point]))]))
            .at("messages[0].content[1].cachePoint", "is set; the model has no prompt cache"),
        bad(NOVA, json!({"toolConfig": {"tools": [tool("t"), point]}}))
            .at("toolConfig.tools[1].cachePoint", "is set; the model caches system and messages only")
            .unknown_there(),
    ]
}
