//! Walks AWS's service model through the whole service: every member that Bedrock knows arrives there, and
//! every one that Bedrock sends arrives here.

#[path = "../../proto/tests/generate/model.rs"]
#[expect(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the generator uses the rest"
)]
pub(crate) mod model;
#[path = "../../proto/tests/generate/sampler.rs"]
pub(crate) mod sampler;

use std::collections::BTreeSet;

use bedrock_inference_emulator::{Fault, Operation};
use serde_json::{Map, Value, json};

use crate::reflected::{Reflected, assert_same};
use crate::stage::{CLAUDE, Stage};
use bedrock_inference::config::{RouteSetting, UnknownModels};
use model::Model;
use sampler::{Sampler, converse_members};

/// A model of which nothing is known, so that nothing of a request is refused for its sake.
const ANY: &str = "acme.everything-v1:0";

/// The union of the stream's events.
const OUTPUT: &str = "ConverseStreamOutput";

struct Walk<'m> {
    model: &'m Model,
    sampler: Sampler<'m>,
    stage: Stage,
    client: Reflected,
}

impl<'m> Walk<'m> {
    async fn begin(model: &'m Model) -> Self {
        let stage = Stage::open_with(|settings| {
            settings.route = RouteSetting::Converse;
            settings.unknown_models = UnknownModels::Warn;
        });
        let stage = stage.await;
        let client = Reflected::meet(stage.channel.clone()).await;
        Self { model, sampler: Sampler::new(model), stage, client }
    }

    async fn requests(&mut self) {
        for sample in self.sampler.samples("ConverseRequest").iter().flat_map(conversations) {
            self.stage.emulator.script(Fault::Reply(short_reply()));
            self.client.converse(&with(ANY, &sample)).await.unwrap();
            self.was_sent(Operation::Converse, &sample);
        }
        for sample in self.sampler.samples("ConverseStreamRequest").iter().flat_map(conversations) {
            self.stage.emulator.script(Fault::Events(short_events()));
            self.client.stream(&with(ANY, &sample)).await.unwrap();
            self.was_sent(Operation::ConverseStream, &sample);
        }
    }

    fn was_sent(&self, operation: Operation, sample: &Value) {
        let call = self.stage.emulator.calls().pop().unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((call.operation, call.model_id.as_str()), (operation, ANY));
        assert_same(&body, sample, &operation.to_string());
    }

    async fn replies(&mut self) {
        for sample in self.sampler.samples("ConverseResponse") {
            self.stage.emulator.script(Fault::Reply(sample.clone()));
            let mut reply = self.client.converse(&hello()).await.unwrap();
            let call = reply.as_object_mut().unwrap().remove("call").unwrap();
            assert_eq!(warned(&call), [""; 0]);
            assert_same(&aws_json(self.model, "ConverseResponse", &reply), &sample, "ConverseResponse");
        }
    }

    async fn streams(&mut self) {
        for events in self.events() {
            self.stage.emulator.script(Fault::Events(events.clone()));
            let mut messages = self.client.stream(&hello()).await.unwrap();
            let call = messages.pop().unwrap();
            assert_eq!(warned(&call["call"]), [""; 0]);
            let messages = messages.iter().map(|message| aws_json(self.model, OUTPUT, message)).collect();
            let events = events.into_iter().map(|(name, payload)| json!({ name: payload })).collect();
            assert_same(&messages, &events, OUTPUT);
        }
    }

    /// Streams that hold every event sample between them, each in the order that Bedrock keeps.
    fn events(&mut self) -> Vec<Vec<(String, Value)>> {
        let mut samples =
            |name: &str| -> Vec<Value> { self.sampler.samples(self.model.shape(OUTPUT).target(name)) };
        let (starts, deltas) = (samples("contentBlockStart"), samples("contentBlockDelta"));
        let (openings, stops) = (samples("messageStart"), samples("messageStop"));
        let (ends, metadata) = (samples("contentBlockStop"), samples("metadata"));
        let rounds = openings.len().max(stops.len()).max(metadata.len());
        let round = |round: usize| {
            let of = |samples: &[Value]| samples[round.min(samples.len() - 1)].clone();
            let mut events = vec![("messageStart".to_owned(), of(&openings))];
            for (index, start) in starts.iter().enumerate() {
                events.push(("contentBlockStart".to_owned(), at(start, index)));
                events.push(("contentBlockStop".to_owned(), at(&ends[0], index)));
            }
            for (index, delta) in (starts.len()..).zip(&deltas) {
                events.push(("contentBlockDelta".to_owned(), at(delta, index)));
                events.push(("contentBlockStop".to_owned(), at(&ends[0], index)));
            }
            events.push(("messageStop".to_owned(), of(&stops)));
            events.push(("metadata".to_owned(), of(&metadata)));
            events
        };
        (0..rounds).map(round).collect()
    }
}

/// Kinds of what the report warns of, but for prices: samples are served in ways that have none.
fn warned(report: &Value) -> Vec<&str> {
    let warnings = report.get("warnings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kinds = warnings.iter().map(|warning| warning["kind"].as_str().unwrap());
    kinds.filter(|kind| *kind != "WARNING_KIND_UNPRICED").collect()
}

#[tokio::test]
async fn every_member_survives_the_whole_service() {
    let model = model::load();
    let mut walk = Walk::begin(&model).await;
    walk.requests().await;
    walk.replies().await;
    walk.streams().await;

    let all = converse_members(&model);
    let missing: BTreeSet<_> = all.difference(walk.sampler.covered()).collect();
    assert_eq!(missing, BTreeSet::new());
    assert_eq!(walk.sampler.covered().len(), all.len());
    assert!(all.len() > 300, "the model has only {} members", all.len());
    println!("{} of {} members went through the whole service", walk.sampler.covered().len(), all.len());
}

#[tokio::test]
async fn every_event_of_the_model_is_an_event_or_a_status() {
    let model = model::load();
    let mut walk = Walk::begin(&model).await;
    let streamed: BTreeSet<_> = walk.events().concat().into_iter().map(|(name, _)| name).collect();
    let (failures, events): (BTreeSet<_>, BTreeSet<_>) =
        model.shape(OUTPUT).members.keys().cloned().partition(|name| name.ends_with("Exception"));
    assert_eq!(streamed, events);
    assert_eq!(failures.len(), 5);
    for failure in failures {
        let mut events = short_events();
        events.insert(1, (failure, json!({"message": "no"})));
        walk.stage.emulator.script(Fault::Events(events));
        walk.client.stream(&hello()).await.unwrap_err();
    }
}

#[tokio::test]
async fn an_unknown_member_beside_a_known_one_is_a_warning() {
    let model = model::load();
    let walk = Walk::begin(&model).await;
    for delta in [json!({"text": "a", "new": 1}), json!({"new": 1, "text": "a"})] {
        let mut events = short_events();
        let event = json!({"contentBlockIndex": 0, "delta": delta});
        events.insert(1, ("contentBlockDelta".to_owned(), event));
        walk.stage.emulator.script(Fault::Events(events));
        let messages = walk.client.stream(&hello()).await.unwrap();
        assert_eq!(messages[1]["contentBlockDelta"]["delta"], json!({"text": "a"}));
        let warnings = &messages.last().unwrap()["call"]["warnings"];
        assert_eq!(warnings[0]["path"], "contentBlockDelta.delta.new");
    }
}

/// AWS's JSON of what came as proto3 JSON, by AWS's model: 64-bit integers as numbers, lists without the
/// message that protobuf's maps need around them. Members that AWS's model lacks stay, and are found.
fn aws_json(model: &Model, name: &str, json: &Value) -> Value {
    let shape = model.shape(name);
    match (shape.kind.as_str(), json) {
        _ if shape.document => json.clone(),
        ("structure", Value::Object(members)) => {
            let convert = |(member, value): (&String, &Value)| {
                let known = shape.members.contains_key(member);
                let value = if known { aws_json(model, shape.target(member), value) } else { value.clone() };
                (member.clone(), value)
            };
            Value::Object(members.iter().map(convert).collect::<Map<_, _>>())
        }
        ("map", Value::Object(entries)) => {
            let target = &shape.value.as_ref().unwrap().shape;
            let entries = entries.iter().map(|(key, value)| (key.clone(), aws_json(model, target, value)));
            Value::Object(entries.collect())
        }
        ("list", Value::Object(wrapper)) if wrapper.len() == 1 => {
            aws_json(model, name, &wrapper["assessments"])
        }
        ("list", Value::Array(entries)) => {
            let target = &shape.member.as_ref().unwrap().shape;
            entries.iter().map(|entry| aws_json(model, target, entry)).collect()
        }
        ("long", Value::String(text)) => json!(text.parse::<i64>().unwrap()),
        _ => json.clone(),
    }
}

impl model::Shape {
    /// The shape of a member.
    fn target(&self, member: &str) -> &str {
        self.members[member]["shape"].as_str().unwrap()
    }
}

fn at(event: &Value, index: usize) -> Value {
    let mut event = event.clone();
    event["contentBlockIndex"] = json!(index);
    event
}

/// The sample in as many requests as it takes for each to be one that Bedrock accepts: every content block in a
/// conversation where it may stand, every tool by itself.
fn conversations(sample: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let blocks = list(&sample["messages"]).into_iter().flat_map(move |message| list(&message["content"]));
    let blocks = blocks.filter(|block| block["text"] != "").flat_map(|block| one_by_one(&block));
    let mut whole = sample.clone();
    whole["messages"] = json!([user(&json!({"text": "hello"}))]);
    let tools = list(&sample["toolConfig"]["tools"]);
    let frames = tools.into_iter().map(|tool| {
        let mut framed = whole.clone();
        framed["toolConfig"]["tools"] = json!([tool]);
        let wanted = framed["toolConfig"]["toolChoice"]["tool"]["name"].as_str().map(str::to_owned);
        let name = ["toolSpec", "systemTool"].iter().find_map(|kind| tool[kind]["name"].as_str());
        if let Some(wanted) = wanted.filter(|wanted| name != Some(wanted)) {
            framed["toolConfig"]["tools"] = json!([tool, {"systemTool": {"name": wanted}}]);
        }
        framed
    });
    frames.chain(blocks.map(|block| conversation(&block))).collect()
}

/// A tool result as one for each part of its content; any other block as it is.
fn one_by_one(block: &Value) -> Vec<Value> {
    let Some(content) = block["toolResult"]["content"].as_array() else { return vec![block.clone()] };
    let with = |part: &Value| {
        let mut block = block.clone();
        block["toolResult"]["content"] = json!([part]);
        block
    };
    content.iter().map(with).collect()
}

/// A conversation in which the block may stand.
fn conversation(block: &Value) -> Value {
    let say = |text: &str| json!({ "text": text });
    let assistant = |block: &Value| json!({"role": "assistant", "content": [block]});
    let with_tools = |messages: Value| json!({"messages": messages, "toolConfig": {"tools": [{"systemTool": {"name": "t"}}]}});
    let Value::Object(members) = block else { panic!("{block} is no union") };
    match (members.keys().next().unwrap().as_str(), members.values().next().unwrap()) {
        ("toolUse", tool_use) => {
            let result = json!({"toolResult": {"toolUseId": tool_use["toolUseId"], "content": []}});
            with_tools(json!([user(&say("a")), assistant(block), user(&result)]))
        }
        ("toolResult", result) => {
            let tool_use = json!({"toolUse": {"toolUseId": result["toolUseId"], "name": "t", "input": {}}});
            with_tools(json!([user(&say("a")), assistant(&tool_use), user(block)]))
        }
        ("toolAddition" | "toolRemoval", _) => {
            let system = json!({"role": "system", "content": [block]});
            json!({"messages": [user(&say("a")), system]})
        }
        _ => json!({"messages": [{"role": "user", "content": [say("a"), block]}]}),
    }
}

fn user(block: &Value) -> Value {
    json!({"role": "user", "content": [block]})
}

fn with(model: &str, sample: &Value) -> String {
    let mut request = sample.clone();
    request["modelId"] = json!(model);
    request.to_string()
}

fn hello() -> String {
    with(CLAUDE, &json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}))
}

fn short_reply() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1}
    })
}

fn short_events() -> Vec<(String, Value)> {
    let usage = json!({"inputTokens": 1, "outputTokens": 1, "totalTokens": 2});
    vec![
        ("messageStart".to_owned(), json!({"role": "assistant"})),
        ("messageStop".to_owned(), json!({"stopReason": "end_turn"})),
        ("metadata".to_owned(), json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ]
}
