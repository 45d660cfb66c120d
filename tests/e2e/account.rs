//! An AWS account that looks at signatures: a source of credentials, an STS, and a Bedrock with one answer.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::Identity;

const ANSWER: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#;

/// The account, and all of its services at one URL.
pub struct Account {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

/// What the account has seen, and how it behaves.
pub struct State {
    /// The `Authorization` of each call to Bedrock, in order.
    pub signatures: Vec<String>,
    /// Roles that were asked for, and the keys that asked.
    pub assumed: Vec<(String, String)>,
    /// How often the source of credentials was asked, and what it was.
    pub asked: usize,
    /// Access key ids that nobody accepts.
    pub revoked: BTreeSet<String>,
    /// Roles that nobody may assume.
    pub closed: BTreeSet<String>,
    /// Whether the source of credentials answers.
    pub source_is_up: bool,
    /// How long credentials last.
    pub lifetime: Duration,
    /// How long after it was handed out a key is revoked.
    pub revoke_after: Option<Duration>,
    /// The last key of the source, and when it was handed out.
    last: Option<(String, Instant)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            signatures: Vec::new(),
            assumed: Vec::new(),
            asked: 0,
            revoked: BTreeSet::new(),
            closed: BTreeSet::new(),
            source_is_up: true,
            lifetime: Duration::from_secs(3600),
            revoke_after: None,
            last: None,
        }
    }
}

impl Account {
    pub async fn open() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), None).await
    }

    /// At this address, behind TLS and HTTP/2 where a certificate is there. Dropping it breaks its connections.
    pub async fn at(addr: SocketAddr, identity: Option<&Identity>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = identity.map(tls);
        let url = if tls.is_some() {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        };
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, tls) = (Arc::clone(&serving), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(shared, stream).await,
                        Some(tls) => serve(shared, tls.accept(stream).await.unwrap()).await,
                    }
                });
            }
        });
        Self { url, shared, task }
    }

    /// Breaks every connection, and refuses new ones.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What an environment says of the source of credentials.
    pub fn source(&self) -> (&'static str, String) {
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/credentials", self.url))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Waits until what was seen is so.
    pub async fn wait_for(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if is_so(&self.state()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn tls(identity: &Identity) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    let connection = auto::Builder::new(TokioExecutor::new());
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let signature = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default().to_owned();
    let answer = {
        let mut state = shared.state.lock().unwrap();
        match parts.uri.path() {
            "/credentials" => state.credentials(),
            "/" => state.assume(key(&signature), &String::from_utf8_lossy(&body)),
            _ => state.converse(signature),
        }
    };
    shared.changed.notify_waiters();
    Ok(answer)
}

impl State {
    fn credentials(&mut self) -> Response<Full<Bytes>> {
        self.asked += 1;
        if !self.source_is_up {
            return reply(StatusCode::SERVICE_UNAVAILABLE, "", String::new());
        }
        let key = format!("AKID{}", self.asked);
        self.last = Some((key.clone(), Instant::now()));
        let end = self.end();
        reply(
            StatusCode::OK,
            "",
            format!(r#"{{"AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t","Expiration":"{end}"}}"#),
        )
    }

    fn assume(&mut self, signer: &str, form: &str) -> Response<Full<Bytes>> {
        let member = |name: &str| {
            let value = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
        };
        assert_eq!(
            (member("Action").as_str(), member("RoleSessionName").as_str()),
            ("AssumeRole", "bedrock-inference")
        );
        let role = member("RoleArn");
        self.assumed.push((role.clone(), signer.to_owned()));
        let refused = if self.revoked.contains(signer) {
            Some("InvalidClientTokenId")
        } else {
            self.closed.contains(&role).then_some("AccessDenied")
        };
        if let Some(code) = refused {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>");
            let body = format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>");
            return reply(StatusCode::FORBIDDEN, "", body);
        }
        let name = role.rsplit('/').next().unwrap();
        let (key, end) = (format!("{name}-{}", self.assumed.len()), self.end());
        let user = format!("<Arn>{role}/bedrock-inference</Arn><AssumedRoleId>AROA:b</AssumedRoleId>");
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser>{user}</AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        reply(StatusCode::OK, "", body)
    }

    fn converse(&mut self, signature: String) -> Response<Full<Bytes>> {
        if let (Some(after), Some((last, handed))) = (self.revoke_after, &self.last)
            && handed.elapsed() > after
        {
            self.revoked.insert(last.clone());
        }
        let refused = self.revoked.contains(key(&signature));
        self.signatures.push(signature);
        if refused {
            return reply(StatusCode::FORBIDDEN, "ExpiredTokenException", "{}".to_owned());
        }
        reply(StatusCode::OK, "", ANSWER.to_owned())
    }

    fn end(&self) -> String {
        humantime::format_rfc3339_seconds(SystemTime::now() + self.lifetime).to_string()
    }
}

/// The access key id of a signature; empty for a bearer token.
pub fn key(signature: &str) -> &str {
    let rest = signature.split_once("Credential=").map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap()
}

fn reply(status: StatusCode, error: &str, body: String) -> Response<Full<Bytes>> {
    let reply = Response::builder().status(status).header("x-amzn-requestid", "r");
    let reply = if error.is_empty() { reply } else { reply.header("x-amzn-errortype", error) };
    reply.body(body.into()).unwrap()
}
