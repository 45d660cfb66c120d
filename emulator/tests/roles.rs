//! AssumeRole, the credentials it gives out, and credentials that are refused.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use std::time::{Duration, SystemTime};

use bedrock_inference_emulator::{Counts, Regions, Settings, access_key_id_of};
use client::{Answer, Client, NOVA, Protocol, emulator, hello, path};
use http::Method;
use serde_json::json;

const ROLE: &str = "arn:aws:iam::123456789012:role/team/reader";
const FORM: &str = "application/x-www-form-urlencoded";

fn signed_by(key: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sts/aws4_request, Signature=0")
}

fn assume(role: &str, more: &str) -> String {
    let role = role.replace(':', "%3A").replace('/', "%2F");
    format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=session-1{more}")
}

async fn query(client: &mut Client, form: impl Into<String>) -> Answer {
    let signature = signed_by("AKID");
    client.post_raw("/", &[("authorization", &signature), ("content-type", FORM)], form.into()).await
}

/// The text of the first element of this name.
fn element<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or(("", text));
    rest.split_once('<').map_or("", |(value, _)| value)
}

/// Calls a model with the credentials of an answer of AssumeRole.
async fn call_with(client: &mut Client, given: &Answer) -> Answer {
    let signature = signed_by(element(given, "AccessKeyId"));
    let headers =
        [("authorization", signature.as_str()), ("x-amz-security-token", element(given, "SessionToken"))];
    client.post_raw(&path(NOVA, "converse"), &headers, hello().to_string()).await
}

#[tokio::test]
async fn a_role_is_assumed_in_the_words_of_sts() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let before = SystemTime::now();
    let answer = query(&mut client, assume(ROLE, "&ExternalId=team+a")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/xml"));
    let text = std::str::from_utf8(&answer.body).unwrap();
    let start = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(element(&answer, "AccessKeyId"), access_key_id_of(ROLE));
    assert_eq!(element(&answer, "Arn"), "arn:aws:sts::123456789012:assumed-role/reader/session-1");
    assert!(element(&answer, "AssumedRoleId").ends_with(":session-1"));
    assert_eq!(element(&answer, "SecretAccessKey").len(), 40);
    assert_eq!(element(&answer, "RequestId"), answer.header("x-amzn-requestid"));
    let expiration = element(&answer, "Expiration");
    assert!(expiration.contains('T') && expiration.ends_with('Z'), "{expiration}");
    let role = emulator.assumed_roles().remove(0);
    assert_eq!((role.role_arn.as_str(), role.session_name.as_str()), (ROLE, "session-1"));
    assert_eq!((role.external_id.as_deref(), role.signed_by.as_deref()), (Some("team a"), Some("AKID")));
    assert_eq!(role.access_key_id, access_key_id_of(ROLE));
    let lifetime = role.expiration.duration_since(before).unwrap();
    assert!((3_600..3_610).contains(&lifetime.as_secs()), "{lifetime:?}");
    let told = client.control(Method::GET, "roles", &json!(null)).await.json();
    assert_eq!(told["roles"][0]["accessKeyId"], access_key_id_of(ROLE));
    assert_eq!(emulator.counts(), Counts::default(), "AssumeRole is no call of Bedrock");
    assert_eq!(call_with(&mut client, &answer).await.status, 200);
    assert_eq!(emulator.calls()[0].access_key_id, Some(access_key_id_of(ROLE)));
}

#[tokio::test]
async fn a_mistake_is_an_error_of_sts() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for (form, code, told) in [
        (assume("arn:aws:iam::1:role/a", ""), "ValidationError", "arn:aws:iam::1:role/a is invalid"),
        (assume("%3C%26%3E", ""), "ValidationError", "&lt;&amp;&gt; is invalid"),
        ("Action=AssumeRole&RoleSessionName=ab".to_owned(), "ValidationError", "'roleArn'"),
        (format!("Action=AssumeRole&RoleArn={ROLE}"), "ValidationError", "'roleSessionName'"),
        (format!("Action=AssumeRole&RoleArn={ROLE}&RoleSessionName=a b"), "ValidationError", "'a b'"),
        (assume(ROLE, "&DurationSeconds=899"), "ValidationError", "between 900 and 43200"),
        ("Action=GetCallerIdentity".to_owned(), "InvalidAction", "GetCallerIdentity"),
    ] {
        let answer = query(&mut client, form.as_str()).await;
        assert_eq!((answer.status.as_u16(), element(&answer, "Code")), (400, code), "{form}");
        assert_eq!(element(&answer, "Type"), "Sender");
        assert!(element(&answer, "Message").contains(told), "{answer:?}");
    }
    let unsigned = client.post_raw("/", &[("content-type", FORM)], assume(ROLE, "")).await;
    assert_eq!((unsigned.status.as_u16(), element(&unsigned, "Code")), (403, "MissingAuthenticationToken"));
    assert!(emulator.assumed_roles().is_empty());
}

#[tokio::test]
async fn a_refused_key_is_refused_until_it_is_accepted() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let given = query(&mut client, assume(ROLE, "")).await;
    let key = access_key_id_of(ROLE);
    emulator.refuse_key(&key);
    let refused = call_with(&mut client, &given).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("x-amzn-errortype").starts_with("ExpiredTokenException:"));
    // Others are as good as before.
    assert_eq!(client.converse(NOVA, &hello()).await.status, 200);
    emulator.accept_key(&key);
    assert_eq!(call_with(&mut client, &given).await.status, 200);
    client.control(Method::POST, "keys", &json!({"refuse": ["AKID"]})).await;
    let answer = query(&mut client, assume(ROLE, "")).await;
    assert_eq!((answer.status.as_u16(), element(&answer, "Code")), (403, "ExpiredToken"));
    client.control(Method::POST, "keys", &json!({"accept": ["AKID"]})).await;
    assert_eq!(query(&mut client, assume(ROLE, "")).await.status, 200);
}

#[tokio::test]
async fn credentials_live_as_long_as_was_set_and_no_longer() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let left = |emulator: &bedrock_inference_emulator::Emulator| {
        let role = emulator.assumed_roles().pop().unwrap();
        role.expiration.duration_since(SystemTime::now()).unwrap_or_default()
    };
    query(&mut client, assume(ROLE, "&DurationSeconds=900")).await;
    assert!((890..=900).contains(&left(&emulator).as_secs()));
    emulator.set_session_lifetime(Some(Duration::from_secs(60)));
    let sixty = query(&mut client, assume(ROLE, "&DurationSeconds=900")).await;
    assert!((50..=60).contains(&left(&emulator).as_secs()));
    emulator.set_session_lifetime(Some(Duration::MAX));
    query(&mut client, assume(ROLE, "")).await;
    assert!((43_190..=43_200).contains(&left(&emulator).as_secs()));
    client.control(Method::POST, "sessions", &json!({"lifetimeMs": 0})).await;
    let expired = query(&mut client, assume(ROLE, "")).await;
    let refused = call_with(&mut client, &expired).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("x-amzn-errortype").starts_with("ExpiredTokenException:"));
    // The key is the same; it is the session that has expired.
    assert_eq!(call_with(&mut client, &sixty).await.status, 200);
    client.control(Method::POST, "sessions", &json!({})).await;
    query(&mut client, assume(ROLE, "")).await;
    assert!((3_590..=3_600).contains(&left(&emulator).as_secs()));
}

#[tokio::test]
async fn a_role_can_be_assumed_in_any_region() {
    let regions = Regions::start(["us-west-2", "eu-west-1"], Settings::default()).await.unwrap();
    let mut client = Client::connect(regions.get("us-west-2").unwrap(), Protocol::Http2).await;
    assert_eq!(query(&mut client, assume(ROLE, "")).await.status, 200);
}
