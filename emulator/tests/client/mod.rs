//! A plain hyper client for the integration tests: one connection, HTTP/1.1 or HTTP/2, no SDK in between.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    reason = "each test binary uses its own part; a test's connections need no tracking"
)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bedrock_inference_emulator::{Emulator, Settings};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub const NOVA: &str = "us.amazon.nova-pro-v1:0";
pub const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

pub async fn emulator() -> Emulator {
    Emulator::start(Settings::default()).await.unwrap()
}

/// Waits for something that must happen soon; the limit only keeps a broken test from hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
}

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Http1,
    Http2,
}

pub const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// One connection to an emulator; dropping it closes the connection.
pub struct Client {
    sender: Sender,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    pub async fn connect(emulator: &Emulator, protocol: Protocol) -> Self {
        let stream = TcpStream::connect(emulator.addr()).await.unwrap();
        // Without it every call over HTTP/2 waits 40 ms for a delayed acknowledgement.
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                let connection = tokio::spawn(async move { drop(connection.await) });
                Self { sender: Sender::Http1(sender), connection }
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                let connection = tokio::spawn(async move { drop(connection.await) });
                Self { sender: Sender::Http2(sender), connection }
            }
        }
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a signed-looking POST.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> hyper::Result<Response<Incoming>> {
        let request = Request::post(format!("http://emulator{path}"))
            .header("host", "emulator")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=x")
            .header("accept", "application/json");
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// Sends a signed-looking POST with headers of its own.
    pub async fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let signed =
            [("authorization", "AWS4-HMAC-SHA256 Credential=x"), ("content-type", "application/json")];
        self.post_raw(path, &[&signed, headers].concat(), body.to_string()).await
    }

    /// Sends a POST signed by whom the header says.
    pub async fn post_as(&mut self, path: &str, authorization: &str, body: &Value) -> Answer {
        self.post_raw(path, &[("authorization", authorization)], body.to_string()).await
    }

    /// Sends a POST with these headers alone.
    pub async fn post_raw(&mut self, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let mut request = Request::post(format!("http://emulator{path}")).header("host", "emulator");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(self.send(request.body(Full::new(body.into())).unwrap()).await.unwrap()).await
    }

    /// Calls InvokeModel and reads the whole answer.
    pub async fn invoke(&mut self, model: &str, body: &Value) -> Answer {
        self.post_with(&path(model, "invoke"), &[], body).await
    }

    /// Calls InvokeModelWithResponseStream and reads the native chunks.
    pub async fn chunks(&mut self, model: &str, body: &Value) -> Vec<Value> {
        let path = path(model, "invoke-with-response-stream");
        let (events, end) = frames(self.post(&path, body.to_string()).await.unwrap()).await;
        assert_eq!(end, End::Clean);
        events.iter().map(|(_, payload)| native(payload)).collect()
    }

    /// Calls Converse and reads the whole answer.
    pub async fn converse(&mut self, model: &str, body: &Value) -> Answer {
        read(self.post(&path(model, "converse"), body.to_string()).await.unwrap()).await
    }

    /// Calls ConverseStream.
    pub async fn stream(&mut self, model: &str, body: &Value) -> hyper::Result<Response<Incoming>> {
        self.post(&path(model, "converse-stream"), body.to_string()).await
    }

    /// Talks to the control interface.
    pub async fn control(&mut self, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(format!("http://emulator/_emulator/{path}"));
        let request = request.header("host", "emulator").body(Full::new(body.to_string().into())).unwrap();
        read(self.send(request).await.unwrap()).await
    }
}

/// The native JSON inside the payload of a chunk.
pub fn native(payload: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(payload["bytes"].as_str().unwrap()).unwrap()).unwrap()
}

/// A native Claude body with one question.
pub fn claude(text: &str) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{"role": "user", "content": text}]})
}

pub fn path(model: &str, verb: &str) -> String {
    format!("/model/{}/{verb}", model.replace(':', "%3A").replace('/', "%2F"))
}

pub fn hello() -> Value {
    say("Hello")
}

pub fn say(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

/// The same request with a fault of its own.
pub fn with_fault(mut body: Value, fault: &str) -> Value {
    body.as_object_mut().unwrap().insert("requestMetadata".to_owned(), json!({"emulator-fault": fault}));
    body
}

/// A response read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

pub async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// A well-formed end between two frames.
    Clean,
    /// A well-formed end inside a frame.
    InsideFrame,
    /// The transport broke.
    Broken,
    /// A frame's checksum was wrong.
    BadFrame,
}

/// Reads frames until the end. Names are event types, or `!` and the exception type.
pub async fn frames(response: Response<Incoming>) -> (Vec<(String, Value)>, End) {
    let mut body = response.into_body();
    let (mut buffer, mut decoder, mut events) = (BytesMut::new(), MessageFrameDecoder::new(), Vec::new());
    loop {
        loop {
            match decoder.decode_frame(&mut buffer) {
                Ok(DecodedFrame::Complete(message)) => events.push(named(&message)),
                Ok(DecodedFrame::Incomplete) => break,
                Err(_) => return (events, End::BadFrame),
            }
        }
        match body.frame().await {
            None if buffer.is_empty() => return (events, End::Clean),
            None => return (events, End::InsideFrame),
            Some(Err(_)) => return (events, End::Broken),
            Some(Ok(frame)) => buffer.extend_from_slice(frame.data_ref().unwrap()),
        }
    }
}

fn named(message: &Message) -> (String, Value) {
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name);
        found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
    };
    let payload = serde_json::from_slice(message.payload()).unwrap();
    assert_eq!(header(":content-type").unwrap(), "application/json");
    match header(":message-type").as_deref() {
        Some("exception") => (format!("!{}", header(":exception-type").unwrap()), payload),
        _ => (header(":event-type").unwrap(), payload),
    }
}
