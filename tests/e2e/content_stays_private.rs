//! Content stays private: what callers and models say is in no line that the program writes, at any level, and no
//! status quotes it, whatever goes wrong.
//!
//! The program runs as its users run it, with everything logged that can be. Bedrock is the emulator, in this process,
//! so that it can be made to answer anything.

mod canary;
mod material;
mod watch;

use bedrock_inference_proto::v1::{self, OnDisconnect, Route};
use serde_json::{Map, Value, json};
use tonic::Code;

use crate::every_member_survives::{model, sampler::Sampler};
use crate::stage::{CLAUDE, NOVA, ask, ask_stream};
use material::{Events, FAMILIES, chunks, documented, events, exchanges};
use watch::Watch;

/// The guardrail that the emulator has.
const GUARDRAIL: &str = "demoguardrail1";

/// Conversations with canaries for text, by both routes, answered as usual and with replies full of canaries.
async fn conversations(watch: &mut Watch) {
    let documented = documented().into_iter().map(|body| (body, None, Events::new()));
    let fixtures = exchanges().into_iter().filter_map(|exchange| {
        let mut request = exchange.request?;
        request["modelId"] = json!(exchange.model);
        Some((request, exchange.reply, chunks(&exchange.chunks)))
    });
    for (request, reply, chunks) in documented.chain(fixtures).collect::<Vec<_>>() {
        let mut request = watch.canary.among(&request);
        request["requestMetadata"] = json!({&watch.canary.name: &watch.canary.value});
        watch.converse(&request, Route::Unspecified, None).await;
        watch.converse_stream(&request, Route::Converse, &[]).await;
        let reply = reply.map(|reply| watch.canary.among(&reply));
        watch.converse(&request, Route::Native, reply.as_ref()).await;
        let planted = |(name, chunk): &(String, Value)| (name.clone(), watch.canary.among(chunk));
        let chunks: Events = chunks.iter().map(planted).collect();
        watch.converse_stream(&request, Route::Native, &chunks).await;
    }
}

/// Every member that AWS's model has, a canary in each text.
async fn every_member(watch: &mut Watch) {
    let model = model::load();
    let mut sampler = Sampler::new(&model);
    let requests = sampler.samples("ConverseRequest");
    let replies = sampler.samples("ConverseResponse");
    for round in 0..requests.len().max(replies.len()) {
        let mut request = watch.canary.everywhere(&requests[round % requests.len()]);
        request["modelId"] = json!(CLAUDE);
        let reply = watch.canary.everywhere(&replies[round % replies.len()]);
        let events = events(&watch.canary.value);
        watch.converse(&request, Route::Converse, Some(&reply)).await;
        watch.converse_stream(&request, Route::Converse, &events).await;
        // The emulator refuses the first member that is not as it should be.
        watch.converse(&request, Route::Converse, None).await;
    }
    for sample in sampler.samples("ApplyGuardrailResponse") {
        let reply = watch.canary.everywhere(&sample);
        watch.guardrail(&verdict(&watch.canary.value), Some(&reply)).await;
    }
}

/// Native bodies in both forms, and what goes beside them.
async fn native_bodies(watch: &mut Watch) {
    for exchange in exchanges() {
        let Some(body) = exchange.native else { continue };
        let body = watch.canary.among(&body);
        let reply = exchange.reply.map(|reply| watch.canary.among(&reply));
        watch.invoke(&json!({"modelId": exchange.model, "jsonBody": body}), reply.as_ref()).await;
        watch.invoke_stream(&json!({"modelId": exchange.model, "body": base64(&body)}), &[]).await;
    }
    let headers = [
        "contentType",
        "accept",
        "trace",
        "guardrailIdentifier",
        "guardrailVersion",
        "performanceConfigLatency",
        "serviceTier",
        "requestMetadata",
    ];
    for header in headers {
        let canary = if header.starts_with("guardrail") { &watch.canary.name } else { &watch.canary.value };
        let request = json!({"modelId": NOVA, "jsonBody": {"messages": []}, header: canary});
        watch.invoke(&request, None).await;
        watch.invoke_stream(&request, &[]).await;
    }
}

/// Requests that are wrong in one member, by a canary in it.
async fn bad_requests(watch: &mut Watch) {
    let requests = exchanges().into_iter().filter_map(|exchange| exchange.request);
    for request in documented().into_iter().chain(requests).collect::<Vec<_>>() {
        for (at, bad) in watch.canary.one_by_one("request", &request).iter().enumerate() {
            match at % 2 {
                0 => watch.converse(bad, Route::Unspecified, None).await,
                _ => watch.converse_stream(bad, Route::Converse, &[]).await,
            }
        }
    }
    for exchange in exchanges() {
        let Some(body) = exchange.native else { continue };
        for (at, bad) in watch.canary.one_by_one(exchange.family, &body).iter().enumerate() {
            match at % 2 {
                0 => watch.invoke(&json!({"modelId": exchange.model, "jsonBody": bad}), None).await,
                _ => watch.invoke_stream(&json!({"modelId": exchange.model, "body": base64(bad)}), &[]).await,
            }
        }
    }
}

/// Native replies and chunks that are wrong in one member, by a canary in it.
async fn bad_native_replies(watch: &mut Watch) {
    for exchange in exchanges() {
        let (family, request) = (exchange.family, hello(exchange.model, "hi"));
        let reply = exchange.reply.unwrap_or_default();
        for bad in watch.canary.one_by_one(&format!("reply of {family}"), &reply) {
            watch.converse(&request, Route::Native, Some(&bad)).await;
        }
        for (at, chunk) in exchange.chunks.iter().enumerate() {
            for bad in watch.canary.one_by_one(&format!("{family} {}", chunk["type"]), chunk) {
                let mut chunks = chunks(&exchange.chunks);
                chunks[at].1 = bad;
                watch.converse_stream(&request, Route::Native, &chunks).await;
            }
        }
    }
}

/// Replies and events of Converse that are wrong in one member, by a canary in it, and some that are none at all.
async fn bad_replies(watch: &mut Watch) {
    let (value, name) = (watch.canary.value.clone(), watch.canary.name.clone());
    let request = hello(NOVA, "hi");
    let mut replies = vec![json!(value), json!([value]), json!({&name: value}), json!({"output": value})];
    let sample = Sampler::new(&model::load()).samples("ConverseResponse").swap_remove(0);
    replies.extend(watch.canary.one_by_one("reply", &sample));
    for reply in replies {
        watch.converse(&request, Route::Converse, Some(&reply)).await;
    }
    let quoted =
        format!("1 validation error detected: Value '{value}' at 'messages' failed to satisfy constraint");
    let failure = json!({"message": quoted, "originalMessage": value, "originalStatusCode": 400});
    let failures =
        ["validationException", "modelStreamErrorException", "throttlingException", "a word Exception"];
    let good = events(&value);
    for (at, (event, payload)) in good.iter().enumerate() {
        for bad in watch.canary.one_by_one(event, payload).into_iter().chain([json!(value)]) {
            let mut events = good.clone();
            events[at].1 = bad;
            watch.converse_stream(&request, Route::Converse, &events).await;
        }
        let others =
            failures.iter().map(|failure| (*failure).to_owned()).zip(std::iter::repeat(failure.clone()));
        for other in others.chain([(name.clone(), json!({&name: value}))]) {
            let mut events = good.clone();
            events.insert(at, other);
            watch.converse_stream(&request, Route::Converse, &events).await;
            watch.invoke_stream(&json!({"modelId": NOVA, "jsonBody": {}}), &events).await;
        }
    }
}

/// Connections that break and streams that are damaged, with content in them.
async fn broken_connections(watch: &mut Watch) {
    let faults = [
        "ThrottlingException",
        "ModelTimeoutException",
        "ValidationException@2",
        "cut@2",
        "cut-mid-frame@2",
        "reset@0",
        "reset@2",
        "bad-crc@2",
        "bad-prelude@2",
        "unknown-event@1",
        "garbage",
    ];
    for (_, model) in FAMILIES {
        let request = hello(model, &watch.canary.value);
        for fault in faults {
            for route in [Route::Native, Route::Converse] {
                watch.emulator.script(fault.parse().unwrap());
                watch.converse(&request, route, None).await;
                watch.emulator.script(fault.parse().unwrap());
                watch.converse_stream(&request, route, &[]).await;
            }
        }
    }
}

/// Verdicts and counts, good and bad.
async fn verdicts_and_counts(watch: &mut Watch) {
    let verdict = verdict(&format!("{} says: which stocks should I buy?", watch.canary.value));
    watch.guardrail(&verdict, None).await;
    for bad in watch.canary.one_by_one("verdict", &verdict) {
        watch.guardrail(&bad, None).await;
    }
    for bad in watch.canary.one_by_one("verdict's reply", &json!({"action": 1, "outputs": [{"text": 1}]})) {
        watch.guardrail(&verdict, Some(&bad)).await;
    }
    for exchange in exchanges().into_iter().filter(|exchange| exchange.family == "claude") {
        let (Some(request), Some(body)) = (exchange.request, exchange.native) else { continue };
        let members = ["messages", "system", "toolConfig", "additionalModelRequestFields"];
        let members =
            members.iter().filter_map(|name| Some(((*name).to_owned(), request.get(*name)?.clone())));
        let converse = watch.canary.among(&Value::Object(members.collect::<Map<_, _>>()));
        watch.count(&json!({"converse": converse}), None).await;
        watch.count(&json!({"invokeModel": {"body": base64(&watch.canary.among(&body))}}), None).await;
        let bad = json!({"inputTokens": watch.canary.value});
        watch.count(&json!({"converse": converse}), Some(&bad)).await;
        for bad in watch.canary.one_by_one("count", &converse) {
            watch.count(&json!({"converse": bad}), None).await;
        }
    }
}

/// Callers who leave within the answer, who are late, and who do not speak the API.
async fn callers_who_do_not_wait(watch: &mut Watch) {
    for policy in [OnDisconnect::Cancel, OnDisconnect::Drain] {
        let mut request = ask_stream(CLAUDE, &watch.canary.value);
        request.options =
            Some(v1::CallOptions { on_disconnect: policy.into(), ..watch.options(Route::Unspecified) });
        let mut stream = watch.client().converse_stream(watch.request(request)).await.unwrap().into_inner();
        stream.message().await.unwrap();
    }
    watch.emulator.script("stall".parse().unwrap());
    let mut request = ask(CLAUDE, &watch.canary.value);
    let cancel = OnDisconnect::Cancel.into();
    request.options = Some(v1::CallOptions { on_disconnect: cancel, ..watch.options(Route::Unspecified) });
    let mut request = watch.request(request);
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let response = watch.client().converse(request).await;
    assert!(watch.hear_whole(response).is_none());

    let text = prost_types::value::Kind::StringValue(watch.canary.value.clone());
    let mut grpc = tonic::client::Grpc::new(watch.channel.clone());
    grpc.ready().await.unwrap();
    let path = "/bedrock.inference.v1.Inference/Converse".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<prost_types::Value, v1::ConverseResponse>::default();
    let response = grpc.unary(watch.request(prost_types::Value { kind: Some(text) }), path, codec).await;
    assert!(watch.hear_whole(response).is_none());
}

fn hello(model: &str, text: &str) -> Value {
    json!({"modelId": model, "messages": [{"role": "user", "content": [{"text": text}]}]})
}

fn verdict(text: &str) -> Value {
    json!({"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1", "source": "INPUT", "outputScope": "FULL",
           "content": [{"text": {"text": text, "qualifiers": ["query"]}}]})
}

fn base64(json: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(json.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_or_goes_wrong_shows_content() {
    let mut watch = Watch::begin("json").await;
    conversations(&mut watch).await;
    every_member(&mut watch).await;
    native_bodies(&mut watch).await;
    bad_requests(&mut watch).await;
    bad_native_replies(&mut watch).await;
    bad_replies(&mut watch).await;
    broken_connections(&mut watch).await;
    verdicts_and_counts(&mut watch).await;
    callers_who_do_not_wait(&mut watch).await;
    watch.end(&[
        Code::InvalidArgument,
        Code::Internal,
        Code::Aborted,
        Code::DataLoss,
        Code::DeadlineExceeded,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_for_people_show_none_either() {
    let mut watch = Watch::begin("text").await;
    conversations(&mut watch).await;
    broken_connections(&mut watch).await;
    callers_who_do_not_wait(&mut watch).await;
    watch.end(&[Code::InvalidArgument, Code::Internal, Code::Aborted]);
}
