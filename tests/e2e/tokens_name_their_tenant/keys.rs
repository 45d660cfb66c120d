//! Keys of an issuer: rotated, kept while their provider is down, and asked for no more often than promised.

use std::time::Duration;

use bedrock_inference::config::{IssuerSettings, Settings, SubjectSettings};
use http::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use super::{SOON, at_url, claims, in_file, stage, tenants, who};
use crate::authority::{Authority, Files};
use crate::provider::{Answer, Provider, Signer, set};
use crate::stage::Stage;
use crate::the_command_line_works::process::{file, program, run};

/// C16: a new key is taken while the service runs, and one that is gone is good no more; in a file as at a URL.
#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let (of_old, of_new) = (old.token(&claims(json!({}))), new.token(&claims(json!({}))));
    let files = Files::new("tokens-rotation");
    files.write("keys.json", &set(&[&old]));
    let provider = Provider::open(set(&[&old]), None).await;
    let refresh = Duration::from_millis(20);
    for issuer in [in_file(files.path("keys.json")), at_url(&provider)] {
        files.write("keys.json", &set(&[&old]));
        provider.answer(Answer::good(set(&[&old])));
        let stage = stage(IssuerSettings { refresh, ..issuer }).await;
        let rotated = async {
            assert_eq!(who(&stage, &of_old).await.as_deref(), Ok("team-a"));
            assert!(who(&stage, &of_new).await.is_err());
            files.write("keys.json", &set(&[&old, &new]));
            provider.answer(Answer::good(set(&[&old, &new])));
            while who(&stage, &of_new).await.is_err() {
                assert_eq!(who(&stage, &of_old).await.as_deref(), Ok("team-a"), "the old key is still there");
            }
            // A file that is half written changes nothing.
            files.write("keys.json", &set(&[&new])[..20]);
            provider.answer(Answer::good(set(&[&new])[..20].to_owned()));
            assert_eq!(who(&stage, &of_old).await.as_deref(), Ok("team-a"));
            files.write("keys.json", &set(&[&new]));
            provider.answer(Answer::good(set(&[&new])));
            while who(&stage, &of_old).await.is_ok() {
                assert_eq!(who(&stage, &of_new).await.as_deref(), Ok("team-a"));
            }
            assert_eq!(who(&stage, &of_new).await.as_deref(), Ok("team-a"));
        };
        timeout(SOON, rotated).await.expect("the rotation is not seen");
    }
}

/// C16: keys serve on while their provider fails in any way, through a renewal of the settings too.
#[tokio::test]
async fn known_keys_are_good_while_the_provider_is_down() {
    let (known, new) = (Signer::p256("known"), Signer::p256("new"));
    let token = known.token(&claims(json!({})));
    let mut provider = Provider::open(set(&[&known]), None).await;
    let other = Provider::open(set(&[&new]), None).await;
    let stage = stage(IssuerSettings { refresh: Duration::from_millis(20), ..at_url(&provider) }).await;
    let redirect = Answer { location: Some(other.url().to_owned()), ..Answer::bad(StatusCode::FOUND) };
    let long = Answer::good(set(&[&new]) + &" ".repeat(1 << 20));
    for failing in
        [Answer::bad(StatusCode::SERVICE_UNAVAILABLE), redirect, long, Answer::good("<html>".to_owned())]
    {
        provider.answer(failing);
        timeout(SOON, provider.asked_again(3)).await.unwrap();
        assert_eq!(who(&stage, &token).await.as_deref(), Ok("team-a"));
        assert!(who(&stage, &new.token(&claims(json!({})))).await.is_err());
    }
    assert!(other.asked().is_empty(), "a redirect was followed");
    provider.close().await;
    let guest = known.token(&claims(json!({"sub": "guest"})));
    let tenants = |settings: &mut Settings| {
        let subject = SubjectSettings { issuer: "cluster".to_owned(), subject: "guest".to_owned() };
        settings.tenants.get_mut("team-b").unwrap().subjects.push(subject);
    };
    stage.settings.send_modify(tenants);
    let taken = async { while who(&stage, &guest).await.as_deref() != Ok("team-b") {} };
    timeout(SOON, taken).await.expect("the new settings, with the keys of before, are not taken");
    assert_eq!(who(&stage, &token).await.as_deref(), Ok("team-a"));
}

/// C16: a service starts without its provider, and takes its tokens as soon as it is there.
#[tokio::test]
async fn a_provider_may_come_later_than_the_service() {
    let signer = Signer::p256("e");
    let provider = Provider::open(String::new(), None).await;
    provider.answer(Answer::bad(StatusCode::BAD_GATEWAY));
    let stage = stage(IssuerSettings { refresh: Duration::from_millis(20), ..at_url(&provider) }).await;
    let token = signer.token(&claims(json!({})));
    assert_eq!(who(&stage, &token).await, Err("CREDENTIALS_INVALID".to_owned()));
    provider.answer(Answer::good(set(&[&signer])));
    timeout(SOON, async { while who(&stage, &token).await.is_err() {} })
        .await
        .expect("the keys are not read");
}

/// C16: an issuer is taken on while the service runs, and one that is taken away is nobody at once.
#[tokio::test]
async fn issuers_come_and_go_without_a_restart() {
    let signer = Signer::p256("e");
    let provider = Provider::open(set(&[&signer]), None).await;
    let stage = Stage::open_with(|settings| settings.tenants = tenants()).await;
    let token = signer.token(&claims(json!({})));
    assert_eq!(who(&stage, &token).await, Err("CREDENTIALS_INVALID".to_owned()));
    let changed = async {
        let issuer = at_url(&provider);
        stage.settings.send_modify(|settings| drop(settings.issuers.insert("cluster".to_owned(), issuer)));
        while who(&stage, &token).await.is_err() {}
        stage.settings.send_modify(|settings| drop(settings.issuers.remove("cluster")));
        while who(&stage, &token).await.is_ok() {}
    };
    timeout(SOON, changed).await.expect("the change is not taken");
    assert_eq!(provider.asked().len(), 1);
}

/// C16: keys' ids that nobody knows, in any number, do not have the provider asked within the minute.
#[tokio::test]
async fn a_flood_of_unknown_keys_does_not_reach_the_provider() {
    let signer = Signer::p256("e");
    let provider = Provider::open(set(&[&signer]), None).await;
    let stage = stage(at_url(&provider)).await;
    for at in 0..300 {
        let header = json!({"alg": "ES256", "kid": format!("unknown-{at}")});
        assert!(who(&stage, &signer.signs(&header, &claims(json!({})))).await.is_err());
    }
    assert_eq!(who(&stage, &signer.token(&claims(json!({})))).await.as_deref(), Ok("team-a"));
    assert_eq!(provider.asked().len(), 1);
}

/// C16: keys of a Kubernetes API server: behind its own authority, and for whoever shows a token, which changes.
#[tokio::test]
async fn keys_may_ask_for_an_authority_and_a_token() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let signer = Signer::p256("e");
    let provider = Provider::open(set(&[&signer]), Some(&ours.signs("server"))).await;
    let files = Files::new("tokens-authority");
    files.write("ca.crt", &theirs.certificate);
    files.write("token", "first\n");
    let issuer = IssuerSettings {
        ca_file: Some(files.path("ca.crt")),
        token_file: Some(files.path("token")),
        refresh: Duration::from_millis(20),
        ..at_url(&provider)
    };
    let stage = stage(issuer).await;
    let token = signer.token(&claims(json!({})));
    assert!(who(&stage, &token).await.is_err());
    assert!(provider.asked().is_empty(), "somebody else's server was asked");
    files.write("ca.crt", &ours.certificate);
    timeout(SOON, async { while who(&stage, &token).await.is_err() {} })
        .await
        .expect("the authority is not taken");
    assert!(provider.asked().iter().all(|shown| shown == "Bearer first"), "{:?}", provider.asked());
    files.write("token", "second\n");
    let shown = async {
        while provider.asked().last().is_none_or(|shown| shown != "Bearer second") {
            provider.asked_again(1).await;
        }
    };
    timeout(SOON, shown).await.expect("the new token is not shown");
}

/// C16: `check` says whether the keys of each issuer can be used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_reads_the_keys_of_each_issuer() {
    let signer = Signer::p256("e");
    let provider = Provider::open(set(&[&signer]), None).await;
    let path = file(
        "issuers.toml",
        &format!(
            "upstream = \"emulator\"\n[aws]\nregion = \"us-east-1\"\n[issuers.cluster]\nissuer = \"https://cluster.example\"\n\
             audience = \"gateway\"\njwks_url = \"{}\"\n[tenants.team-a]\n\
             subjects = [{{ issuer = \"cluster\", subject = \"a\" }}]\n",
            provider.url()
        ),
    );
    let check = || run(&mut program(&["check", "--config", path.to_str().unwrap()]));
    assert!(check().good().contains("issuers: cluster has 1"));
    provider.answer(Answer::bad(StatusCode::NOT_FOUND));
    let told = check();
    assert!(told.stdout.contains("issuers.\"cluster\": the answer is 404"), "{}", told.stdout);
    told.bad(2);
}
