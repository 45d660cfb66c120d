//! Properties: any JSON, any text, any bytes.

use bedrock_inference_proto::codec::{self, document_from_json, document_to_json};
use bedrock_inference_proto::v1;
use proptest::prelude::*;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Number, Value, json};

const MAX_EXACT: i64 = 1 << 53;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-MAX_EXACT..=MAX_EXACT).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |value| Number::from_f64(value).map(Value::Number)),
        ".*".prop_map(Value::String),
    ];
    leaf.prop_recursive(20, 64, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((".*", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The value that this JSON is.
fn value(json: &Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(entries) => Kind::ListValue(ListValue { values: entries.iter().map(value).collect() }),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), value(member)));
            Kind::StructValue(Struct { fields: members.collect() })
        }
    };
    prost_types::Value { kind: Some(kind) }
}

/// The same with the members of every object in the opposite order.
fn reversed(json: &Value) -> Value {
    match json {
        Value::Array(entries) => entries.iter().map(reversed).collect(),
        Value::Object(members) => {
            members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect()
        }
        other => other.clone(),
    }
}

fn by_value(json: &str) -> String {
    document_to_json(&document_from_json(json).unwrap().0.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_json_survives_and_is_written_canonically(json in any_json()) {
        let read = document_from_json(&json.to_string()).unwrap().0.unwrap();
        prop_assert_eq!(&read, &value(&json));
        let written = document_to_json(&read);
        prop_assert_eq!(document_from_json(&written).unwrap().0.unwrap(), read);
        prop_assert_eq!(&by_value(&written), &written);
        prop_assert_eq!(by_value(&reversed(&json).to_string()), written);
    }

    #[test]
    fn any_number_survives_to_the_last_bit(number in any::<f64>()) {
        prop_assume!(number.is_finite());
        prop_assert_eq!(by_value(&format!("{number:e}")).parse::<f64>().unwrap(), number);
    }

    #[test]
    fn any_json_in_a_request_is_the_same_bytes_again(json in any_json()) {
        let fields = |json: &Value| v1::ConverseRequest {
            additional_model_request_fields: document_from_json(&json.to_string()).unwrap().0,
            ..Default::default()
        };
        prop_assert_eq!(codec::write(&fields(&json)), codec::write(&fields(&reversed(&json))));
    }

    #[test]
    fn any_text_survives(text in ".*", name in any::<String>()) {
        let body = json!({"role": name, "content": [{"text": text}]}).to_string();
        let read = codec::read::<v1::Message>(body.as_bytes()).unwrap().value;
        prop_assert_eq!(read.role.as_ref(), Some(&name));
        prop_assert_eq!(read.content[0].kind.as_ref(), Some(&v1::content_block::Kind::Text(text)));
        prop_assert_eq!(codec::write(&read).unwrap(), body.into_bytes());
    }

    #[test]
    fn any_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = v1::ImageSource { kind: Some(v1::image_source::Kind::Bytes(bytes.into())) };
        let written = codec::write(&source).unwrap();
        prop_assert_eq!(codec::read::<v1::ImageSource>(&written).unwrap().value, source);
    }

    #[test]
    fn any_bytes_as_a_body_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = codec::read::<v1::ConverseResponse>(&bytes);
    }

    #[test]
    fn any_json_as_a_body_is_read_or_refused(json in any_json(), at in 0..6_usize) {
        let body = match at {
            0 => json,
            1 => json!({ "output": json }),
            2 => json!({"output": {"message": {"content": [json]}}}),
            3 => json!({"output": {"message": {"content": [{"toolResult": {"content": json}}]}}}),
            4 => json!({"trace": {"guardrail": {"outputAssessments": json}}}),
            _ => json!({"additionalModelResponseFields": json, "usage": json}),
        };
        let _ = codec::read::<v1::ConverseResponse>(body.to_string().as_bytes());
    }

    #[test]
    fn a_body_that_is_cut_or_damaged_is_read_or_refused(at in any::<prop::sample::Index>(), byte: u8) {
        let mut body = json!({
            "output": {"message": {"role": "assistant", "content": [
                {"toolUse": {"input": {"a": [1, "\u{e9}\n"]}}}, {"image": {"source": {"bytes": "AAE="}}}]}},
            "usage": {"inputTokens": 1}, "new": {"a": ["b"]}
        }).to_string().into_bytes();
        let at = at.index(body.len());
        prop_assert!(codec::read::<v1::ConverseResponse>(&body[..at]).is_err());
        body[at] = byte;
        let _ = codec::read::<v1::ConverseResponse>(&body);
    }
}
