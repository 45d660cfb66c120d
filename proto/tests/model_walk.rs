//! Walks AWS's service model: every member of Converse survives the codec, and every name its mapping.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "tests"
)]

#[path = "generate/model.rs"]
mod model;

use std::collections::BTreeSet;

use bedrock_inference_proto::codec::{self, Shape};
use bedrock_inference_proto::{FILE_DESCRIPTOR_SET, v1};
use model::{Model, snake, upper_camel};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde_json::{Value, json};

/// Makes sample bodies of a shape, and remembers which members they hold.
struct Sampler<'m> {
    model: &'m Model,
    covered: BTreeSet<(String, String)>,
}

impl Sampler<'_> {
    /// One body with every member, and one more for each further form that a member can have.
    fn samples(&mut self, name: &str) -> Vec<Value> {
        let shape = self.model.shape(name);
        match shape.kind.as_str() {
            _ if shape.document => {
                vec![json!({"free": [1, 0.7, null, [], {}, "text", true, -3]}), json!("text")]
            }
            "structure" if shape.union => self.union(name),
            "structure" => self.structure(name),
            "list" => vec![Value::Array(self.samples(&shape.member.as_ref().unwrap().shape))],
            "map" => {
                let values = self.samples(&shape.value.as_ref().unwrap().shape);
                vec![values.into_iter().enumerate().map(|(i, v)| (format!("key{i}"), v)).collect()]
            }
            "string" => vec![json!(format!("a {name} with \"quotes\", ümlauts and \u{1F980}"))],
            "integer" => vec![json!(7)],
            "long" => vec![json!(9_007_199_254_740_993_i64)],
            "float" | "double" => vec![json!(0.7), json!(1e-9)],
            "boolean" => vec![json!(true), json!(false)],
            "blob" => vec![json!("AAECAw==")],
            other => panic!("{name} is a {other}"),
        }
    }

    fn union(&mut self, name: &str) -> Vec<Value> {
        let mut samples = Vec::new();
        for (member, target) in self.members(name) {
            samples.extend(self.samples(&target).into_iter().map(|value| json!({ member.as_str(): value })));
        }
        samples
    }

    fn structure(&mut self, name: &str) -> Vec<Value> {
        let members = self.members(name);
        let choices: Vec<_> = members.iter().map(|(_, target)| self.samples(target)).collect();
        let longest = choices.iter().map(Vec::len).max().unwrap_or(1);
        let pick = |round: usize| {
            let values = choices.iter().map(|c| c[round.min(c.len() - 1)].clone());
            members.iter().map(|(member, _)| member.clone()).zip(values).collect()
        };
        (0..longest).map(pick).collect()
    }

    fn members(&mut self, name: &str) -> Vec<(String, String)> {
        let members: Vec<_> =
            self.model.shape(name).members().map(|(m, target)| (m.to_owned(), target)).collect();
        for (member, _) in &members {
            self.covered.insert((name.to_owned(), member.clone()));
        }
        members
    }
}

fn survives<T: Shape>(name: &str, sampler: &mut Sampler<'_>) {
    for body in sampler.samples(name) {
        let decoded = codec::read::<T>(body.to_string().as_bytes()).unwrap();
        assert_eq!(decoded.unknown, Vec::<String>::new(), "{name}");
        let written = codec::write(&decoded.value).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body, "{name}");
    }
}

#[test]
fn every_member_survives() {
    let model = model::load();
    let mut sampler = Sampler { model: &model, covered: BTreeSet::new() };
    survives::<v1::ConverseRequest>("ConverseRequest", &mut sampler);
    survives::<v1::ConverseStreamRequest>("ConverseStreamRequest", &mut sampler);
    survives::<v1::ConverseResponse>("ConverseResponse", &mut sampler);
    survives::<v1::MessageStartEvent>("MessageStartEvent", &mut sampler);
    survives::<v1::ContentBlockStartEvent>("ContentBlockStartEvent", &mut sampler);
    survives::<v1::ContentBlockDeltaEvent>("ContentBlockDeltaEvent", &mut sampler);
    survives::<v1::ContentBlockStopEvent>("ContentBlockStopEvent", &mut sampler);
    survives::<v1::MessageStopEvent>("MessageStopEvent", &mut sampler);
    survives::<v1::ConverseStreamMetadataEvent>("ConverseStreamMetadataEvent", &mut sampler);

    let all: BTreeSet<_> = converse_structures(&model)
        .into_iter()
        .flat_map(|name| {
            let members: Vec<_> = model.shape(&name).members().map(|(m, _)| m.to_owned()).collect();
            members.into_iter().map(move |member| (name.clone(), member))
        })
        .collect();
    assert!(all.len() > 300, "the walk found only {} members", all.len());
    assert_eq!(all.difference(&sampler.covered).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

#[test]
fn every_member_has_its_aws_name_in_proto3_json() {
    let model = model::load();
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for name in converse_structures(&model) {
        let message = message(&pool, &name);
        let shape = model.shape(&name);
        for member in shape.members.keys() {
            let field = message.fields().find(|f| f.json_name() == member);
            let field = field.unwrap_or_else(|| panic!("{name}.{member} is not in the proto"));
            assert!(field.number() < 100, "{name}.{member} has a number of ours");
        }
        for field in message.fields() {
            let ours = !shape.members.contains_key(field.json_name());
            assert_eq!(ours, field.number() >= 100, "{name}.{} is in the wrong range", field.name());
        }
    }
}

#[test]
fn every_name_of_the_whole_service_round_trips() {
    let model = model::load();
    assert!(model.shapes.len() >= 393, "only {} shapes", model.shapes.len());
    for (name, shape) in &model.shapes {
        for member in shape.members.keys() {
            let camel = upper_camel(&snake(member));
            assert!(member[1..] == camel[1..], "{name}.{member} becomes {camel}");
        }
    }
}

fn message(pool: &DescriptorPool, name: &str) -> MessageDescriptor {
    pool.get_message_by_name(&format!("bedrock.inference.v1.{name}"))
        .unwrap_or_else(|| panic!("{name} is not in the proto"))
}

/// The structures of Converse and ConverseStream. The stream's own union is a oneof of the response
/// message, its exceptions are statuses.
fn converse_structures(model: &Model) -> Vec<String> {
    let mut structures = model.structures(&[
        "ConverseRequest",
        "ConverseResponse",
        "ConverseStreamRequest",
        "ConverseStreamOutput",
    ]);
    structures.retain(|name| name != "ConverseStreamOutput" && !name.ends_with("Exception"));
    structures
}
