//! Headers: a list that is too long is refused by itself, one far too long with its connection.

use std::time::{Duration, Instant};

use crate::raw_http2::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Raw, call, frame, literal, request,
};
use crate::stage::{NOVA, Stage, ask};
use crate::the_edge_speaks_grpc::raw::{CONVERSE, framed};

/// The largest frame that may be sent.
const LARGEST: usize = 16_384;

/// A request of these headers, in as many frames as it takes.
fn in_frames(stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(LARGEST).peekable();
    let (mut kind, mut flags, mut frames) = (HEADERS, END_STREAM, Vec::new());
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        frames.extend(frame(kind, flags, stream, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    frames
}

/// C12: a list over 16 KiB is answered 431, and the connection's other calls go on.
#[tokio::test]
async fn a_list_that_is_too_long_is_431() {
    let stage = Stage::open().await;
    let mut raw = Raw::open(stage.addr, &[]).await;
    let long = "x".repeat(17 * 1024);
    raw.to.say(&in_frames(1, &request(CONVERSE, &[("x-long", &long)]))).await;
    let answer = raw.heard_of(HEADERS).await.unwrap();
    assert!(answer.is_431() && answer.stream == 1, "{answer:?}");
    raw.to.say(&call(3, CONVERSE, &[], &framed(&ask(NOVA, "hello")))).await;
    loop {
        let heard = raw.heard().await.unwrap();
        assert!(heard.kind != RST_STREAM || heard.stream == 1, "{heard:?}");
        if heard.stream == 3 && heard.ends_stream() {
            break;
        }
    }
    assert_eq!(stage.emulator.counts().finished, 1);
}

/// C12: far more closes the connection, however it is packed.
#[tokio::test]
async fn a_list_that_is_far_too_long_closes_the_connection() {
    /// Four bytes that say of a string that it has 2 MiB and some.
    const PROMISED: [u8; 4] = [0x7f, 0x80, 0x80, 0x7f];
    let stage = Stage::open().await;
    let value = "x".repeat(1 << 20);
    let many: Vec<_> = (0..10_000).flat_map(|n| literal(&format!("x-{n}"), "")).collect();
    // One byte each: `accept-encoding: gzip, deflate` from HPACK's own table.
    let indexed = vec![0x90; 10_000];
    let promised = [&[0][..], &PROMISED, &vec![b'x'; 200_000]].concat();
    let cases = [
        ("a value of 1 MiB", request(CONVERSE, &[("x-long", &value)])),
        ("10,000 headers", [request(CONVERSE, &[]), many].concat()),
        ("10,000 bytes for 10,000 headers", [request(CONVERSE, &[]), indexed].concat()),
        ("a name that never ends", [request(CONVERSE, &[]), promised].concat()),
    ];
    for (what, block) in cases {
        let mut raw = Raw::open(stage.addr, &[]).await;
        let began = Instant::now();
        raw.to.say(&in_frames(1, &block)).await;
        raw.from.closed().await;
        println!("{what}: closed after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(1), "{what}: {:?}", began.elapsed());
    }
    assert_eq!(stage.emulator.counts().started, 0);
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
}
