//! gRPC by hand over HTTP: what a client library would hide.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::request::Builder;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;

pub type Http = Client<HttpConnector, Full<Bytes>>;

pub const CONVERSE: &str = "/bedrock.inference.v1.Inference/Converse";
pub const CONVERSE_STREAM: &str = "/bedrock.inference.v1.Inference/ConverseStream";
/// The flag of a gRPC-Web frame that holds the trailers.
pub const TRAILERS: u8 = 0x80;

/// A whole response.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

/// One message as it went over the wire.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub flags: u8,
    pub payload: Bytes,
}

pub fn http1() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

pub fn http2() -> Http {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

pub fn request(addr: SocketAddr, method: Method, path: &str) -> Builder {
    let uri = Uri::builder().scheme("http").authority(addr.to_string()).path_and_query(path);
    Request::builder().method(method).uri(uri.build().unwrap())
}

/// A POST of one gRPC message over HTTP/2.
pub fn grpc(addr: SocketAddr, path: &str) -> Builder {
    request(addr, Method::POST, path).header("content-type", "application/grpc").header("te", "trailers")
}

pub async fn send(http: &Http, request: Builder, body: Bytes) -> Reply {
    let response: Response<_> = http.request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes(), trailers }
}

/// A message with its five bytes in front.
pub fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

/// The frames of a body, which must hold nothing else.
pub fn frames(body: &Bytes) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = body.clone();
    while !rest.is_empty() {
        let head = rest.split_to(5);
        let length = u32::from_be_bytes(head[1..5].try_into().unwrap());
        frames.push(Frame { flags: head[0], payload: rest.split_to(usize::try_from(length).unwrap()) });
    }
    frames
}

/// Undoes gRPC-Web's text mode: base64 pieces, each with its own padding.
pub fn from_text(body: &Bytes) -> Bytes {
    body.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap()).collect()
}

pub fn to_text(body: &Bytes) -> Bytes {
    STANDARD.encode(body).into()
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}
