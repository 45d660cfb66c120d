//! Callers are known by an API key or a certificate before anything of theirs is read, and nobody else gets through.

use std::time::{Duration, SystemTime};

use bedrock_inference::config::{KeySettings, Settings, TenantSettings};
use bedrock_inference::principal::ApiKey;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::models_client::ModelsClient;
use bedrock_inference_proto::v1::{GetModelRequest, ListModelsRequest};
use tokio::time::timeout;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use crate::apart::Apart;
use crate::authority::{Authority, Files, Identity};
use crate::stage::{NOVA, Stage, ask, ask_stream, reason};
use crate::the_command_line_works::process::{file, program, run};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

pub fn settings_of(key: &ApiKey) -> KeySettings {
    let sha256 = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    KeySettings { id: key.id().to_owned(), sha256, expires: None }
}

pub fn tenant(keys: &[&ApiKey]) -> TenantSettings {
    TenantSettings { keys: keys.iter().map(|key| settings_of(key)).collect(), ..TenantSettings::default() }
}

/// A request with this key.
pub fn with_key<M>(message: M, key: &ApiKey) -> Request<M> {
    with_header(message, "authorization", &format!("Bearer {}", key.reveal()))
}

fn with_header<M>(message: M, name: &'static str, value: &str) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

/// A stage that knows these tenants.
pub async fn knowing(tenants: Vec<(&str, TenantSettings)>) -> Stage {
    Stage::open_with(|settings| {
        settings.tenants = tenants.into_iter().map(|(name, tenant)| (name.to_owned(), tenant)).collect();
    })
    .await
}

/// C16: nobody, somebody else, and every way of not being somebody, for nothing and in the same words.
#[tokio::test]
async fn whoever_is_not_known_is_refused_before_anything_is_read() {
    let (key, old, others) = (ApiKey::new().unwrap(), ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let ended =
        KeySettings { expires: Some(SystemTime::now() - Duration::from_secs(1)), ..settings_of(&old) };
    let mut team = tenant(&[&key]);
    team.keys.push(ended);
    let stage = knowing(vec![("team-a", team)]).await;
    stage.inference().converse(with_key(ask(NOVA, "hi"), &key)).await.unwrap();
    let sent = stage.emulator.calls().len();

    // A message that nobody could decode: it is not reached.
    let status = stage.inference().converse(ask("", "hi")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));

    let whole = key.reveal();
    let mut wrong = whole.to_owned();
    wrong.replace_range(wrong.len() - 1.., if wrong.ends_with('0') { "1" } else { "0" });
    let bad = [
        others.reveal().to_owned(),
        old.reveal().to_owned(),
        wrong,
        whole[..whole.len() - 1].to_owned(),
        whole.to_uppercase(),
        "bik_".to_owned(),
        "garbage".to_owned(),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "x".repeat(8 * 1024),
    ];
    let mut said = Vec::new();
    for token in &bad {
        for (header, value) in [("authorization", format!("Bearer {token}")), ("x-api-key", token.clone())] {
            let status =
                stage.inference().converse(with_header(ask("", "hi"), header, &value)).await.unwrap_err();
            said.push((status.code(), reason(&status), status.message().to_owned()));
            let shown = format!("{status:?}");
            assert!(!shown.contains(token.as_str()), "{shown}");
        }
    }
    assert!(said.iter().all(|words| *words == said[0]), "{said:?}");
    assert_eq!((said[0].0, said[0].1.as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));

    // One mebibyte is above what a header may have.
    let huge = with_header(ask(NOVA, "hi"), "x-api-key", &"x".repeat(1 << 20));
    assert!(timeout(SOON, stage.inference().converse(huge)).await.unwrap().is_err());
    assert_eq!(stage.emulator.calls().len(), sent, "a stranger's call was made");
}

/// C16: from the 21st failure on an address is told to wait, and a good key from there passes all the same.
#[tokio::test]
async fn many_failures_of_one_address_are_slowed_down() {
    let key = ApiKey::new().unwrap();
    let stage = knowing(vec![("team-a", tenant(&[&key]))]).await;
    let mut reasons = Vec::new();
    for _ in 0..25 {
        reasons.push(stage.inference().converse(ask(NOVA, "hi")).await.unwrap_err());
    }
    let slowed = reasons.split_off(20);
    assert!(reasons.iter().all(|status| reason(status) == "CREDENTIALS_MISSING"));
    for status in slowed {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_FAILURES"));
        assert!(status.metadata().get("grpc-retry-pushback-ms").is_some());
    }
    stage.inference().converse(with_key(ask(NOVA, "hi"), &key)).await.unwrap();
}

/// C16: every RPC of ours asks; health and reflection, which probes use, do not.
#[tokio::test]
async fn every_rpc_asks_and_probes_need_no_identity() {
    let key = ApiKey::new().unwrap();
    // The stage itself waits for health without a key.
    let stage = knowing(vec![("team-a", tenant(&[&key]))]).await;
    let list =
        |request: Request<ListModelsRequest>| async { stage.models().list_models(request).await.map(drop) };
    let get = |request: Request<GetModelRequest>| async { stage.models().get_model(request).await.map(drop) };
    let model = || GetModelRequest { model_id: NOVA.to_owned() };
    let refused: [Result<(), Status>; 2] =
        [list(Request::new(ListModelsRequest::default())).await, get(Request::new(model())).await];
    for refused in refused {
        assert_eq!(reason(&refused.unwrap_err()), "CREDENTIALS_MISSING");
    }
    list(with_key(ListModelsRequest::default(), &key)).await.unwrap();
    get(with_key(model(), &key)).await.unwrap();
}

/// C16: a key is changed under load, by two that are good at a time, without a failed call; the old one then ends at
/// once, and so does a tenant that is taken away.
#[tokio::test]
async fn keys_are_changed_without_a_failed_call_and_revoked_at_once() {
    let (old, new, other) = (ApiKey::new().unwrap(), ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let stage = knowing(vec![("team-a", tenant(&[&old])), ("team-b", tenant(&[&other]))]).await;
    let set = |keys: &[&ApiKey]| {
        let renewed = tenant(keys);
        stage.settings.send_modify(|settings: &mut Settings| {
            drop(settings.tenants.insert("team-a".to_owned(), renewed))
        });
    };
    let call = |key: &ApiKey| {
        let request = with_key(ask(NOVA, "hi"), key);
        let mut client = stage.inference();
        async move { client.converse(request).await }
    };
    // Somebody who goes over to the new key as soon as it is good, and never fails.
    let others = async {
        loop {
            call(&other).await.expect("somebody else's call failed");
        }
    };
    let change = async {
        for _ in 0..20 {
            call(&old).await.unwrap();
        }
        set(&[&old, &new]);
        while call(&new).await.is_err() {
            call(&old).await.expect("the old key is good beside the new one");
        }
        for _ in 0..20 {
            call(&old).await.unwrap();
            call(&new).await.unwrap();
        }
        // A stream of the old key's that is under way goes on.
        stage.emulator.script("slow=50@1".parse().unwrap());
        let request = with_key(ask_stream(NOVA, "Write a haiku."), &old);
        let mut stream = stage.inference().converse_stream(request).await.unwrap().into_inner();
        set(&[&new]);
        while call(&old).await.is_ok() {
            call(&new).await.unwrap();
        }
        while stream.message().await.expect("a call under way was ended").is_some() {}
        assert!(call(&old).await.is_err());
        call(&new).await.unwrap();
        stage.settings.send_modify(|settings| drop(settings.tenants.remove("team-a")));
        while call(&new).await.is_ok() {}
        assert!(stage.inference().converse(ask(NOVA, "hi")).await.is_err());
    };
    timeout(SOON, async {
        tokio::select! {
            () = others => unreachable!(),
            () = change => {}
        }
    })
    .await
    .expect("the change is not taken");
}

async fn channel(stage: &Stage, trusts: &Authority, shows: &Identity) -> Channel {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&trusts.certificate))
        .identity(tonic::transport::Identity::from_pem(&shows.certificate, &shows.key));
    let url = Endpoint::from_shared(format!("https://localhost:{}", stage.addr.port())).unwrap();
    url.tls_config(tls).unwrap().connect().await.unwrap()
}

/// C16: a certificate's SPIFFE id or DNS name is its tenant, its common name is nobody; a key beside it must agree.
#[tokio::test]
async fn a_certificate_names_its_tenant_and_a_key_must_agree() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::new("callers-certificates");
    files.identity("server", &servers.signs("server"));
    files.write("clients.crt", &clients.certificate);
    let (one, other) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let named =
        |keys: &[&ApiKey], name: &str| TenantSettings { certificates: vec![name.to_owned()], ..tenant(keys) };
    let tenants = [
        ("team-a", named(&[&one], "spiffe://prod.example/ns/a/sa/app")),
        ("team-b", named(&[&other], "dns:Client.example")),
    ];
    let stage = Stage::behind_tls(|settings| {
        settings.tenants = tenants.into_iter().map(|(name, tenant)| (name.to_owned(), tenant)).collect();
        settings.server.tls.certificate = Some(files.path("server.crt"));
        settings.server.tls.key = Some(files.path("server.key"));
        settings.server.tls.client_ca = Some(files.path("clients.crt"));
    })
    .await;
    let a = "spiffe://prod.example/ns/a/sa/app";
    let good = [
        (clients.signs_for("x", &[], &[a]), &one),
        (clients.signs_for("x", &["client.EXAMPLE"], &[]), &other),
        (clients.signs_for("x", &["strange.example", "client.example"], &[]), &other),
    ];
    for (at, (identity, key)) in good.iter().enumerate() {
        let mut client = InferenceClient::new(channel(&stage, &servers, identity).await);
        client.converse(ask(NOVA, "hi")).await.unwrap_or_else(|status| panic!("{at}: {status:?}"));
        client.converse(with_key(ask(NOVA, "hi"), key)).await.unwrap();
        let strange = if std::ptr::eq(*key, &one) { &other } else { &one };
        let status = client.converse(with_key(ask(NOVA, "hi"), strange)).await.unwrap_err();
        assert_eq!(reason(&status), "CREDENTIALS_INVALID", "{at}: a key of another tenant");
    }
    let sent = stage.emulator.calls().len();
    for (what, identity) in [
        ("nobody's", clients.signs_for("x", &["strange.example"], &["spiffe://prod.example/ns/b/sa/app"])),
        ("a longer id", clients.signs_for("x", &[], &["spiffe://prod.example/ns/a/sa/app/more"])),
        ("a common name", clients.signs_for("client.example", &[], &[])),
        ("another kind", clients.signs_for("x", &[], &["dns:client.example"])),
        ("two tenants'", clients.signs_for("x", &["client.example"], &[a])),
    ] {
        let mut client = InferenceClient::new(channel(&stage, &servers, &identity).await);
        let status = client.converse(ask(NOVA, "hi")).await.unwrap_err();
        // The dns: of a URI is a URI of the scheme dns, and would be taken for a DNS name if kinds were mixed.
        assert_eq!(reason(&status), "CREDENTIALS_INVALID", "{what}");
        let status = client.converse(with_key(ask(NOVA, "hi"), &one)).await.unwrap_err();
        assert_eq!(reason(&status), "CREDENTIALS_INVALID", "{what} with a good key");
    }
    assert_eq!(stage.emulator.calls().len(), sent);
}

/// C16: a key is made, configured and used from the command line, and no line of the service has it or its hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_and_used_and_nothing_tells_of_it() {
    let made = run(&mut program(&["keys", "new", "team-a", "--expires", "90d"]));
    let lines = made.stderr.clone();
    let key = made.good().trim().to_owned();
    let hash = lines.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(key.starts_with("bik_") && hash.len() == 64 && lines.contains("expires = \""), "{lines}");
    let path = file("tenants.toml", &format!("{lines}\n[log]\nfilter = \"trace\"\n"));
    let apart = Apart::configured(&path, &[]).await;
    let asked = |key: Option<&str>| {
        let mut command = program(&["ask", "--endpoint", &format!("http://{}", apart.addr()), NOVA, "hi"]);
        command.envs(key.map(|key| ("BEDROCK_INFERENCE_API_KEY", key)));
        run(&mut command)
    };
    asked(Some(&key)).good();
    assert!(asked(None).bad(1).contains("CREDENTIALS_MISSING"));
    assert!(asked(Some(&key[1..])).bad(1).contains("CREDENTIALS_INVALID"));
    let mut models = ModelsClient::new(apart.channel().await);
    let stranger = ApiKey::new().unwrap();
    models.list_models(with_key(ListModelsRequest::default(), &stranger)).await.unwrap_err();
    let (code, told) = apart.service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    assert!(
        told.iter().any(|line| line.contains("call ended") && line.contains("tenant=\"team-a\"")),
        "{told:#?}"
    );
    let secrets = [key.as_str(), &key[20..], stranger.reveal(), &stranger.reveal()[20..], hash.as_str()];
    for line in &told {
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
    assert!(run(&mut program(&["keys", "new", "local"])).bad(2).contains("not \"local\""));
}
