//! A Converse body written after AWS's documentation works through a JSON-to-gRPC client as it stands.

use bedrock_inference_emulator::CallRecord;
use serde_json::{Map, Value, json};

use crate::reflected::{Reflected, assert_same};
use crate::stage::Stage;

/// A body, and the answer's feature that it is about.
struct Case {
    name: &'static str,
    body: &'static str,
    judge: fn(&Value),
}

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        [$(Case {
            name: stringify!($name),
            body: include_str!(concat!("aws_json/", stringify!($name), ".json")),
            judge: $name,
        }),+]
    };
}

fn cases() -> [Case; 10] {
    cases![
        multi_turn,
        system,
        tools,
        image,
        document,
        guardrail,
        reasoning,
        cache_point,
        structured_output,
        stop_sequence,
    ]
}

fn multi_turn(reply: &Value) {
    assert_eq!(reply["stopReason"], "end_turn");
    assert!(text(reply).contains("turn 2 of our conversation"), "{reply}");
    assert!(text(reply).contains("Paris"), "{reply}");
    assert_eq!(reply["performanceConfig"], json!({"latency": "standard"}));
    assert_eq!(reply["serviceTier"], json!({"type": "default"}));
}

fn system(reply: &Value) {
    assert_eq!(reply["stopReason"], "end_turn");
    assert!(text(reply).contains("You are a pirate"), "{reply}");
}

fn tools(reply: &Value) {
    assert_eq!(reply["stopReason"], "tool_use");
    let uses: Vec<_> = content(reply).iter().filter_map(|block| block.get("toolUse")).collect();
    assert_eq!(uses.len(), 1, "{reply}");
    assert_eq!(uses[0]["name"], "get_weather");
    assert_eq!(uses[0]["input"]["city"], "Oslo");
    assert!(uses[0]["toolUseId"].as_str().unwrap().starts_with("tooluse_"));
}

fn image(reply: &Value) {
    assert!(text(reply).contains("a png image (48x32 pixels"), "{reply}");
}

fn document(reply: &Value) {
    for seen in ["the pdf document “Annual report (2025)”", "the txt document “Meeting notes”", "“Chunks”"]
    {
        assert!(text(reply).contains(seen), "{seen}: {reply}");
    }
}

fn guardrail(reply: &Value) {
    assert_eq!(reply["stopReason"], "guardrail_intervened");
    let trace = &reply["trace"]["guardrail"];
    assert_eq!(trace["actionReason"], "Guardrail blocked.");
    let topic = &trace["inputAssessment"]["demoguardrail1"]["topicPolicy"]["topics"][0];
    assert_eq!(topic["name"], "investment-advice");
    assert_eq!(topic["detected"], true);
}

fn reasoning(reply: &Value) {
    assert_eq!(reply["stopReason"], "end_turn");
    let reasoning = &content(reply)[0]["reasoningContent"]["reasoningText"];
    assert!(!reasoning["text"].as_str().unwrap().is_empty(), "{reply}");
    assert!(!reasoning["signature"].as_str().unwrap().is_empty(), "{reply}");
    assert!(!text(reply).is_empty(), "{reply}");
}

/// The first call writes the cache, the second reads it.
fn cache_point(reply: &Value) {
    let tokens = |member: &str| reply["usage"][member].as_i64().unwrap();
    let (read, written) = (tokens("cacheReadInputTokens"), tokens("cacheWriteInputTokens"));
    assert!(read.max(written) > 1024 && read.min(written) == 0, "{reply}");
    if written > 0 {
        assert_eq!(reply["usage"]["cacheDetails"], json!([{"ttl": "5m", "inputTokens": written}]));
    }
    let classes = &reply["call"]["tokens"];
    assert_eq!(classes.get("cacheRead").unwrap_or(&json!("0")), &json!(read.to_string()));
    assert_eq!(classes.get("cacheWrite5m").unwrap_or(&json!("0")), &json!(written.to_string()));
}

fn structured_output(reply: &Value) {
    let found: Value = serde_json::from_str(&text(reply)).unwrap();
    assert_eq!(found["city"], "Lisbon");
    assert_eq!(found["mood"], "good");
    assert_eq!(found["stars"], 4);
}

fn stop_sequence(reply: &Value) {
    assert_eq!(reply["stopReason"], "stop_sequence");
    assert_eq!(reply["additionalModelResponseFields"], json!({"stop_sequence": "END"}));
    assert_eq!(text(reply).trim(), "one two three");
}

#[tokio::test]
async fn ten_bodies_through_converse() {
    let stage = Stage::by_converse().await;
    let client = Reflected::meet(stage.channel.clone()).await;
    for case in cases() {
        let reply = client.converse(case.body).await.unwrap_or_else(|s| panic!("{}: {s:?}", case.name));
        (case.judge)(&reply);
        assert_eq!(reply["call"]["attempts"][0]["outcome"], "OK", "{}", case.name);
        arrived_as_it_stands(&stage, &case);
    }
}

#[tokio::test]
async fn ten_bodies_through_converse_stream() {
    let stage = Stage::by_converse().await;
    let client = Reflected::meet(stage.channel.clone()).await;
    for case in cases() {
        let messages = client.stream(case.body).await.unwrap_or_else(|s| panic!("{}: {s:?}", case.name));
        (case.judge)(&folded(&messages));
        assert_eq!(messages[0], json!({"messageStart": {"role": "assistant"}}), "{}", case.name);
        arrived_as_it_stands(&stage, &case);
    }
}

#[tokio::test]
async fn a_prompt_cached_by_one_call_is_read_by_the_next() {
    let stage = Stage::by_converse().await;
    let client = Reflected::meet(stage.channel.clone()).await;
    let body = include_str!("aws_json/cache_point.json");
    let first = client.converse(body).await.unwrap();
    let second = folded(&client.stream(body).await.unwrap());
    cache_point(&first);
    cache_point(&second);
    assert_eq!(first["usage"]["cacheWriteInputTokens"], second["usage"]["cacheReadInputTokens"]);
}

#[tokio::test]
async fn the_model_id_may_stand_in_the_metadata() {
    let stage = Stage::by_converse().await;
    let client = Reflected::meet(stage.channel.clone()).await;
    for case in cases() {
        let (model, body) = without_model(case.body);
        let text = body.to_string();
        let reply = client.converse_with(&text, Some(&model)).await.unwrap();
        assert_eq!(reply["call"]["modelAsked"], model, "{}", case.name);
        arrived_as_it_stands(&stage, &case);
        let messages = client.stream_with(&text, Some(&model)).await.unwrap();
        (case.judge)(&folded(&messages));
        arrived_as_it_stands(&stage, &case);
    }
    let status = client.converse(&without_model(cases()[0].body).1.to_string()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
}

/// The body that Bedrock was sent is the file, by JSON value, and the id stands in the URI.
fn arrived_as_it_stands(stage: &Stage, case: &Case) {
    let (model, body) = without_model(case.body);
    let call: CallRecord = stage.emulator.calls().pop().unwrap();
    let arrived: Value = serde_json::from_slice(&call.body).unwrap();
    assert_same(&arrived, &body, case.name);
    assert_eq!(call.model_id, model, "{}", case.name);
}

fn without_model(body: &str) -> (String, Value) {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let model = body.as_object_mut().unwrap().remove("modelId").unwrap();
    (model.as_str().unwrap().to_owned(), body)
}

fn content(reply: &Value) -> &[Value] {
    reply["output"]["message"]["content"].as_array().unwrap()
}

fn text(reply: &Value) -> String {
    content(reply).iter().filter_map(|block| block["text"].as_str()).collect()
}

/// The unary reply that a stream stands for.
fn folded(messages: &[Value]) -> Value {
    let mut reply = Map::new();
    let mut blocks: Vec<Value> = Vec::new();
    for message in messages {
        let (name, event) = message.as_object().unwrap().iter().next().unwrap();
        let index = event["contentBlockIndex"].as_u64().unwrap_or_default() as usize;
        match name.as_str() {
            "contentBlockStart" => {
                blocks.resize(index + 1, json!({}));
                blocks[index] = event["start"].clone();
                blocks[index]["toolUse"]["input"] = json!("");
            }
            "contentBlockDelta" => {
                blocks.resize(blocks.len().max(index + 1), json!({}));
                append(&mut blocks[index], &event["delta"]);
            }
            "contentBlockStop" => {
                if let Some(input) = blocks[index].pointer_mut("/toolUse/input") {
                    *input = serde_json::from_str(input.as_str().unwrap()).unwrap();
                }
            }
            "messageStop" | "metadata" => reply.extend(event.as_object().unwrap().clone()),
            "call" => drop(reply.insert(name.clone(), event.clone())),
            _ => assert_eq!(name, "messageStart"),
        }
    }
    reply.insert("output".to_owned(), json!({"message": {"role": "assistant", "content": blocks}}));
    Value::Object(reply)
}

fn append(block: &mut Value, delta: &Value) {
    let (kind, piece) = delta.as_object().unwrap().iter().next().unwrap();
    if kind == "reasoningContent" {
        append(&mut block[kind]["reasoningText"], piece);
    } else if let Some(piece) = piece.as_str() {
        let so_far = block[kind].as_str().unwrap_or_default().to_owned();
        block[kind] = json!(so_far + piece);
    } else {
        append(&mut block[kind], piece);
    }
}
