//! Free-form JSON: what a Value holds, and when the `_text` twin steps in.

use bedrock_inference_proto::codec::{self, document_from_json, document_to_json};
use bedrock_inference_proto::v1;
use prost::Message;
use serde_json::json;

/// `depth` levels of objects, the innermost one empty.
fn nested(depth: usize) -> String {
    format!("{}{{}}{}", "{\"a\":".repeat(depth - 1), "}".repeat(depth - 1))
}

#[test]
fn a_twin_stands_beside_the_value_only_where_the_value_loses_something() {
    let whole = [
        "5",
        "-3",
        "0.7",
        "1e-9",
        "-0.5e10",
        "null",
        "true",
        "\"\"",
        "[]",
        "{}",
        "[null,{\"a\":[]}]",
        "9007199254740992",
        "-9007199254740992",
        "0.12345678901234567",
    ];
    let lossy = [
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "1e300",
        "9007199254740993.0",
        "{\"a\":[{\"b\":9007199254740993}]}",
    ];
    let text_only = ["1e400", "[-1e400]", "\"\\ud800\"", "{\"\\udfff\":1}"];
    for json in whole {
        let (value, text) = document_from_json(json).unwrap();
        assert!(value.is_some() && text.is_none(), "{json}: {value:?} {text:?}");
    }
    for json in lossy {
        let (value, text) = document_from_json(json).unwrap();
        assert!(value.is_some() && text.as_deref() == Some(json), "{json}: {value:?} {text:?}");
    }
    for json in text_only {
        assert_eq!(document_from_json(json).unwrap(), (None, Some(json.to_owned())), "{json}");
    }
    for json in ["", "{", "nope", "1 2", "{'a':1}"] {
        assert!(document_from_json(json).is_err(), "{json}");
    }
}

#[test]
fn numbers_null_and_empty_values_come_out_as_they_went_in() {
    let cases = [
        ("5", "5"),
        ("5.0", "5"),
        ("0.7", "0.7"),
        ("-3", "-3"),
        ("1e300", "1e+300"),
        ("1e2", "100"),
        ("9007199254740992", "9007199254740992"),
        ("0.1234567890123456", "0.1234567890123456"),
        ("7.9e-27", "7.9e-27"),
        ("[null]", "[null]"),
        ("{\"b\":[],\"a\":{}}", "{\"a\":{},\"b\":[]}"),
        ("{\"$serde_json::private::RawValue\":\"[1]\"}", "{\"$serde_json::private::RawValue\":\"[1]\"}"),
    ];
    for (json, expected) in cases {
        assert_eq!(document_to_json(&document_from_json(json).unwrap().0.unwrap()), expected);
    }
}

#[test]
fn a_value_deeper_than_thirty_gives_the_twin_only() {
    for depth in [31, 127, 128, 5000] {
        let json = nested(depth);
        assert_eq!(document_from_json(&json).unwrap(), (None, Some(json)), "{depth}");
    }
    let (value, text) = document_from_json(&nested(30)).unwrap();
    assert_eq!((document_to_json(&value.unwrap()), text), (nested(30), None));
}

#[test]
fn the_deepest_value_survives_protobuf_at_the_deepest_place() {
    let body = format!(
        r#"{{"output":{{"message":{{"content":[{{"toolResult":{{"content":[{{"json":{}}}]}}}},{{"new":{}}}]}}}}}}"#,
        nested(30),
        nested(29)
    );
    let reply = codec::read::<v1::ConverseResponse>(body.as_bytes()).unwrap().value;
    assert_eq!(v1::ConverseResponse::decode(reply.encode_to_vec().as_slice()).unwrap(), reply);
}

#[test]
fn a_large_integer_of_a_reply_goes_back_unharmed_in_the_next_request() {
    let input = r#"{"id":9007199254740993,"name":"n"}"#;
    let body = format!(r#"{{"role":"assistant","content":[{{"toolUse":{{"input":{input}}}}}]}}"#);
    let message = codec::read::<v1::Message>(body.as_bytes()).unwrap().value;
    let Some(v1::content_block::Kind::ToolUse(tool)) = &message.content[0].kind else {
        panic!("no tool use")
    };
    assert_eq!(tool.input_text.as_deref(), Some(input));
    assert_eq!(tool.input, document_from_json(input).unwrap().0);
    assert_eq!(codec::write(&message).unwrap(), body.as_bytes());
}

#[test]
fn the_twin_is_filled_wherever_free_form_json_stands() {
    let big = 9_007_199_254_740_993_i64;
    let text = Some(big.to_string());
    let reply = json!({"additionalModelResponseFields": big}).to_string();
    let reply = codec::read::<v1::ConverseResponse>(reply.as_bytes()).unwrap().value;
    assert_eq!(reply.additional_model_response_fields_text, text);
    let stop = json!({"additionalModelResponseFields": big}).to_string();
    let stop = codec::read::<v1::MessageStopEvent>(stop.as_bytes()).unwrap().value;
    assert_eq!(stop.additional_model_response_fields_text, text);
    let delta = json!({"toolResult": [{"json": big}]}).to_string();
    let delta = codec::read::<v1::ContentBlockDelta>(delta.as_bytes()).unwrap().value;
    assert_eq!(delta.tool_result[0].json_text, text);
    assert!(delta.tool_result[0].kind.is_some());
    let result = json!({"content": [{"json": big}]}).to_string();
    let result = codec::read::<v1::ToolResultBlock>(result.as_bytes()).unwrap().value;
    assert_eq!(result.content[0].json_text, text);
    assert!(result.content[0].kind.is_some());
}
