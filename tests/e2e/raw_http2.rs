//! HTTP/2 by hand: frames as no client library would send them, and the frames that come back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const INITIAL_WINDOW_SIZE: u16 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Codes of RST_STREAM and GOAWAY.
pub const NO_ERROR: u32 = 0;
pub const REFUSED_STREAM: u32 = 7;

/// Far longer than anything waits for a frame.
const LIMIT: Duration = Duration::from_secs(20);

/// A frame on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<_> = settings
        .iter()
        .flat_map(|(key, value)| [&key.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A header as HPACK's literal, neither indexed nor compressed.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut literal = vec![0];
    for text in [name, value] {
        length(text.len(), &mut literal);
        literal.extend(text.as_bytes());
    }
    literal
}

/// An HPACK integer of seven bits and as many more as it takes.
fn length(length: usize, into: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(127) else { return into.push(u8::try_from(length).unwrap()) };
    into.push(127);
    while rest >= 128 {
        into.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    into.push(u8::try_from(rest).unwrap());
}

/// The headers of a gRPC request to a path, and more.
pub fn request(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    usual.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect()
}

/// A whole call: its headers, and its framed message as the last DATA.
pub fn call(stream: u32, path: &str, more: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    let headers = frame(HEADERS, END_HEADERS, stream, &request(path, more));
    [headers, frame(DATA, END_STREAM, stream, message)].concat()
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Bytes,
}

impl Frame {
    /// The code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// Whether these are headers that begin with `:status: 431`, plain or in Huffman's code.
    pub fn is_431(&self) -> bool {
        let status = |code: &[u8]| self.payload.windows(code.len()).any(|found| found == code);
        self.kind == HEADERS && (status(b"\x03431") || status(b"\x83\x69\x90\xff"))
    }

    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// The side of a connection that sends.
pub struct Sender<Io>(WriteHalf<Io>);

/// The side that hears.
pub struct Hearer<Io>(ReadHalf<Io>);

/// A connection that says nothing by itself.
pub struct Raw<Io = TcpStream> {
    pub to: Sender<Io>,
    pub from: Hearer<Io>,
}

impl Raw {
    /// Connected; nothing is said.
    pub async fn silent(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap())
    }

    /// Connected, with the preface and these settings said.
    pub async fn open(addr: SocketAddr, own: &[(u16, u32)]) -> Self {
        let mut raw = Self::silent(addr).await;
        assert!(raw.to.say(&[PREFACE, &settings(own)].concat()).await);
        raw
    }
}

impl<Io: AsyncRead + AsyncWrite> Raw<Io> {
    pub fn over(stream: Io) -> Self {
        let (from, to) = split(stream);
        Self { to: Sender(to), from: Hearer(from) }
    }

    /// The next frame that is not of the connection's upkeep, which is acknowledged; `None` once it is closed.
    pub async fn heard(&mut self) -> Option<Frame> {
        loop {
            let frame = self.from.next().await?;
            match frame.kind {
                PING | SETTINGS if frame.flags & ACK == 0 => {
                    let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
                    self.to.say(&self::frame(frame.kind, ACK, 0, payload)).await;
                }
                PING | SETTINGS | WINDOW_UPDATE => {}
                _ => return Some(frame),
            }
        }
    }

    /// The next frame of this kind, the connection kept up meanwhile.
    pub async fn heard_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            match self.heard().await? {
                frame if frame.kind == kind => return Some(frame),
                _ => {}
            }
        }
    }
}

impl<Io: AsyncRead + AsyncWrite> Sender<Io> {
    /// `false` once nobody takes it.
    pub async fn say(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }
}

impl<Io: AsyncRead + AsyncWrite> Hearer<Io> {
    /// The next frame; `None` once the connection is closed, in order or not.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.exactly(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.exactly(&mut payload).await?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload: payload.into() })
    }

    async fn exactly(&mut self, into: &mut [u8]) -> Option<()> {
        timeout(LIMIT, self.0.read_exact(into))
            .await
            .expect("nothing comes, and nothing is closed")
            .ok()
            .map(drop)
    }

    /// Reads until the connection is closed.
    pub async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }
}
