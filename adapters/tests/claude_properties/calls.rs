//! Arbitrary calls of the native route's tested list, with what their bodies must hold.

use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::content_block::Kind;
use bedrock_inference_proto::v1::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A piece of a request, and the native JSON that must come of it.
#[derive(Debug, Clone)]
pub(crate) struct Paired<T> {
    pub(crate) converse: T,
    pub(crate) native: Value,
}

fn pair<T>(converse: T, native: Value) -> Paired<T> {
    Paired { converse, native }
}

/// A tool-use id as Anthropic takes it.
fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,64}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,6}", ".{0,12}", Just("\u{0}\"\\\u{2028}\n".to_owned())]
}

fn number() -> impl Strategy<Value = f64> {
    // Three digits: serde_json reads longer ones to within one unit in the last place only.
    (0..=1000_u16).prop_map(|thousandths| f64::from(thousandths) / 1000.0)
}

/// A number as it is read back: integral ones are integers.
fn plain(number: f64) -> Value {
    serde_json::from_str(&number.to_string()).unwrap()
}

fn json_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    });
    vec((text(), nested), 0..3).prop_map(|members| members.into_iter().collect())
}

fn blob() -> impl Strategy<Value = (bytes::Bytes, String)> {
    vec(any::<u8>(), 0..6).prop_map(|bytes| {
        let json = bedrock_inference_proto::codec::write(&image_source(bytes.clone())).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        (bytes.into(), json["bytes"].as_str().unwrap().to_owned())
    })
}

fn image_source(bytes: Vec<u8>) -> ImageSource {
    ImageSource { kind: Some(image_source::Kind::Bytes(bytes.into())) }
}

fn image() -> impl Strategy<Value = Paired<ImageBlock>> {
    (prop::sample::select(vec!["png", "jpeg", "gif", "webp"]), blob()).prop_map(|(format, (bytes, data))| {
        let source = Some(image_source(bytes.to_vec()));
        let converse = ImageBlock { format: Some(format.to_owned()), source, error: None };
        let source = json!({"type": "base64", "media_type": format!("image/{format}"), "data": data});
        pair(converse, json!({"type": "image", "source": source}))
    })
}

fn document() -> impl Strategy<Value = Paired<DocumentBlock>> {
    let format = prop::sample::select(vec!["txt", "md"]);
    (format, text(), text(), of(text()), of(any::<bool>())).prop_map(
        |(format, name, text, context, cites)| {
            let kind = Some(document_source::Kind::Text(text.clone()));
            let converse = DocumentBlock {
                format: Some(format.to_owned()),
                name: Some(name.clone()),
                source: Some(DocumentSource { kind, content: Vec::new() }),
                context: context.clone(),
                citations: cites.map(|enabled| CitationsConfig { enabled: Some(enabled) }),
            };
            let source = json!({"type": "text", "media_type": "text/plain", "data": text});
            let mut native = json!({"type": "document", "source": source, "title": name});
            set(&mut native, "context", context.map(Value::from));
            set(&mut native, "citations", cites.map(|enabled| json!({"enabled": enabled})));
            pair(converse, native)
        },
    )
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[name] = value;
    }
}

fn tool_use() -> impl Strategy<Value = Paired<ToolUseBlock>> {
    (id(), text(), json_object()).prop_map(|(id, name, json)| {
        let (input, input_text) = document_from_json(&json.to_string()).unwrap();
        let native = json!({"type": "tool_use", "id": id, "name": name, "input": json});
        let (tool_use_id, name) = (Some(id), Some(name));
        pair(ToolUseBlock { tool_use_id, name, input, r#type: None, input_text }, native)
    })
}

fn tool_result() -> impl Strategy<Value = Paired<ToolResultBlock>> {
    use tool_result_content_block::Kind;
    let part = prop_oneof![
        text().prop_map(|text| pair(Kind::Text(text.clone()), json!({"type": "text", "text": text}))),
        image().prop_map(|image| pair(Kind::Image(image.converse), image.native)),
        document().prop_map(|document| pair(Kind::Document(document.converse), document.native)),
    ];
    (id(), vec(part, 0..3), any::<bool>()).prop_map(|(id, parts, failed)| {
        let (content, natives) = unzip(parts);
        let content = content.into_iter();
        let content = content.map(|kind| ToolResultContentBlock { kind: Some(kind), json_text: None });
        let converse = ToolResultBlock {
            tool_use_id: Some(id.clone()),
            content: content.collect(),
            status: Some(if failed { "error" } else { "success" }.to_owned()),
            r#type: None,
        };
        let mut native = json!({"type": "tool_result", "tool_use_id": id, "content": natives});
        set(&mut native, "is_error", failed.then_some(Value::Bool(true)));
        pair(converse, native)
    })
}

fn reasoning() -> impl Strategy<Value = Paired<ReasoningContentBlock>> {
    use reasoning_content_block::Kind;
    let thinking = (text(), text()).prop_map(|(text, signature)| {
        let native = json!({"type": "thinking", "thinking": text, "signature": signature});
        let block = ReasoningTextBlock { text: Some(text), signature: Some(signature) };
        pair(Kind::ReasoningText(block), native)
    });
    let redacted = blob().prop_map(|(bytes, data)| {
        pair(Kind::RedactedContent(bytes), json!({"type": "redacted_thinking", "data": data}))
    });
    prop_oneof![thinking, redacted]
        .prop_map(|kind| pair(ReasoningContentBlock { kind: Some(kind.converse) }, kind.native))
}

/// A block, which a cache point may follow.
fn block() -> impl Strategy<Value = Vec<Paired<Kind>>> {
    let marked = prop_oneof![
        text().prop_map(|text| pair(Kind::Text(text.clone()), json!({"type": "text", "text": text}))),
        image().prop_map(|image| pair(Kind::Image(image.converse), image.native)),
        document().prop_map(|document| pair(Kind::Document(document.converse), document.native)),
        tool_use().prop_map(|tool| pair(Kind::ToolUse(tool.converse), tool.native)),
        tool_result().prop_map(|result| pair(Kind::ToolResult(result.converse), result.native)),
    ];
    let marked = (marked, of(of(prop::sample::select(vec!["5m", "1h"])))).prop_map(|(mut block, point)| {
        let Some(ttl) = point else { return vec![block] };
        let mut control = json!({"type": "ephemeral"});
        set(&mut control, "ttl", ttl.map(Value::from));
        block.native["cache_control"] = control;
        let r#type = Some("default".to_owned());
        let point = CachePointBlock { r#type, ttl: ttl.map(str::to_owned) };
        vec![block, pair(Kind::CachePoint(point), Value::Null)]
    });
    let reasoning = reasoning().prop_map(|block| {
        let native = block.native;
        vec![pair(Kind::ReasoningContent(block.converse), native)]
    });
    prop_oneof![5 => marked, 1 => reasoning]
}

fn message() -> impl Strategy<Value = Paired<Message>> {
    (any::<bool>(), vec(block(), 0..4)).prop_map(|(user, blocks)| {
        let (kinds, natives) = unzip(blocks.into_iter().flatten());
        let role = if user { "user" } else { "assistant" };
        let content = kinds.into_iter().map(|kind| ContentBlock { kind: Some(kind) }).collect();
        let natives: Vec<_> = natives.into_iter().filter(|native| !native.is_null()).collect();
        let native = json!({"role": role, "content": natives});
        pair(Message { role: Some(role.to_owned()), content }, native)
    })
}

fn tool() -> impl Strategy<Value = Paired<Tool>> {
    (text(), of(text()), json_object(), of(any::<bool>())).prop_map(|(name, description, schema, strict)| {
        let (json, json_text) = document_from_json(&schema.to_string()).unwrap();
        let mut native = json!({"name": name});
        set(&mut native, "description", description.clone().map(Value::from));
        native["input_schema"] = schema;
        set(&mut native, "strict", strict.map(Value::from));
        let kind = json.map(tool_input_schema::Kind::Json);
        let input_schema = Some(ToolInputSchema { kind, json_text });
        let spec = ToolSpecification { name: Some(name), description, input_schema, strict };
        pair(Tool { kind: Some(tool::Kind::ToolSpec(spec)) }, native)
    })
}

fn unzip<T>(pairs: impl IntoIterator<Item = Paired<T>>) -> (Vec<T>, Vec<Value>) {
    pairs.into_iter().map(|pair| (pair.converse, pair.native)).unzip()
}

/// Parameters: the longest answer, temperature, top_p, stop sequences, top_k.
type Parameters = (i32, Option<f64>, Option<f64>, Vec<String>, Option<i64>);

fn parameters() -> impl Strategy<Value = Parameters> {
    (any::<i32>(), of(number()), of(number()), vec(text(), 0..3), of(0..1000_i64))
}

/// A call, and its native body.
pub(crate) fn call() -> impl Strategy<Value = Paired<ConverseStreamRequest>> {
    let tools = of(vec(tool(), 0..3));
    (vec(message(), 0..4), vec(text(), 0..3), tools, parameters()).prop_map(
        |(messages, system, tools, parameters)| {
            let (messages, turns) = unzip(messages);
            let (max_tokens, temperature, top_p, stop_sequences, top_k) = parameters;
            let mut native = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": max_tokens});
            let blocks: Vec<_> = system.iter().map(|text| json!({"type": "text", "text": text})).collect();
            set(&mut native, "system", (!blocks.is_empty()).then_some(Value::Array(blocks)));
            native["messages"] = Value::Array(turns);
            let tools = tools.map(unzip);
            set(&mut native, "tools", tools.as_ref().map(|(_, natives)| Value::from(natives.clone())));
            set(&mut native, "temperature", temperature.map(plain));
            set(&mut native, "top_p", top_p.map(plain));
            set(&mut native, "top_k", top_k.map(Value::from));
            let stops = (!stop_sequences.is_empty()).then(|| Value::from(stop_sequences.clone()));
            set(&mut native, "stop_sequences", stops);
            let max_tokens = Some(max_tokens);
            let text = |text| SystemContentBlock { kind: Some(system_content_block::Kind::Text(text)) };
            let converse = ConverseStreamRequest {
                messages,
                system: system.into_iter().map(text).collect(),
                inference_config: Some(InferenceConfiguration {
                    max_tokens,
                    temperature,
                    top_p,
                    stop_sequences,
                }),
                tool_config: tools.map(|(tools, _)| ToolConfiguration { tools, tool_choice: None }),
                additional_model_request_fields_text: top_k.map(|k| json!({"top_k": k}).to_string()),
                ..ConverseStreamRequest::default()
            };
            pair(converse, native)
        },
    )
}
