//! Connections are bounded: in number, in how long they may say nothing, and in age. None ends under a call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bedrock_inference::config::Settings;
use bedrock_inference_emulator::Pace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::{Code, Status};

use crate::authority::{Authority, Files};
use crate::raw_http2::{
    ACK, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, NO_ERROR, PING, PREFACE, REFUSED_STREAM, RST_STREAM, Raw,
    SETTINGS, call, frame, settings,
};
use crate::stage::{NOVA, Stage, ask, ask_stream};
use crate::the_edge_speaks_grpc::raw::{CONVERSE, CONVERSE_STREAM, framed};

/// A clock of the listener, short.
const CLOCK: Duration = Duration::from_millis(400);

/// How much earlier a clock that began earlier rings.
const EARLY: Duration = Duration::from_millis(5);

/// By how much a busy machine may be late.
const LATE: Duration = Duration::from_millis(1500);

/// How long until a connection that says this, and no more, is closed.
async fn closed_after(addr: SocketAddr, says: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let began = Instant::now();
    stream.write_all(says).await.unwrap();
    // An end out of order is an end.
    let _ = timeout(CLOCK + LATE, stream.read_to_end(&mut Vec::new())).await.expect("it stays open");
    began.elapsed()
}

fn handshake(settings: &mut Settings) {
    settings.server.handshake_timeout = CLOCK;
}

/// C14: half-open connections of plain text.
#[tokio::test]
async fn who_says_too_little_is_closed() {
    let stage = Stage::open_with(handshake).await;
    let half_a_frame = [PREFACE, &settings(&[])[..5]].concat();
    let cases: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("half a preface", &PREFACE[..12]),
        ("a preface", PREFACE),
        ("half a frame", &half_a_frame),
        ("a request line", b"POST /x HTTP/1.1\r\n"),
        ("half a header", b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-le"),
    ];
    for (what, took) in futures_util::future::join_all(
        cases.map(|(what, says)| async move { (what, closed_after(stage.addr, says).await) }),
    )
    .await
    {
        println!("{what}: closed after {took:?} of {CLOCK:?}");
        assert!(took >= CLOCK - Duration::from_millis(50), "{what}: after {took:?}");
    }
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
}

/// C14: half-open connections of TLS.
#[tokio::test]
async fn who_says_too_little_over_tls_is_closed() {
    let (authority, files) = (Authority::new("servers"), Files::new("tls-half-open"));
    files.identity("server", &authority.signs("first"));
    let stage = Stage::behind_tls(|settings| {
        handshake(settings);
        settings.server.tls.certificate = Some(files.path("server.crt"));
        settings.server.tls.key = Some(files.path("server.key"));
    })
    .await;
    // A record of 512 bytes that holds a ClientHello, and its first bytes.
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let within = async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let began = Instant::now();
        let stream = TcpStream::connect(stage.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        let _ = timeout(CLOCK + LATE, stream.read_to_end(&mut Vec::new())).await.expect("it stays open");
        began.elapsed()
    };
    let (nothing, hello, within) =
        tokio::join!(closed_after(stage.addr, b""), closed_after(stage.addr, &hello), within);
    for (what, took) in [("nothing", nothing), ("half a ClientHello", hello), ("a preface within", within)] {
        println!("TLS, {what}: closed after {took:?} of {CLOCK:?}");
        assert!(took >= CLOCK - Duration::from_millis(50), "{what}: after {took:?}");
    }
}

/// Connected from this address of ours.
async fn connected_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a connection is served: a settings frame comes, or it is closed.
async fn is_served(stream: TcpStream) -> Option<Raw> {
    let mut raw = Raw::over(stream);
    raw.to.say(&[PREFACE, &settings(&[])].concat()).await;
    let came = raw.from.next().await?;
    assert_eq!(came.kind, SETTINGS);
    Some(raw)
}

/// C14: one connection too many is refused at once, and its place is taken when another ends.
#[tokio::test]
async fn connections_are_few_in_all_and_of_one_address() {
    const HERE: [u8; 4] = [127, 0, 0, 1];
    const THERE: [u8; 4] = [127, 0, 0, 2];
    let stage = Stage::open_with(|settings| {
        settings.server.max_connections = 6;
        settings.server.max_connections_per_address = 4;
    })
    .await;
    // The stage's own connection is the first from here.
    let mut held = Vec::new();
    for _ in 1..4 {
        held.push(is_served(connected_from(HERE, stage.addr).await).await.expect("refused"));
    }
    let began = Instant::now();
    assert!(is_served(connected_from(HERE, stage.addr).await).await.is_none(), "a fifth from one address");
    for _ in 4..6 {
        held.push(is_served(connected_from(THERE, stage.addr).await).await.expect("refused"));
    }
    assert!(is_served(connected_from(THERE, stage.addr).await).await.is_none(), "a seventh");
    assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
    for held in &mut held {
        held.to.say(&call(1, CONVERSE, &[], &framed(&ask(NOVA, "hello")))).await;
        held.heard_of(HEADERS).await.expect("a connection was closed for another");
    }
    drop(held);
    let seated = async { while is_served(connected_from(HERE, stage.addr).await).await.is_none() {} };
    timeout(LATE, seated).await.expect("no seat came back");
}

/// C15: what exceeds the limit that the server has told is refused, and nothing else.
#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    let stage = Stage::open_with(|settings| settings.server.max_streams = 8).await;
    stage.emulator.set_pace(Pace { first_token: CLOCK, tokens_per_second: None });
    let mut raw = Raw::open(stage.addr, &[]).await;
    let told = raw.from.next().await.unwrap().payload;
    assert!(
        told.chunks(6).any(|setting| setting == [&MAX_CONCURRENT_STREAMS[..], &[0, 0, 0, 8]].concat()),
        "{told:?}"
    );
    let message = framed(&ask(NOVA, "hello"));
    let calls: Vec<u8> = (0..12).flat_map(|n| call(2 * n + 1, CONVERSE, &[], &message)).collect();
    raw.to.say(&calls).await;
    let (mut refused, mut answered) = (Vec::new(), Vec::new());
    while refused.len() + answered.len() < 12 {
        let frame = raw.heard().await.unwrap();
        if frame.kind == RST_STREAM && !refused.contains(&frame.stream) {
            // Before anything is said of its DATA: the client may repeat it.
            assert_eq!(frame.code(), REFUSED_STREAM, "{frame:?}");
            refused.push(frame.stream);
        } else if frame.ends_stream() {
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(
        (answered, refused),
        ((0..8).map(|n| 2 * n + 1).collect(), (8..12).map(|n| 2 * n + 1).collect())
    );
    assert_eq!(stage.emulator.counts().started, 8);
}

/// C15: a client that heeds the limit waits, and loses nothing.
#[tokio::test]
async fn who_heeds_the_limit_of_streams_has_every_call_answered() {
    let stage = Arc::new(Stage::open_with(|settings| settings.server.max_streams = 8).await);
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let mut client = stage.inference();
        calls.spawn(async move { client.converse(ask(NOVA, "hello")).await.map(drop) });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}

/// C14: a connection without a call is asked to leave, and cut where it does not.
#[tokio::test]
async fn an_idle_connection_is_closed() {
    let stage = Stage::open_with(|settings| settings.server.idle_timeout = CLOCK).await;
    let mut polite = Raw::open(stage.addr, &[]).await;
    let mut rude = Raw::open(stage.addr, &[]).await;
    let began = Instant::now();
    let leaves = async {
        let farewell = polite.heard_of(GOAWAY).await.unwrap();
        let took = began.elapsed();
        while polite.heard().await.is_some() {}
        (farewell.code(), took)
    };
    let (farewell, ()) = tokio::join!(leaves, rude.from.closed());
    let cut = began.elapsed();
    println!("idle: GOAWAY after {:?} of {CLOCK:?}; cut after {cut:?} where it is not heeded", farewell.1);
    assert!(
        farewell.0 == NO_ERROR && farewell.1 + EARLY >= CLOCK && cut < CLOCK * 2 + LATE,
        "{farewell:?} {cut:?}"
    );
}

/// C14: an answer that is no longer read holds no connection: neither one that is idle, nor one that leaves.
#[tokio::test]
async fn answers_that_nobody_reads_hold_no_connection() {
    let stage = Stage::open_with(|settings| settings.server.idle_timeout = CLOCK).await;
    // Room for a part of the answer; the rest is in the server's buffers, and the call is over for it.
    let mut raw = Raw::open(stage.addr, &[(INITIAL_WINDOW_SIZE, 10)]).await;
    raw.to.say(&call(1, CONVERSE, &[], &framed(&ask(NOVA, "hello")))).await;
    let closed = async { while raw.heard().await.is_some() {} };
    timeout(CLOCK * 4 + LATE, closed).await.expect("it stays open");
    assert_eq!(stage.emulator.counts().finished, 1);
}

/// C14: calls about the time when an idle connection closes are answered, or never leave the client.
#[tokio::test]
async fn calls_about_the_time_of_the_idle_close_are_answered() {
    let idle = Duration::from_millis(40);
    let stage = Stage::open_with(|settings| settings.server.idle_timeout = idle).await;
    let mut answered = 0;
    for _ in 0..40 {
        match stage.inference().converse(ask(NOVA, "hello")).await {
            Ok(_) => answered += 1,
            Err(status) => assert!(is_of_the_client(&status), "{status:?}"),
        }
        sleep(idle.mul_f64(0.8 + 0.6 * fastrand::f64())).await;
    }
    println!("{answered} of 40 calls were answered, the others never sent");
    assert!(answered > 20 && stage.emulator.counts().finished == answered);
}

/// tonic's client does not send again what it still holds when a connection leaves; others do. Every status of the
/// service has details.
fn is_of_the_client(status: &Status) -> bool {
    status.details().is_empty()
}

fn aged(age: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| settings.server.max_connection_age = age
}

/// C14: connections are asked to leave at their age, give or take a tenth; a running stream ends whole.
#[tokio::test]
async fn an_old_connection_takes_no_new_calls_and_ends_its_last() {
    let stage = Stage::open_with(aged(CLOCK)).await;
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(20.0) });
    let long =
        stage.stream(ask_stream(NOVA, "Repeat after me: one two three four five six seven eight nine ten"));
    let ages = futures_util::future::join_all((0..20).map(|_| async {
        let mut raw = Raw::open(stage.addr, &[]).await;
        let began = Instant::now();
        let farewell = raw.heard_of(GOAWAY).await.unwrap();
        assert_eq!(farewell.code(), NO_ERROR);
        began.elapsed()
    }));
    let began = Instant::now();
    let (ending, mut ages) = tokio::join!(long, ages);
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    assert!(began.elapsed() > CLOCK, "the stream was too short for this test");
    ages.sort_unstable();
    println!("ages of {CLOCK:?}: {:?} to {:?}", ages[0], ages[19]);
    assert!(ages[0] >= CLOCK.mul_f64(0.89) && ages[0] < CLOCK + LATE, "{ages:?}");
    assert!(ages[19] - ages[0] > CLOCK.mul_f64(0.02), "all at once: {ages:?}");
    stage.inference().converse(ask(NOVA, "hello")).await.unwrap();
}

/// C14: connections come and go by their age under load, and no call fails that has left the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_when_connections_grow_old() {
    let stage = Stage::open_with(aged(Duration::from_millis(100))).await;
    let end = Instant::now() + Duration::from_secs(2);
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let mut client = stage.inference();
        workers.spawn(async move {
            let (mut answered, mut unsent) = (0, 0);
            while Instant::now() < end {
                match client.converse_stream(ask_stream(NOVA, "hello")).await {
                    Ok(stream) => {
                        let mut stream = stream.into_inner();
                        while stream.message().await.unwrap().is_some() {}
                        answered += 1;
                    }
                    Err(status) => {
                        assert!(is_of_the_client(&status), "{status:?}");
                        unsent += 1;
                    }
                }
            }
            (answered, unsent)
        });
    }
    let (mut answered, mut unsent) = (0, 0);
    while let Some(worker) = workers.join_next().await {
        let of_one = worker.unwrap();
        (answered, unsent) = (answered + of_one.0, unsent + of_one.1);
    }
    println!("{answered} calls over about 20 connections, {unsent} to be sent again");
    let counts = stage.emulator.counts();
    assert_eq!((counts.started, counts.finished), (answered, answered));
}

/// C14: who answers no ping is closed, though a call is open; who answers lives.
#[tokio::test]
async fn who_answers_no_ping_is_closed() {
    let stage = Stage::open_with(|settings| {
        settings.server.keepalive_interval = CLOCK / 2;
        settings.server.keepalive_timeout = CLOCK / 2;
    })
    .await;
    let message = framed(&ask_stream(NOVA, "hello"));
    for _ in 0..2 {
        stage.emulator.script("stall".parse().unwrap());
    }
    let mut dead = Raw::open(stage.addr, &[]).await;
    let mut alive = Raw::open(stage.addr, &[]).await;
    for raw in [&mut dead, &mut alive] {
        raw.to.say(&call(1, CONVERSE_STREAM, &[], &message)).await;
    }
    let began = Instant::now();
    let dies = async {
        let mut pinged = false;
        while let Some(frame) = dead.from.next().await {
            pinged |= frame.kind == PING && frame.flags & ACK == 0;
        }
        (pinged, began.elapsed())
    };
    let (dies, lives) = tokio::join!(dies, timeout(CLOCK * 4, alive.heard()));
    println!("no ping answered: closed after {:?} of {CLOCK:?}", dies.1);
    assert!(dies.0 && dies.1 >= CLOCK - Duration::from_millis(50) && dies.1 < CLOCK + LATE, "{dies:?}");
    assert!(lives.is_err(), "{lives:?}");
    assert!(alive.to.say(&frame(PING, 0, 0, &[0; 8])).await);
}
