//! Walks AWS's service model: every member of Converse survives the codec, and every name its mapping.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    reason = "tests"
)]

#[path = "generate/model.rs"]
mod model;
#[path = "generate/sampler.rs"]
mod sampler;

use bedrock_inference_proto::codec::{self, Shape};
use bedrock_inference_proto::{FILE_DESCRIPTOR_SET, v1};
use model::{snake, upper_camel};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use sampler::{Sampler, converse_members, converse_structures};
use serde_json::Value;

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
    let mut sampler = Sampler::new(&model);
    survives::<v1::ConverseRequest>("ConverseRequest", &mut sampler);
    survives::<v1::ConverseStreamRequest>("ConverseStreamRequest", &mut sampler);
    survives::<v1::ConverseResponse>("ConverseResponse", &mut sampler);
    survives::<v1::MessageStartEvent>("MessageStartEvent", &mut sampler);
    survives::<v1::ContentBlockStartEvent>("ContentBlockStartEvent", &mut sampler);
    survives::<v1::ContentBlockDeltaEvent>("ContentBlockDeltaEvent", &mut sampler);
    survives::<v1::ContentBlockStopEvent>("ContentBlockStopEvent", &mut sampler);
    survives::<v1::MessageStopEvent>("MessageStopEvent", &mut sampler);
    survives::<v1::ConverseStreamMetadataEvent>("ConverseStreamMetadataEvent", &mut sampler);

    let all = converse_members(&model);
    assert!(all.len() > 300, "the walk found only {} members", all.len());
    assert_eq!(all.difference(sampler.covered()).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

#[test]
fn every_member_of_counting_and_guardrails_survives() {
    let model = model::load();
    let mut sampler = Sampler::new(&model);
    survives::<v1::CountTokensRequest>("CountTokensRequest", &mut sampler);
    survives::<v1::CountTokensResponse>("CountTokensResponse", &mut sampler);
    survives::<v1::ApplyGuardrailRequest>("ApplyGuardrailRequest", &mut sampler);
    survives::<v1::ApplyGuardrailResponse>("ApplyGuardrailResponse", &mut sampler);
    for name in model.structures(&BESIDE_CONVERSE[3..]) {
        for (member, _) in model.shape(&name).members() {
            let covered = sampler.covered().contains(&(name.clone(), member.to_owned()));
            assert!(covered, "{name}.{member} was not in a sample");
        }
    }
}

/// Shapes of the other operations. The bodies of the first three are the models' own.
const BESIDE_CONVERSE: [&str; 7] = [
    "InvokeModelRequest",
    "InvokeModelResponse",
    "PayloadPart",
    "CountTokensRequest",
    "CountTokensResponse",
    "ApplyGuardrailRequest",
    "ApplyGuardrailResponse",
];

#[test]
fn every_member_has_its_aws_name_in_proto3_json() {
    let model = model::load();
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for name in converse_structures(&model).into_iter().chain(model.structures(&BESIDE_CONVERSE)) {
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
