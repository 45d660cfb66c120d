//! `ask`: one question to a running service.

use serde_json::{Value, json};

use bedrock_inference_emulator::{Fault, Operation};

use super::aws::{keys, outside, serve_on_aws};
use super::process::{Finished, Running, file, program, run, serve};

const NOVA: &str = "amazon.nova-lite-v1:0";
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/picture.png");

fn ask(url: &str, rest: &[&str]) -> Finished {
    let arguments: Vec<_> = ["ask", "--endpoint", url].into_iter().chain(rest.iter().copied()).collect();
    run(&mut program(&arguments))
}

#[test]
fn an_answer_is_printed_with_its_report() {
    let service = serve();
    let finished = ask(&service.url(), &[NOVA, "Repeat after me: the river is wide"]);
    let told = finished.stderr.clone();
    assert_eq!(finished.good(), "the river is wide\n");
    for line in [
        "request   ",
        "served    amazon.nova-lite-v1:0 in us-east-1 by native",
        "tokens    ",
        "times     total ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "{told:?}");
    ask(&service.url(), &["--system", "Be brief.", NOVA, "hello"]).good();
}

#[test]
fn json_is_one_message_a_line() {
    let service = serve();
    let told = ask(&service.url(), &["--json", NOVA, "Repeat after me: the river is wide"]).good();
    let messages: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> =
        messages.iter().map(|message| message.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(names.first(), Some(&"messageStart"));
    assert_eq!(names[names.len() - 3..], ["messageStop", "metadata", "call"]);
    let text: String = messages
        .iter()
        .filter_map(|message| message["contentBlockDelta"]["delta"]["text"].as_str())
        .collect();
    assert!(text.contains("the river is wide"), "{text}");
    assert!(messages.last().unwrap()["call"]["tokens"]["output"].is_number(), "{told}");
}

#[test]
fn a_picture_is_sent_along() {
    let service = serve();
    let told = ask(&service.url(), &["--image", PICTURE, NOVA, "What is this?"]).good();
    assert!(told.contains("64") && told.contains("48"), "{told}");
    let told = ask(&service.url(), &["--image", "/nonexistent.png", NOVA, "What is this?"]).bad(2);
    assert!(told.contains("/nonexistent.png"), "{told}");
    let told = ask(&service.url(), &["--image", "Cargo.toml", NOVA, "What is this?"]).bad(2);
    assert!(told.contains("png, jpeg, gif or webp"), "{told}");
}

#[test]
fn a_failed_call_is_told_with_code_and_reason() {
    let service = serve();
    let told = ask(&service.url(), &["no.such-model", "hello"]).bad(1);
    assert!(told.contains("NOT_FOUND (MODEL_NOT_FOUND)"), "{told}");
    assert!(told.contains("request id "), "{told}");
}

#[test]
fn a_native_body_is_streamed_where_the_model_can() {
    let service = serve();
    let body = file("body.json", r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}]}"#);
    let body = body.to_str().unwrap();
    let finished = ask(&service.url(), &[NOVA, "--native", body]);
    let told = finished.stderr.clone();
    assert!(told.contains("served    amazon.nova-lite-v1:0 in us-east-1 by native"), "{told}");
    let chunks = finished.good();
    assert!(chunks.lines().count() > 3 && chunks.lines().all(|line| line.starts_with('{')), "{chunks}");
    let told = ask(&service.url(), &["--json", NOVA, "--native", body]).good();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(last["call"]["requestId"].is_string(), "{told}");
}

#[test]
fn a_native_body_of_a_model_that_cannot_stream_gets_one_body() {
    const EMBEDDINGS: &str = "amazon.titan-embed-text-v2:0";
    // Larger than what a gRPC client takes by default, as pictures are.
    let vector = vec![0.5; 2_000_000];
    let outside = outside();
    let url = outside.emulator.url();
    let service = Running::start(keys(&mut serve_on_aws()).env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url));
    let body = file("body.json", r#"{"inputText":"hello"}"#);
    let body = body.to_str().unwrap();
    for _ in 0..2 {
        let answer = json!({"embedding": vector, "inputTextTokenCount": 2});
        outside.emulator.script(Fault::Reply(answer));
    }
    let finished = ask(&service.url(), &[EMBEDDINGS, "--native", body]);
    let report = finished.stderr.clone();
    assert!(report.contains("served    amazon.titan-embed-text-v2:0"), "{report}");
    let answer: Value = serde_json::from_str(&finished.good()).unwrap();
    assert_eq!(answer["embedding"].as_array().unwrap().len(), vector.len());
    let told = ask(&service.url(), &["--json", EMBEDDINGS, "--native", body]).good();
    let message: Value = serde_json::from_str(&told).unwrap();
    assert!(message["body"].is_string() && message["call"].is_object());
    let calls = outside.emulator.calls();
    assert!(calls.iter().all(|call| call.operation == Operation::InvokeModel), "{calls:?}");
    assert_eq!(calls.len(), 2);
}

#[test]
fn a_native_body_for_a_model_that_nobody_knows_is_refused() {
    let service = serve();
    let body = file("body.json", "{}");
    let told = ask(&service.url(), &["no.such-model", "--native", body.to_str().unwrap()]).bad(1);
    assert!(told.contains("NOT_FOUND (MODEL_NOT_FOUND)"), "{told}");
}

#[test]
fn a_prompt_may_begin_with_a_dash() {
    let service = serve();
    ask(&service.url(), &[NOVA, "--", "- one\n- two"]).good();
}

#[test]
fn where_nobody_listens_it_says_what_to_start() {
    let told = ask("http://127.0.0.1:1", &[NOVA, "hello"]).bad(1);
    let command = format!("`{} serve --upstream emulator`", env!("CARGO_BIN_EXE_bedrock-inference"));
    assert!(told.contains(&command), "{told}");
    let told = ask("not a url", &[NOVA, "hello"]).bad(2);
    assert!(told.contains("http://127.0.0.1:50051"), "{told}");
}
