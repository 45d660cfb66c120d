//! Properties of the Nova and Titan adapters over arbitrary calls, arbitrary bytes and damaged fixtures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::path::Path;

use bedrock_inference_adapters::contract::{
    AdapterError, AdapterErrorKind, Capability, ConverseCall, Event, Family, Grammar, InvokeHeaders, Mode,
    Piece, StreamDecoder, UsageMeter, Wire,
};
use bedrock_inference_adapters::{nova, titan};
use bedrock_inference_proto::codec::{self, document_from_json};
use bedrock_inference_proto::v1::{self, content_block::Kind};
use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const FAMILIES: [Family; 2] = [nova::FAMILY, titan::FAMILY];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,6}", ".{0,12}", Just("\u{0}\"\\\u{2028}\n".to_owned())]
}

fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..6).prop_map(Bytes::from)
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    });
    nested.prop_map(|json| json.to_string())
}

fn image() -> impl Strategy<Value = v1::ImageBlock> {
    let source = blob().prop_map(v1::image_source::Kind::Bytes);
    (text(), source).prop_map(|(format, source)| v1::ImageBlock {
        format: Some(format),
        source: Some(v1::ImageSource { kind: Some(source) }),
        error: None,
    })
}

fn tool_result() -> impl Strategy<Value = v1::ToolResultBlock> {
    use v1::tool_result_content_block::Kind;
    let part = prop_oneof![
        text().prop_map(|text| (Some(Kind::Text(text)), None)),
        image().prop_map(|image| (Some(Kind::Image(image)), None)),
        json_text().prop_map(|json| {
            let (value, text) = document_from_json(&json).unwrap();
            (value.map(Kind::Json), text)
        }),
    ];
    let part = part.prop_map(|(kind, json_text)| v1::ToolResultContentBlock { kind, json_text });
    (text(), vec(part, 0..3), of(text())).prop_map(|(id, content, status)| v1::ToolResultBlock {
        tool_use_id: Some(id),
        content,
        status,
        r#type: None,
    })
}

fn nova_block() -> impl Strategy<Value = Kind> {
    let reasoning = (text(), of(text())).prop_map(|(text, signature)| {
        let block = v1::ReasoningTextBlock { text: Some(text), signature };
        v1::reasoning_content_block::Kind::ReasoningText(block)
    });
    let redacted = blob().prop_map(v1::reasoning_content_block::Kind::RedactedContent);
    let source = prop_oneof![
        blob().prop_map(v1::video_source::Kind::Bytes),
        text().prop_map(|uri| v1::video_source::Kind::S3Location(v1::S3Location {
            uri: Some(uri),
            bucket_owner: None
        })),
    ];
    let video = (text(), source).prop_map(|(format, source)| v1::VideoBlock {
        format: Some(format),
        source: Some(v1::VideoSource { kind: Some(source) }),
    });
    prop_oneof![
        text().prop_map(Kind::Text),
        image().prop_map(Kind::Image),
        video.prop_map(Kind::Video),
        (text(), text(), json_text()).prop_map(|(id, name, json)| {
            let (input, input_text) = document_from_json(&json).unwrap();
            let (tool_use_id, name) = (Some(id), Some(name));
            Kind::ToolUse(v1::ToolUseBlock { tool_use_id, name, input, r#type: None, input_text })
        }),
        tool_result().prop_map(Kind::ToolResult),
        prop_oneof![reasoning, redacted]
            .prop_map(|kind| Kind::ReasoningContent(v1::ReasoningContentBlock { kind: Some(kind) })),
    ]
}

fn settings() -> impl Strategy<Value = v1::InferenceConfiguration> {
    // Three digits: serde_json reads longer ones to within one unit in the last place only.
    let number = || of((0..=1000_u16).prop_map(|thousandths| f64::from(thousandths) / 1000.0));
    (of(any::<i32>()), number(), number(), vec(text(), 0..3)).prop_map(
        |(max_tokens, temperature, top_p, stop_sequences)| v1::InferenceConfiguration {
            max_tokens,
            temperature,
            top_p,
            stop_sequences,
        },
    )
}

fn tools() -> impl Strategy<Value = v1::ToolConfiguration> {
    let tool = (text(), of(text()), json_text()).prop_map(|(name, description, json)| {
        let (value, json_text) = document_from_json(&json).unwrap();
        let schema = v1::ToolInputSchema { kind: value.map(v1::tool_input_schema::Kind::Json), json_text };
        let name = Some(name);
        let spec = v1::ToolSpecification { name, description, input_schema: Some(schema), strict: None };
        v1::Tool { kind: Some(v1::tool::Kind::ToolSpec(spec)) }
    });
    let choice = prop_oneof![
        Just(v1::tool_choice::Kind::Auto(v1::AutoToolChoice {})),
        Just(v1::tool_choice::Kind::Any(v1::AnyToolChoice {})),
        text().prop_map(|name| v1::tool_choice::Kind::Tool(v1::SpecificToolChoice { name: Some(name) })),
    ];
    let choice = of(choice.prop_map(|kind| v1::ToolChoice { kind: Some(kind) }));
    (vec(tool, 0..3), choice).prop_map(|(tools, tool_choice)| v1::ToolConfiguration { tools, tool_choice })
}

fn message(role: &str, blocks: Vec<Kind>) -> v1::Message {
    let content = blocks.into_iter().map(|kind| v1::ContentBlock { kind: Some(kind) }).collect();
    v1::Message { role: Some(role.to_owned()), content }
}

/// Any call on Nova's tested list, with its topK.
fn nova_call() -> impl Strategy<Value = (v1::ConverseStreamRequest, Option<i64>)> {
    let system = text()
        .prop_map(|text| v1::SystemContentBlock { kind: Some(v1::system_content_block::Kind::Text(text)) });
    let message = (prop_oneof![Just("user"), Just("assistant")], vec(nova_block(), 0..4))
        .prop_map(|(role, blocks)| message(role, blocks));
    let metadata = btree_map("[a-z]{1,3}", text(), 0..3);
    (vec(message, 0..4), vec(system, 0..3), of(settings()), of(tools()), of(any::<i64>()), metadata).prop_map(
        |(messages, system, inference_config, tool_config, top_k, request_metadata)| {
            let additional = top_k.map(|top_k| format!(r#"{{"inferenceConfig": {{"topK": {top_k}}}}}"#));
            let request = v1::ConverseStreamRequest {
                messages,
                system,
                inference_config,
                tool_config,
                request_metadata,
                additional_model_request_fields_text: additional,
                ..Default::default()
            };
            (request, top_k)
        },
    )
}

fn titan_call() -> impl Strategy<Value = v1::ConverseStreamRequest> {
    let turn = || vec(text().prop_map(Kind::Text), 1..3);
    let turns = vec((turn(), turn()), 0..3);
    (turns, turn(), of(settings())).prop_map(|(turns, last, inference_config)| {
        let pairs =
            turns.into_iter().flat_map(|(user, bot)| [message("user", user), message("assistant", bot)]);
        let messages = pairs.chain([message("user", last)]).collect();
        v1::ConverseStreamRequest { messages, inference_config, ..Default::default() }
    })
}

fn encode(
    family: Family,
    request: &v1::ConverseStreamRequest,
) -> Result<(Bytes, InvokeHeaders), AdapterError> {
    let model = family.read_models().unwrap().remove(0);
    let call = ConverseCall { request: request.clone(), mode: Mode::Stream };
    match family.adapter.encode(&model, &call)?.wire {
        Wire::Invoke { body, headers } => Ok((body.into_bytes(), headers)),
        Wire::Converse { .. } => panic!("not native"),
    }
}

fn decoder(family: Family) -> Box<dyn StreamDecoder> {
    let model = family.read_models().unwrap().remove(0);
    family.adapter.encode(&model, &ConverseCall { request: hi(), mode: Mode::Stream }).unwrap().decoder
}

/// A call that every model takes.
fn hi() -> v1::ConverseStreamRequest {
    let messages = vec![message("user", vec![Kind::Text("hi".to_owned())])];
    v1::ConverseStreamRequest { messages, ..Default::default() }
}

fn meter(family: Family) -> Box<dyn UsageMeter> {
    family.adapter.meter(&family.read_models().unwrap().remove(0))
}

/// Feeds all pieces; whether the events are complete for the grammar, and the pieces for the meter.
fn run(family: Family, pieces: &[Piece<'_>]) -> (Result<bool, AdapterError>, bool) {
    let (mut decoder, mut meter) = (decoder(family), meter(family));
    let (mut grammar, mut end) = (Grammar::default(), Ok(()));
    for piece in pieces {
        meter.feed(piece);
        let _ = (meter.usage(), format!("{meter:?}"));
        let mut events = Vec::<Event>::new();
        end = end.and_then(|()| decoder.feed(piece.clone(), &mut events));
        end = end.and_then(|()| events.iter().try_for_each(|event| grammar.accept(event)));
    }
    (end.map(|()| grammar.is_complete()), meter.is_complete())
}

fn chunk(payload: impl AsRef<[u8]>) -> Piece<'static> {
    Piece::Frame { event: "chunk", payload: Bytes::copy_from_slice(payload.as_ref()).into() }
}

fn whole(body: impl AsRef<[u8]>) -> Piece<'static> {
    Piece::Whole(Bytes::copy_from_slice(body.as_ref()).into())
}

/// The files of this name in the family's fixtures.
fn fixtures(family: Family, file: &str) -> Vec<String> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(family.adapter.family()).join("fixtures");
    let mut cases: Vec<_> = std::fs::read_dir(root).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    cases.iter().filter_map(|case| std::fs::read_to_string(case.join(file)).ok()).collect()
}

/// The fixture streams that are complete.
fn streams(family: Family) -> Vec<Vec<Piece<'static>>> {
    let streams = fixtures(family, "stream.jsonl").into_iter();
    let streams = streams.map(|lines| lines.lines().map(chunk).collect::<Vec<_>>());
    let streams: Vec<_> = streams.filter(|pieces| run(family, pieces).0 == Ok(true)).collect();
    assert!(streams.len() > 5);
    streams
}

/// Whether a chunk still is what ends a stream of the family.
fn ends(family: Family, piece: &Piece<'_>) -> bool {
    let Piece::Frame { payload, .. } = piece else { return false };
    let member = if family.adapter.family() == "nova" { "metadata" } else { "completionReason" };
    let chunk: Value = serde_json::from_slice(payload).unwrap_or_default();
    !chunk[member].is_null() || !chunk["amazon-bedrock-invocationMetrics"].is_null()
}

#[test]
fn no_strict_part_of_a_stream_is_complete() {
    for family in FAMILIES {
        for stream in streams(family) {
            let end = stream.iter().position(|piece| ends(family, piece)).unwrap();
            for length in 0..stream.len() {
                let (events, meter) = run(family, &stream[..length]);
                assert_eq!(events, Ok(false));
                assert!(!meter || length > end);
            }
            assert_eq!(run(family, &stream), (Ok(true), true));
        }
    }
}

#[test]
fn no_strict_part_of_a_reply_is_complete() {
    for family in FAMILIES {
        for reply in fixtures(family, "reply.json") {
            let reply = reply.trim().as_bytes();
            for length in 0..reply.len() {
                let (events, _) = run(family, &[whole(&reply[..length])]);
                assert_eq!(events.unwrap_err().kind, AdapterErrorKind::Protocol);
            }
        }
    }
}

#[test]
fn no_error_shows_content() {
    for family in FAMILIES {
        let replies = fixtures(family, "reply.json").into_iter().map(|reply| vec![whole(reply)]);
        let streams = fixtures(family, "stream.jsonl");
        let streams = streams.iter().map(|lines| lines.lines().map(chunk).collect());
        let errors: Vec<_> =
            replies.chain(streams).filter_map(|pieces: Vec<_>| run(family, &pieces).0.err()).collect();
        assert!(errors.len() >= 3);
        for error in errors {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

#[test]
fn titan_leaves_the_length_unset_where_the_limit_is_unknown() {
    let mut model = titan::FAMILY.read_models().unwrap().remove(0);
    model.limits.max_output_tokens = None;
    let call = ConverseCall { request: hi(), mode: Mode::Unary };
    let Wire::Invoke { body, .. } = titan::FAMILY.adapter.encode(&model, &call).unwrap().wire else {
        panic!("not native")
    };
    assert_eq!(body.as_ref(), br#"{"inputText":"hi"}"#);
}

#[test]
fn nova_keeps_the_cache_counts_of_a_model_that_is_not_known_to_cache() {
    let mut model = nova::FAMILY.read_models().unwrap().remove(0);
    model.capabilities.retain(|capability| *capability != Capability::PromptCaching);
    let reply = |usage: &str| {
        let body =
            format!(r#"{{"output":{{"message":{{"content":[]}}}},"stopReason":"end_turn","usage":{usage}}}"#);
        let call = ConverseCall { request: hi(), mode: Mode::Unary };
        let mut decoder = nova::FAMILY.adapter.encode(&model, &call).unwrap().decoder;
        let mut meter = nova::FAMILY.adapter.meter(&model);
        let mut events = Vec::new();
        decoder.feed(whole(&body), &mut events).unwrap();
        meter.feed(&whole(&body));
        let Some(Event::Metadata(metadata)) = events.pop() else { panic!("no metadata") };
        assert_eq!(metadata.usage, meter.usage());
        let usage = metadata.usage.unwrap();
        (usage.cache_read_input_tokens, usage.cache_write_input_tokens)
    };
    let counts = r#"{"inputTokens":5,"outputTokens":2,"cacheReadInputTokenCount":7}"#;
    assert_eq!(reply(counts), (Some(7), None));
    assert_eq!(reply(r#"{"inputTokens":5,"outputTokens":2}"#), (None, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nova_bodies_hold_the_whole_call((request, top_k) in nova_call()) {
        let (body, headers) = encode(nova::FAMILY, &request).unwrap();
        prop_assert_eq!(encode(nova::FAMILY, &request).unwrap(), (body.clone(), headers.clone()));
        let read = codec::read::<v1::ConverseStreamRequest>(&body).unwrap();
        let own = ["inferenceConfig.topK", "schemaVersion"];
        prop_assert!(read.unknown.iter().all(|path| own.contains(&path.as_str())), "{:?}", read.unknown);
        let json: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(json["schemaVersion"].as_str(), Some("messages-v1"));
        prop_assert_eq!(json["inferenceConfig"]["topK"].as_i64(), top_k);
        let metadata = headers.request_metadata.map(|json| serde_json::from_str(&json).unwrap());
        prop_assert_eq!(metadata.unwrap_or(json!({})), json!(request.request_metadata));
        let mut expected = request;
        expected.request_metadata.clear();
        expected.additional_model_request_fields_text = None;
        if top_k.is_some() {
            expected.inference_config.get_or_insert_default();
        }
        prop_assert_eq!(read.value, expected);
    }

    #[test]
    fn titan_bodies_hold_the_whole_call(request in titan_call()) {
        let (body, headers) = encode(titan::FAMILY, &request).unwrap();
        prop_assert_eq!(encode(titan::FAMILY, &request).unwrap(), (body.clone(), headers));
        let json: Value = serde_json::from_slice(&body).unwrap();
        let mut rest = json["inputText"].as_str().unwrap();
        for block in request.messages.iter().flat_map(|message| &message.content) {
            let Some(Kind::Text(text)) = &block.kind else { panic!() };
            let at = rest.find(text.as_str());
            prop_assert!(at.is_some());
            rest = &rest[at.unwrap() + text.len()..];
        }
        prop_assert!(request.messages.len() == 1 || rest.ends_with("\nBot:"));
        let (config, sent) = (request.inference_config.unwrap_or_default(), &json["textGenerationConfig"]);
        prop_assert_eq!(sent["temperature"].as_f64(), config.temperature);
        prop_assert_eq!(sent["topP"].as_f64(), config.top_p);
        let longest = titan::FAMILY.read_models().unwrap().remove(0).limits.max_output_tokens;
        prop_assert_eq!(sent["maxTokenCount"].as_i64(), config.max_tokens.map(i64::from).or(longest));
        let stops: Vec<String> = serde_json::from_value(sent["stopSequences"].clone()).unwrap_or_default();
        prop_assert_eq!(stops, config.stop_sequences);
    }

    #[test]
    fn arbitrary_bytes_are_never_complete(pieces in vec((any::<bool>(), vec(any::<u8>(), 0..40)), 0..4)) {
        let pieces: Vec<_> = pieces.iter().map(|(unary, bytes)| if *unary { whole(bytes) } else { chunk(bytes) }).collect();
        for family in FAMILIES {
            prop_assert!(!matches!(run(family, &pieces).0, Ok(true)));
        }
    }

    #[test]
    fn arbitrary_json_is_never_complete(texts in vec(json_text(), 0..4), unary in any::<bool>()) {
        let pieces: Vec<_> = texts.iter().map(|json| if unary { whole(json) } else { chunk(json) }).collect();
        for family in FAMILIES {
            let (events, meter) = run(family, &pieces);
            prop_assert!(!matches!(events, Ok(true)));
            prop_assert_eq!(meter, unary && !pieces.is_empty());
        }
    }

    #[test]
    fn damaged_streams_are_complete_only_with_their_end(
        which in any::<Index>(), line in any::<Index>(), at in any::<Index>(), byte in any::<u8>(), drop in any::<bool>(),
    ) {
        for family in FAMILIES {
            let mut stream = which.get(&streams(family)).clone();
            let line = line.index(stream.len());
            let Piece::Frame { payload, .. } = stream.remove(line) else { panic!() };
            if !drop {
                let mut payload = payload.to_vec();
                let at = at.index(payload.len());
                payload[at] = byte;
                stream.insert(line, chunk(payload));
            }
            let (events, meter) = run(family, &stream);
            let ended = stream.iter().any(|piece| ends(family, piece));
            prop_assert!(ended || !matches!(events, Ok(true)));
            prop_assert!(ended || !meter);
        }
    }

    #[test]
    fn damaged_replies_are_read_or_refused(which in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        for family in FAMILIES {
            let mut reply = which.get(&fixtures(family, "reply.json")).trim().as_bytes().to_vec();
            let at = at.index(reply.len());
            reply[at] = byte;
            let valid = serde_json::from_slice::<Value>(&reply).is_ok();
            prop_assert!(valid || run(family, &[whole(&reply)]).0.is_err());
        }
    }
}
