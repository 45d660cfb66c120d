//! Tokens of an identity provider name their tenant, and no token that is wrong in any way names anybody.

mod bad;
mod keys;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bedrock_inference::config::{IssuerSettings, Settings, SubjectSettings, TenantSettings};
use bedrock_inference::principal::{ApiKey, Authenticator, Peer};
use bedrock_inference_proto::v1::GetModelRequest;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use http::HeaderMap;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::apart::Apart;
use crate::authority::Files;
use crate::callers_are_known::{settings_of, with_key};
use crate::provider::{Provider, Signer, at, set};
use crate::stage::{NOVA, Stage, ask, reason};
use crate::the_command_line_works::process::file;
use bad::bad_tokens;

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// So many failures of one address are told apart from a flood.
const PLAIN: usize = 20;

const A: &str = "system:serviceaccount:team-a:app";

fn issuer() -> IssuerSettings {
    IssuerSettings {
        issuer: "https://cluster.example".to_owned(),
        audience: "gateway".to_owned(),
        ..IssuerSettings::default()
    }
}

fn at_url(provider: &Provider) -> IssuerSettings {
    IssuerSettings { jwks_url: Some(provider.url().to_owned()), ..issuer() }
}

fn in_file(path: PathBuf) -> IssuerSettings {
    IssuerSettings { jwks_file: Some(path), ..issuer() }
}

/// Claims that are good, with these in the place of some, or beside them; null takes one away.
fn claims(others: Value) -> Value {
    let mut claims = json!({"iss": "https://cluster.example", "aud": "gateway", "sub": A, "iat": at(0),
        "nbf": at(0), "exp": at(600)});
    for (name, value) in others.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Tenants that may do anything but look at a model, so that its refusal tells who they are.
fn tenants() -> BTreeMap<String, TenantSettings> {
    let of = |subjects: &[&str]| TenantSettings {
        subjects: subjects
            .iter()
            .map(|subject| SubjectSettings { issuer: "cluster".to_owned(), subject: (*subject).to_owned() })
            .collect(),
        methods: Some(vec!["Converse".to_owned()]),
        ..TenantSettings::default()
    };
    let all = [
        ("team-a", of(&["system:serviceaccount:team-a:*"])),
        ("team-b", of(&["system:serviceaccount:team-b:app", "system:serviceaccount:team-a:guest-*"])),
        ("team-c", of(&["system:serviceaccount:team-a:guest-c"])),
    ];
    all.map(|(name, tenant)| (name.to_owned(), tenant)).into()
}

async fn stage(issuer: IssuerSettings) -> Stage {
    Stage::open_with(|settings| {
        settings.tenants = tenants();
        settings.issuers.insert("cluster".to_owned(), issuer);
    })
    .await
}

fn with_token<M>(message: M, token: &str) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The tenant that a token stands for, or the reason why it stands for none.
async fn who(stage: &Stage, token: &str) -> Result<String, String> {
    let model = GetModelRequest { model_id: NOVA.to_owned() };
    let status = stage.models().get_model(with_token(model, token)).await.unwrap_err();
    match reason(&status).as_str() {
        "METHOD_NOT_ALLOWED" => Ok(status.message().split(' ').nth(2).unwrap().to_owned()),
        reason => Err(reason.to_owned()),
    }
}

/// C16: a token is known by its subject, the best match of several, whatever key of the issuer has signed it.
#[tokio::test]
async fn a_good_token_is_its_tenant_in_each_accepted_algorithm() {
    let signers = [Signer::rsa("r"), Signer::p256("e"), Signer::p384("f"), Signer::ed("d")];
    // What else stands in a set is for somebody else.
    let others = [
        json!({"kty": "oct", "kid": "o", "k": "c2VjcmV0"}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "s", "x": "AA", "y": "AA"}),
        json!({"kty": "new", "kid": 7}),
        json!("no key at all"),
    ];
    let mut keys: Vec<_> = others.to_vec();
    keys.extend(signers.iter().map(Signer::jwk));
    let provider = Provider::open(json!({"keys": keys}).to_string(), None).await;
    let algorithms =
        vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
    let stage = stage(IssuerSettings { algorithms, ..at_url(&provider) }).await;
    for signer in &signers {
        assert_eq!(
            who(&stage, &signer.token(&claims(json!({})))).await.as_deref(),
            Ok("team-a"),
            "{}",
            signer.id
        );
    }
    let [rsa, ..] = &signers;
    let pss = rsa.signs(&json!({"alg": "PS256", "kid": "r"}), &claims(json!({})));
    assert_eq!(who(&stage, &pss).await.as_deref(), Ok("team-a"));
    for (subject, tenant) in [
        ("system:serviceaccount:team-b:app", "team-b"),
        ("system:serviceaccount:team-a:guest-b", "team-b"),
        ("system:serviceaccount:team-a:guest-c", "team-c"),
        ("system:serviceaccount:team-a:guest", "team-a"),
    ] {
        let token = rsa.token(&claims(json!({"sub": subject})));
        assert_eq!(who(&stage, &token).await.as_deref(), Ok(tenant), "{subject}");
    }
    for good in [
        json!({"aud": ["other", "gateway"]}),
        json!({"nbf": null}),
        json!({"iat": null}),
        json!({"exp": at(600) as f64 + 0.5}),
        // Clocks are half a minute apart.
        json!({"exp": at(-20), "iat": at(-100), "nbf": at(-100)}),
        json!({"nbf": at(20), "iat": at(20)}),
        json!({"iat": at(0), "exp": at(3600)}),
    ] {
        let token = rsa.token(&claims(good.clone()));
        assert_eq!(who(&stage, &token).await.as_deref(), Ok("team-a"), "{good}");
    }
    stage.inference().converse(with_token(ask(NOVA, "hi"), &rsa.token(&claims(json!({}))))).await.unwrap();
    assert_eq!(provider.asked(), [""], "it is asked once, by nobody in particular");
}

/// C16: every way of being wrong, in the same words and for nothing.
#[tokio::test]
async fn no_bad_token_names_anybody_and_none_is_told_why() {
    let (rsa, ec) = (Signer::rsa("r"), Signer::p256("e"));
    let mut others = [rsa.jwk(), rsa.jwk()];
    (others[0]["kid"], others[0]["use"]) = (json!("enc"), json!("enc"));
    (others[1]["kid"], others[1]["alg"]) = (json!("384"), json!("RS384"));
    let [encrypts, other] = others;
    let secret = json!({"kty": "oct", "kid": "o", "k": "c2VjcmV0", "alg": "HS256"});
    let keys = json!({"keys": [secret, encrypts, other, rsa.jwk(), ec.jwk()]}).to_string();
    let provider = Provider::open(keys, None).await;
    let bad = bad_tokens(&rsa, &ec);
    let mut said = Vec::new();
    for some in bad.chunks(PLAIN) {
        let stage = stage(at_url(&provider)).await;
        let good = rsa.token(&claims(json!({})));
        stage.inference().converse(with_token(ask(NOVA, "hi"), &good)).await.unwrap();
        let sent = stage.emulator.calls().len();
        for (what, token) in some {
            // A message that nobody could decode: it is not reached.
            let refused = stage.inference().converse(with_token(ask("", "hi"), token)).await;
            let status = refused.expect_err(what);
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unauthenticated, "CREDENTIALS_INVALID"),
                "{what}"
            );
            let shown = format!("{status:?}");
            assert!(!shown.contains(token.as_str()) && !shown.contains(A), "{what}: {shown}");
            said.push(status.message().to_owned());
        }
        assert_eq!(stage.emulator.calls().len(), sent, "a stranger's call was made");
    }
    assert!(said.iter().all(|words| *words == said[0]), "{said:?}");
}

/// C16: a good token is good alone, in its own header, and counts like a bad one where it is not.
#[tokio::test]
async fn a_token_stands_alone_and_in_its_own_header() {
    let (signer, key) = (Signer::p256("e"), ApiKey::new().unwrap());
    let provider = Provider::open(set(&[&signer]), None).await;
    let stage = Stage::open_with(|settings| {
        settings.tenants = tenants();
        settings.tenants.get_mut("team-a").unwrap().keys = vec![settings_of(&key)];
        settings.issuers.insert("cluster".to_owned(), at_url(&provider));
    })
    .await;
    let good = signer.token(&claims(json!({})));
    let mut wrong = Vec::new();
    for (header, value) in [("x-api-key", good.as_str()), ("authorization", good.as_str())] {
        let mut request = Request::new(ask(NOVA, "hi"));
        request.metadata_mut().insert(header, value.parse().unwrap());
        wrong.push(request);
    }
    let mut both = with_token(ask(NOVA, "hi"), &good);
    both.metadata_mut().insert("x-api-key", key.reveal().parse().unwrap());
    let mut twice = with_token(ask(NOVA, "hi"), &good);
    twice.metadata_mut().append("authorization", format!("Bearer {good}").parse().unwrap());
    wrong.extend([both, twice]);
    for request in wrong {
        let status = stage.inference().converse(request).await.unwrap_err();
        assert_eq!(reason(&status), "CREDENTIALS_INVALID");
    }
    // A long token is refused here, and one of a mebibyte before that, by the limit of headers.
    let long = signer.token(&claims(json!({"groups": "x".repeat(10 * 1024)})));
    assert!(long.len() < 16 * 1024);
    assert_eq!(who(&stage, &long).await.as_deref(), Ok("team-a"));
    let huge = with_token(ask(NOVA, "hi"), &"x".repeat(1 << 20));
    assert!(timeout(SOON, stage.inference().converse(huge)).await.unwrap().is_err());
    while who(&stage, "garbage").await != Err("TOO_MANY_FAILURES".to_owned()) {}
    assert_eq!(who(&stage, &good).await.as_deref(), Ok("team-a"));
    stage.inference().converse(with_key(ask(NOVA, "hi"), &key)).await.unwrap();
}

/// C16: a claim names the tenant where the issuer is trusted to; a name that is not configured is nobody's.
#[tokio::test]
async fn a_claim_may_name_the_tenant() {
    let signer = Signer::ed("d");
    let provider = Provider::open(set(&[&signer]), None).await;
    let people = IssuerSettings {
        algorithms: vec![Algorithm::EdDSA],
        tenant_claim: Some("team".to_owned()),
        max_lifetime: Duration::from_secs(5400),
        ..at_url(&provider)
    };
    let stage = Stage::open_with(|settings| {
        settings.tenants = tenants();
        settings.tenants.values_mut().for_each(|tenant| tenant.subjects.clear());
        settings.issuers.insert("people".to_owned(), people);
    })
    .await;
    for team in ["team-a", "team-b"] {
        let token = signer.token(&claims(json!({"team": team, "exp": at(5400)})));
        assert_eq!(who(&stage, &token).await.as_deref(), Ok(team));
    }
    for team in
        [json!("team-x"), json!("local"), json!(["team-a"]), json!({"team-a": 1}), json!(""), json!(null)]
    {
        let token = signer.token(&claims(json!({"team": team})));
        assert_eq!(who(&stage, &token).await, Err("CREDENTIALS_INVALID".to_owned()), "{team}");
    }
    let long = signer.token(&claims(json!({"team": "team-a", "exp": at(5440)})));
    assert_eq!(who(&stage, &long).await, Err("CREDENTIALS_INVALID".to_owned()));
}

/// C16: a token that differs in any one letter from a good one is nobody's.
#[tokio::test]
async fn near_misses_are_nobody() {
    let signer = Signer::p256("e");
    let files = Files::new("tokens-near");
    files.write("keys.json", &set(&[&signer]));
    let mut settings = Settings { tenants: tenants(), ..Settings::default() };
    settings.issuers.insert("cluster".to_owned(), in_file(files.path("keys.json")));
    let door = Authenticator::new(&settings, settings.listen).unwrap();
    let is_good = |token: &str| {
        let mut headers =
            HeaderMap::from_iter([(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
        let found = door.authenticate(&mut headers, &Peer::default());
        assert!(headers.is_empty(), "credentials are left in the headers");
        found.is_ok()
    };
    tokio::select! {
        never = door.keep_keys() => match never {},
        () = door.keys_asked() => {}
    }
    let good = signer.token(&claims(json!({})));
    assert!(is_good(&good));
    let mut random = fastrand::Rng::with_seed(16);
    for round in 0..4_000 {
        let mut near = good.clone().into_bytes();
        let at = if round < near.len() { round } else { random.usize(..near.len()) };
        near[at] =
            *random.choice(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=").unwrap();
        let near = String::from_utf8(near).unwrap();
        assert!(near == good || !is_good(&near), "{at}: {near}");
    }
    // On the wire the limit of headers comes first.
    let padded = |bytes: usize| signer.token(&claims(json!({"groups": "x".repeat(bytes)})));
    assert!(is_good(&padded(11 * 1024)) && !is_good(&padded(13 * 1024)));
    let trailing = [format!("{good}="), format!("{good}.")];
    assert!(trailing.iter().all(|near| !is_good(near)));
}

/// C16: no line of the service has a token or whose it is, at any level, and the log tells why one is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_why_a_token_is_refused_and_nothing_of_it() {
    let signer = Signer::p256("e");
    let files = Files::new("tokens-log");
    files.write("keys.json", &set(&[&signer]));
    let issuer = "issuer = \"https://cluster.example\"\naudience = \"gateway\"";
    let path = file(
        "tokens-log.toml",
        &format!(
            "[issuers.cluster]\n{issuer}\njwks_file = {:?}\n[tenants.team-a]\n\
             subjects = [{{ issuer = \"cluster\", subject = \"{A}\" }}]\n[log]\nfilter = \"trace\"\n",
            files.path("keys.json")
        ),
    );
    let apart = Apart::configured(&path, &[]).await;
    let tokens = [json!({}), json!({"aud": "canary-audience"}), json!({"sub": "canary-subject"})];
    let tokens = tokens.map(|others| signer.token(&claims(others)));
    let mut client = InferenceClient::new(apart.channel().await);
    for (token, good) in tokens.iter().zip([true, false, false]) {
        assert_eq!(client.converse(with_token(ask(NOVA, "hi"), token)).await.is_ok(), good);
    }
    let (code, told) = apart.service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    for words in ["it is for another audience", "it names no tenant", "tenant=\"team-a\""] {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:#?}");
    }
    let parts = tokens.iter().flat_map(|token| token.split('.'));
    let secrets: Vec<_> = parts.chain(["canary", A]).collect();
    for line in &told {
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
}
