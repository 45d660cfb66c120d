//! Walks AWS's service model: every constraint of a request passes a value just inside, and refuses one just
//! outside with its path and nothing else.
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

use base64::Engine;
use bedrock_inference_proto::codec::{self, Violation};
use bedrock_inference_proto::v1;
use model::{Model, Shape};
use serde_json::{Map, Value, json};

/// A body, and the one place where it breaks the model; `None` where it does not.
#[derive(Debug)]
struct Case {
    body: Value,
    broken: Option<String>,
}

impl Case {
    fn good(body: Value) -> Self {
        Self { body, broken: None }
    }

    fn broken(body: Value, path: &str) -> Self {
        Self { body, broken: Some(path.to_owned()) }
    }

    /// The same inside another body.
    fn inside(self, step: &str, around: impl FnOnce(Value) -> Value) -> Self {
        let broken = self.broken.map(|path| match path.is_empty() || path.starts_with(['[', '.']) {
            true => format!("{step}{path}"),
            false => format!("{step}.{path}"),
        });
        Self { body: around(self.body), broken }
    }
}

/// The smallest body of a shape that the model accepts.
fn valid(model: &Model, name: &str) -> Value {
    let shape = model.shape(name);
    match shape.kind.as_str() {
        _ if shape.document => json!({"free": 1}),
        "structure" if shape.union => {
            let (member, target) = shape.members().next().unwrap();
            json!({ member: valid(model, &target) })
        }
        "structure" => Value::Object(
            shape
                .members()
                .filter(|(member, _)| shape.requires(member))
                .map(|(member, target)| (member.to_owned(), valid(model, &target)))
                .collect(),
        ),
        "list" => (0..shape.least().max(1)).map(|_| valid(model, entry(shape))).collect(),
        "map" => json!({ "key": valid(model, &shape.value.as_ref().unwrap().shape) }),
        "string" => json!(shape.text(shape.least().max(1))),
        "integer" | "long" => json!(shape.min.unwrap_or(1.0) as i64),
        "float" | "double" => json!(shape.min.unwrap_or(0.5)),
        "boolean" => json!(true),
        "blob" => blob(shape.least()),
        other => panic!("{name} is a {other}"),
    }
}

fn cases(model: &Model, name: &str) -> Vec<Case> {
    let shape = model.shape(name);
    let mut cases = vec![Case::good(valid(model, name))];
    match shape.kind.as_str() {
        _ if shape.document => {}
        "structure" if shape.union => {
            for (member, target) in shape.members() {
                let inner = self::cases(model, &target);
                cases.extend(
                    inner.into_iter().map(|case| case.inside(member, |body| json!({ member: body }))),
                );
            }
            cases.push(Case::broken(json!({}), ""));
        }
        "structure" => structure(model, name, &mut cases),
        "list" => {
            let inner = self::cases(model, entry(shape));
            cases.extend(inner.into_iter().map(|case| case.inside("[0]", |body| json!([body]))));
            counts(shape, |count| Some((0..count).map(|_| valid(model, entry(shape))).collect()), &mut cases);
        }
        "map" => map(model, shape, &mut cases),
        "string" => {
            counts(shape, |count| Some(json!(shape.text(count))), &mut cases);
            if shape.pattern.is_some() {
                cases.push(Case::broken(json!("!"), ""));
            }
        }
        "blob" => counts(shape, |count| Some(blob(count)), &mut cases),
        _ => {
            for (bound, outside) in [(shape.min, -1.0), (shape.max, 1.0)] {
                let Some(bound) = bound else { continue };
                let number =
                    |value: f64| if shape.kind == "float" { json!(value) } else { json!(value as i64) };
                cases.push(Case::good(number(bound)));
                cases.push(Case::broken(number(bound + outside), ""));
            }
        }
    }
    cases
}

fn structure(model: &Model, name: &str, cases: &mut Vec<Case>) {
    let shape = model.shape(name);
    let Value::Object(whole) = valid(model, name) else { panic!("{name} is no structure") };
    let with = |member: &str, body: Option<Value>| {
        let mut members: Map<String, Value> = whole.clone();
        match body {
            Some(body) => members.insert(member.to_owned(), body),
            None => members.remove(member),
        };
        Value::Object(members)
    };
    for (member, target) in shape.members() {
        // What an empty list becomes on the wire is no body at all, unless it is required.
        let unset = |case: &Case| case.body == json!([]) && !shape.requires(member);
        let inner = self::cases(model, &target).into_iter().filter(|case| !unset(case));
        cases.extend(inner.map(|case| case.inside(member, |body| with(member, Some(body)))));
        if shape.requires(member) && (model.shape(&target).kind != "list" || model.shape(&target).least() > 0)
        {
            cases.push(Case::broken(with(member, None), member));
        }
    }
}

fn map(model: &Model, shape: &Shape, cases: &mut Vec<Case>) {
    let (key, value) = (&shape.key.as_ref().unwrap().shape, &shape.value.as_ref().unwrap().shape);
    let inner = self::cases(model, value);
    cases.extend(inner.into_iter().map(|case| case.inside("key", |body| json!({ "key": body }))));
    for case in self::cases(model, key) {
        let key = case.body.as_str().unwrap().to_owned();
        let shown = match key.char_indices().nth(64) {
            Some((end, _)) => format!("{}…", &key[..end]),
            None => key.clone(),
        };
        let broken = case.broken.map(|_| format!(".{shown}"));
        cases.push(Case { body: json!({ key: valid(model, value) }), broken });
    }
    let entries = |count: usize| (0..count).map(|at| (format!("key{at}"), valid(model, value))).collect();
    // A map without entries is one that is not set.
    counts(shape, |count| (count > 0).then(|| Value::Object(entries(count))), cases);
}

/// Values at the bounds of a shape and one beyond each.
fn counts(shape: &Shape, value: impl Fn(usize) -> Option<Value>, cases: &mut Vec<Case>) {
    let mut at = |count: usize, good: bool| {
        if let Some(body) = value(count) {
            cases.push(Case { body, broken: (!good).then(String::new) });
        }
    };
    if shape.least() > 0 {
        at(shape.least(), true);
        at(shape.least() - 1, false);
    }
    if let Some(most) = shape.max {
        at(most as usize, true);
        at(most as usize + 1, false);
    }
}

fn entry(shape: &Shape) -> &str {
    &shape.member.as_ref().unwrap().shape
}

fn blob(bytes: usize) -> Value {
    json!(base64::engine::general_purpose::STANDARD.encode(vec![b'x'; bytes]))
}

/// Runs every case of a request, and gives how many there are.
fn walk<T: codec::Shape>(root: &str, complete: impl Fn(&mut T)) -> usize {
    let model = model::load();
    let cases = cases(&model, root);
    for case in &cases {
        let body = case.body.to_string();
        let mut message = codec::read::<T>(body.as_bytes()).unwrap().value;
        complete(&mut message);
        let found = codec::check(&message);
        let paths: Vec<_> = found.iter().map(|violation| violation.path.as_str()).collect();
        let shown: String = body.chars().take(300).collect();
        assert_eq!(paths, case.broken.iter().collect::<Vec<_>>(), "{root}: {shown}");
        found.iter().for_each(says_what);
        if let Err(violations) = codec::write(&message) {
            assert!(violations.iter().all(|violation| found.contains(violation)), "{root}: {shown}");
        }
    }
    cases.len()
}

fn says_what(Violation { path, description }: &Violation) {
    let begins = ["is not set", "has ", "is ", "does not match"];
    assert!(begins.iter().any(|begin| description.starts_with(begin)), "{path}: {description}");
}

#[test]
fn every_constraint_of_a_conversation_holds() {
    assert!(walk::<v1::ConverseRequest>("ConverseRequest", |_| {}) > 300);
    assert!(walk::<v1::ConverseStreamRequest>("ConverseStreamRequest", |_| {}) > 300);
}

#[test]
fn every_constraint_of_counting_and_guardrails_holds() {
    assert!(walk::<v1::CountTokensRequest>("CountTokensRequest", |_| {}) > 200);
    let labels = |request: &mut v1::ApplyGuardrailRequest| {
        request.guardrail_identifier = Some("abc".to_owned());
        request.guardrail_version = Some("DRAFT".to_owned());
    };
    assert!(walk("ApplyGuardrailRequest", labels) > 10);
}

#[test]
fn members_of_the_uri_are_checked_too() {
    let check = |identifier: &str, version: &str| {
        let request = v1::ApplyGuardrailRequest {
            guardrail_identifier: Some(identifier.to_owned()),
            guardrail_version: Some(version.to_owned()),
            source: Some("INPUT".to_owned()),
            ..Default::default()
        };
        codec::check(&request).into_iter().map(|violation| violation.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(check("abc", "DRAFT"), Vec::<String>::new());
    assert_eq!(
        check("", ""),
        ["guardrailIdentifier: is not set; AWS requires it", "guardrailVersion: is not set; AWS requires it"]
    );
    assert_eq!(
        check("abc", "0"),
        ["guardrailVersion: does not match AWS's pattern (|([1-9][0-9]{0,7})|(DRAFT))"]
    );
    assert_eq!(
        check("A B", "1"),
        ["guardrailIdentifier: is of none of the forms that AWS's service model gives"]
    );
}

#[test]
fn every_pattern_compiles() {
    let bad = "\u{0}";
    for limits in [
        &codec::beside::CONVERSATIONAL_MODEL_ID,
        &codec::beside::INVOKE_MODEL_IDENTIFIER,
        &codec::beside::FOUNDATION_MODEL_VERSION_IDENTIFIER,
        &codec::beside::GUARDRAIL_IDENTIFIER,
        &codec::beside::GUARDRAIL_VERSION,
    ] {
        assert!(limits.check_text("modelId", bad).is_some(), "{limits:?}");
    }
    let ids = [
        "amazon.nova-lite-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl",
        "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1",
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint",
        "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
    ];
    for id in ids {
        assert_eq!(codec::beside::CONVERSATIONAL_MODEL_ID.check_text("modelId", id), None, "{id}");
        assert_eq!(codec::beside::INVOKE_MODEL_IDENTIFIER.check_text("modelId", id), None, "{id}");
    }
}

#[test]
fn millions_of_violations_do_not_cost_gigabytes() {
    let message = v1::Message { role: Some("user".to_owned()), content: vec![<_>::default(); 100_000] };
    let request = v1::ConverseRequest { messages: vec![message], ..Default::default() };
    assert_eq!(codec::check(&request).len(), 1000);
}

#[test]
fn a_path_shows_the_beginning_of_a_long_key() {
    let key = "ö.".repeat(1_000_000);
    let variables = [(key, v1::PromptVariableValues::default())].into();
    let request = v1::ConverseRequest { prompt_variables: variables, ..Default::default() };
    let found = codec::check(&request);
    assert_eq!(found[0].path, format!("promptVariables.{}…", "ö.".repeat(32)));
    assert!(!format!("{found:?}").contains('ö'), "{found:?}");
}

#[test]
fn a_document_without_a_source_is_refused() {
    let source = v1::DocumentSource::default();
    let found: Vec<_> = codec::check(&source).iter().map(ToString::to_string).collect();
    assert_eq!(found, [": has no member; one of bytes, s3Location, text, content must be set"]);
}
