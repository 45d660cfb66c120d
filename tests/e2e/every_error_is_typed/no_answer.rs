//! Where nobody answers, nothing was sent and a repeat is free; where the request was sent, neither is certain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bedrock_inference::config::Settings;
use bedrock_inference::error::Reason;
use bedrock_inference::upstream::{self, Operation, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Code;

use super::rpcs::{PROFILE, Rpc, ask_with};
use crate::authority::Authority;
use crate::stage::{NOVA, Stage, ask, reason, report, told};

/// The port of somebody who says this to everyone, and hangs up.
async fn somebody_who_says(words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(words).await;
        }
    });
    port
}

/// The port of a TLS server whose certificate nobody vouches for, and how many requests it has read.
async fn somebody_unvouched_for() -> (u16, Arc<AtomicUsize>) {
    let identity = Authority::new("nobody's").signs("bedrock");
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let read = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&read);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if stream.read_u8().await.is_ok() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, read)
}

/// U4.
#[tokio::test]
async fn nobody_who_can_be_bedrock_is_unreachable() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let plain = somebody_who_says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let (unvouched, read) = somebody_unvouched_for().await;
    let urls = [
        // Nobody listens, nobody knows the name, nobody there speaks TLS, and nobody knows who speaks it.
        format!("http://127.0.0.1:{closed}"),
        "http://nowhere.invalid".to_owned(),
        format!("https://127.0.0.1:{plain}"),
        format!("https://127.0.0.1:{unvouched}"),
    ];
    for url in urls {
        let stage = Stage::in_front_of(&url).await;
        let status = stage.inference().converse(ask(NOVA, "hello")).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, "UPSTREAM_UNREACHABLE"),
            "{url}"
        );
        let keys = ["billed", "retryable", "attempts"].map(|key| told(&status, key));
        assert_eq!(keys, ["none", "true", "1"], "{url}");
        assert_eq!(report(&status).attempts[0].outcome, "UPSTREAM_UNREACHABLE", "{url}");
        assert!(status.metadata().get("grpc-retry-pushback-ms").is_some_and(|wait| wait != "-1"), "{url}");
    }
    assert_eq!(read.load(Ordering::SeqCst), 0, "a request went to nobody knows whom");
}

/// U17.
#[tokio::test]
async fn a_connection_that_is_lost_may_have_cost_something() {
    let stage = Stage::open().await;
    for rpc in Rpc::ALL {
        let status = ask_with(&stage, rpc, "reset@0").await.status.unwrap();
        let lost = ["UPSTREAM_CONNECTION_LOST", "UPSTREAM_STREAM_TRUNCATED"];
        assert!(lost.contains(&reason(&status).as_str()), "{rpc:?}: {status:?}");
        assert_eq!(status.code(), Code::Internal, "{rpc:?}");
        assert_eq!(
            (told(&status, "billed"), told(&status, "retryable")),
            ("unknown".to_owned(), "true".to_owned())
        );
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1", "{rpc:?}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_even_be_built_is_a_bug_of_the_gateway() {
    let settings = Settings::default();
    let started =
        upstream::start_on_emulator("http://127.0.0.1:9", &settings.aws, &settings.timeouts).unwrap();
    for model_id in ["", PROFILE] {
        let (operation, region) = (Operation::Converse, "us-east-1".to_owned());
        let request =
            Request { operation, region, model_id: model_id.to_owned(), role: None, body: "{}".into() };
        let error = started.bedrock.send(request).await.err().unwrap();
        let expected = if model_id.is_empty() { Reason::ClientBug } else { Reason::UpstreamUnreachable };
        assert_eq!(error.reason, expected);
    }
}
