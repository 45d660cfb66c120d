//! An identity provider: keys that sign tokens, made without the library that reads them, and a server of JWK sets.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::account::tls;
use crate::authority::Identity;

/// A key of an issuer under its id.
pub struct Signer {
    pub id: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub fn rsa(id: &str) -> Self {
        Self { id: id.to_owned(), pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub fn p256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), pair: Pair::Ec(pair, "P-256") }
    }

    pub fn p384(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), pair: Pair::Ec(pair, "P-384") }
    }

    pub fn ed(id: &str) -> Self {
        Self { id: id.to_owned(), pair: Pair::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// The public key, as a set has it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                // RSAPublicKey in DER: the modulus of 256 bytes stands behind nine of tags and lengths.
                let der = pair.public_key().as_ref();
                json!({"kty": "RSA", "n": encoded(&der[9..265]), "e": encoded(&der[der.len() - 3..])})
            }
            Pair::Ec(pair, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(self.id);
        jwk
    }

    /// A token with this header and these claims; the header's algorithm says how it is signed.
    pub fn signs(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let (bytes, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let how = if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                pair.sign(how, &random, bytes, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(&signature))
    }

    /// A token with these claims, as this key's own algorithm signs it.
    pub fn token(&self, claims: &Value) -> String {
        let algorithm = match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_, "P-256") => "ES256",
            Pair::Ec(..) => "ES384",
            Pair::Ed(_) => "EdDSA",
        };
        self.signs(&json!({"alg": algorithm, "typ": "JWT", "kid": self.id}), claims)
    }

    /// The public key's bytes: what a forger has.
    pub fn public(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ec(pair, _) => pair.public_key().as_ref(),
            Pair::Ed(pair) => pair.public_key().as_ref(),
        }
    }
}

/// A token under a shared secret.
pub fn hmac_token(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", encoded(tag.as_ref()))
}

/// A token without a signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", message(header, claims))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()))
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWK set of these keys.
pub fn set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Seconds since 1970, so many from now.
pub fn at(from_now: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + from_now
}

/// What a provider answers.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn good(body: String) -> Self {
        Self { status: StatusCode::OK, location: None, body }
    }

    pub fn bad(status: StatusCode) -> Self {
        Self { status, location: None, body: String::new() }
    }
}

/// A server that gives out its keys at `/keys`, and something else nowhere.
pub struct Provider {
    url: String,
    answer: Arc<Mutex<Answer>>,
    /// The `Authorization` of each request.
    asked: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Arc<Mutex<Answer>>,
    asked: watch::Sender<Vec<String>>,
}

impl Provider {
    pub async fn open(keys: String, identity: Option<&Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = identity.map(tls);
        let url = match identity {
            Some(_) => format!("https://localhost:{port}/keys"),
            None => format!("http://127.0.0.1:{port}/keys"),
        };
        let answer = Arc::new(Mutex::new(Answer::good(keys)));
        let (sender, asked) = watch::channel(Vec::new());
        let shared = Arc::new(Shared { answer: Arc::clone(&answer), asked: sender });
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        None => serve(shared, stream).await,
                        Some(acceptor) => {
                            // Whoever does not trust it goes away again.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(shared, stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, answer, asked, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The `Authorization` of each request until now.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// Waits until it has been asked so many times more.
    pub async fn asked_again(&self, times: usize) {
        let mut asked = self.asked.clone();
        let before = asked.borrow().len();
        asked.wait_for(|asked| asked.len() >= before + times).await.unwrap();
    }

    /// Nobody listens there any more.
    pub async fn close(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request| {
        let answer = answered(&shared, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answered(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = shared.answer.lock().unwrap().clone();
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    shared.asked.send_modify(|asked| asked.push(authorization.unwrap_or_default()));
    let mut response = Response::builder().status(answer.status);
    if let Some(location) = answer.location.filter(|_| request.uri().path() == "/keys") {
        response = response.header("location", location);
    }
    response.body(Full::new(Bytes::from(answer.body))).unwrap()
}
