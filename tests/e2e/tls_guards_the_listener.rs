//! TLS: the listener shows its certificate, asks for the client's, and renews what it shows while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::authority::{Authority, Files, Identity};
use crate::stage::{NOVA, Stage, ask};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// A stage that serves TLS from these files.
async fn serving(files: &Files, mutual: bool) -> Stage {
    Stage::behind_tls(|settings| {
        settings.server.tls.certificate = Some(files.path("server.crt"));
        settings.server.tls.key = Some(files.path("server.key"));
        settings.server.tls.client_ca = mutual.then(|| files.path("clients.crt"));
        settings.server.tls.reload = Duration::from_millis(20);
    })
    .await
}

async fn channel(stage: &Stage, trusts: &str, shows: Option<&Identity>) -> Result<Channel, String> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusts));
    let tls = match shows {
        Some(identity) => {
            tls.identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key))
        }
        None => tls,
    };
    let url = Endpoint::from_shared(format!("https://localhost:{}", stage.addr.port())).unwrap();
    url.tls_config(tls).unwrap().connect().await.map_err(|error| format!("{error:?}"))
}

async fn call(channel: &Channel) -> Result<(), String> {
    let answered = InferenceClient::new(channel.clone()).converse(ask(NOVA, "hello")).await;
    answered.map(drop).map_err(|status| format!("{status:?}"))
}

/// The certificate that a new connection is shown.
async fn shown(stage: &Stage, trusts: &Authority) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(stage.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(identity: &Identity) -> Vec<u8> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn calls_go_over_tls_and_plain_text_is_not_understood() {
    let (authority, files) = (Authority::new("servers"), Files::new("tls-plain"));
    files.identity("server", &authority.signs("first"));
    let stage = serving(&files, false).await;
    call(&channel(&stage, &authority.certificate, None).await.unwrap()).await.unwrap();

    let plain = Endpoint::from_shared(format!("http://{}", stage.addr)).unwrap().connect().await;
    match plain {
        Ok(plain) => assert!(call(&plain).await.is_err()),
        Err(error) => drop(error),
    }
    let stranger = Authority::new("somebody else");
    assert!(channel(&stage, &stranger.certificate, None).await.is_err());
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_authority_is_refused() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::new("tls-mutual");
    files.identity("server", &servers.signs("first"));
    files.write("clients.crt", &clients.certificate);
    let stage = serving(&files, true).await;

    let known = clients.signs("known");
    call(&channel(&stage, &servers.certificate, Some(&known)).await.unwrap()).await.unwrap();

    let strange = Authority::new("somebody else").signs("strange");
    for (what, shows) in [("none", None), ("one of another authority", Some(&strange))] {
        let before = stage.emulator.calls().len();
        // TLS 1.3 tells a client of its refusal only when it reads.
        let refused = match channel(&stage, &servers.certificate, shows).await {
            Ok(channel) => call(&channel).await,
            Err(error) => Err(error),
        };
        assert!(refused.is_err(), "a client that shows {what} got through");
        assert_eq!(stage.emulator.calls().len(), before, "{what}");
    }
}

#[tokio::test]
async fn certificates_are_renewed_under_load_without_a_failed_call() {
    let (authority, files) = (Authority::new("servers"), Files::new("tls-renewed"));
    let (first, second) = (authority.signs("first"), authority.signs("second"));
    files.identity("server", &first);
    let stage = Arc::new(serving(&files, false).await);
    assert_eq!(shown(&stage, &authority).await, der(&first));

    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let standing = channel(&stage, &authority.certificate, None).await.unwrap();
    let load: Vec<_> = (0..4)
        .map(|worker| {
            let (stage, done, calls) = (Arc::clone(&stage), Arc::clone(&done), Arc::clone(&calls));
            let (trusted, standing) = (authority.certificate.clone(), standing.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    // Half of them on a connection that stands, half on a new one for each call.
                    let fresh = match worker % 2 {
                        0 => standing.clone(),
                        _ => channel(&stage, &trusted, None).await?,
                    };
                    call(&fresh).await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, String>(())
            })
        })
        .collect();

    for identity in [&second, &first, &second] {
        let before = calls.load(Ordering::Relaxed);
        // The key of one and the certificate of the other, for a moment: nothing may change by it.
        files.write("server.crt", &identity.certificate);
        tokio::task::yield_now().await;
        files.write("server.key", &identity.key);
        let renewed = async { while shown(&stage, &authority).await != der(identity) {} };
        timeout(SOON, renewed).await.expect("the new certificate is not shown");
        let went_on = async {
            while calls.load(Ordering::Relaxed) < before + 20 {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, went_on).await.expect("calls no longer end");
    }
    // What cannot be used is not taken.
    files.write("server.crt", "nonsense");
    for _ in 0..20 {
        assert_eq!(shown(&stage, &authority).await, der(&second));
    }
    done.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap().expect("a call failed while certificates were renewed");
    }
    assert!(calls.load(Ordering::Relaxed) >= 60);
}

#[tokio::test]
async fn a_new_client_authority_is_asked_for_from_the_next_connection_on() {
    let (servers, files) = (Authority::new("servers"), Files::new("tls-authority"));
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    files.identity("server", &servers.signs("first"));
    files.write("clients.crt", &old.certificate);
    let stage = serving(&files, true).await;
    let (leaving, coming) = (old.signs("leaving"), new.signs("coming"));
    let standing = channel(&stage, &servers.certificate, Some(&leaving)).await.unwrap();
    call(&standing).await.unwrap();

    files.write("clients.crt", &new.certificate);
    let admitted = async {
        loop {
            if let Ok(channel) = channel(&stage, &servers.certificate, Some(&coming)).await
                && call(&channel).await.is_ok()
            {
                return;
            }
        }
    };
    timeout(SOON, admitted).await.expect("the new authority is not taken");
    call(&standing).await.unwrap();
    let refused = match channel(&stage, &servers.certificate, Some(&leaving)).await {
        Ok(channel) => call(&channel).await,
        Err(error) => Err(error),
    };
    assert!(refused.is_err(), "a client of the old authority got through");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_at_start() {
    let files = Files::new("tls-mistakes");
    let authority = Authority::new("servers");
    let (one, other) = (authority.signs("one"), authority.signs("other"));
    files.identity("server", &one);
    files.write("other.key", &other.key);
    files.write("empty.crt", "");
    let cases = [
        ("server.crt", "absent.key", "server.tls.key"),
        ("absent.crt", "server.key", "server.tls.certificate"),
        ("empty.crt", "server.key", "no certificate in PEM"),
        ("server.crt", "server.crt", "no private key in PEM"),
        ("server.crt", "other.key", "server.tls.certificate"),
    ];
    for (certificate, key, told) in cases {
        let error = Stage::refused(|settings| {
            settings.server.tls.certificate = Some(files.path(certificate));
            settings.server.tls.key = Some(files.path(key));
        })
        .await;
        assert!(error.contains(told), "{certificate} with {key}: {error}");
    }
}
