//! Readers who stop reading hold little and only for a while; others do not notice them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bedrock_inference::config::{RouteSetting, Settings};
use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{CallOptions, ConverseStreamRequest, OnDisconnect};
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;
use tonic_types::StatusExt;

use crate::apart::{Apart, Caller, MIB};
use crate::raw_http2::{DATA, INITIAL_WINDOW_SIZE, Raw, call, window_update};
use crate::stage::{NOVA, Stage, answer_of, ask, ask_stream, reason};
use crate::the_edge_speaks_grpc::raw::{CONVERSE, CONVERSE_STREAM, framed};

/// What a slow reader lets come of each stream.
const WINDOW: u32 = 4096;

/// Far longer than anything takes.
const SOON: Duration = Duration::from_secs(20);

/// Bytes of one delta.
const DELTA: usize = 2048;

/// A stream of so many deltas.
pub fn deltas(many: usize) -> Fault {
    let event = |name: &str, payload: Value| (name.to_owned(), payload);
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": "x".repeat(DELTA)}});
    let usage = json!({"inputTokens": 1, "outputTokens": 1, "totalTokens": 2});
    let mut events = vec![event("messageStart", json!({"role": "assistant"}))];
    events.extend(std::iter::repeat_n(event("contentBlockDelta", delta), many));
    events.push(event("contentBlockStop", json!({"contentBlockIndex": 0})));
    events.push(event("messageStop", json!({"stopReason": "end_turn"})));
    events.push(event("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}})));
    Fault::Events(events)
}

/// A request for a stream, under this policy.
fn request(policy: OnDisconnect) -> Bytes {
    let options = CallOptions { on_disconnect: policy.into(), ..CallOptions::default() };
    framed(&ConverseStreamRequest { options: Some(options), ..ask_stream(NOVA, "hello") })
}

/// A connection with so many calls, whose windows are full and stay so.
async fn stuck(addr: SocketAddr, calls: u32, ask: impl Fn(u32) -> Vec<u8>) -> Raw {
    let mut raw = Raw::open(addr, &[(INITIAL_WINDOW_SIZE, WINDOW)]).await;
    raw.to.say(&window_update(0, 1 << 24)).await;
    for n in 0..calls {
        raw.to.say(&ask(2 * n + 1)).await;
    }
    let mut left = u64::from(WINDOW) * u64::from(calls);
    while left > 0 {
        let frame = raw.heard().await.expect("cut before it was stuck");
        assert!(!frame.ends_stream(), "{frame:?}");
        if frame.kind == DATA {
            left -= u64::try_from(frame.payload.len()).unwrap();
        }
    }
    raw
}

/// The same with streams.
async fn stuck_streams(addr: SocketAddr, streams: u32) -> Raw {
    let message = request(OnDisconnect::Drain);
    stuck(addr, streams, |stream| call(stream, CONVERSE_STREAM, &[], &message)).await
}

/// C1: 200 streams whose readers are stuck: some memory, and nobody else waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_stuck_readers_cost_little() {
    const CONNECTIONS: [u32; 10] = [15, 15, 15, 15, 15, 15, 15, 15, 40, 40];
    const PAIRS: usize = 40;
    const GROWTH: u64 = 100 * MIB;
    let apart = Apart::open(&[]).await;
    let (mut before, mut grown, mut ratios) = (0, 0, Vec::new());
    for _ in 0..3 {
        let caller = Caller::start(apart.channel().await);
        drop(caller.luck_of(PAIRS / 4).await);
        let mut quiet = caller.luck_of(PAIRS).await;
        // What is scripted must be for the readers.
        let rest = caller.stop().await;
        assert!(quiet.failures.is_empty() && rest.failures.is_empty());
        before = if before == 0 { apart.resident() } else { before };
        for _ in 0..CONNECTIONS.iter().sum() {
            apart.emulator.script(deltas(120));
        }
        let readers = join_all(CONNECTIONS.map(|streams| stuck_streams(apart.addr(), streams))).await;
        let caller = Caller::start(apart.channel().await);
        drop(caller.luck_of(PAIRS / 4).await);
        let mut loud = caller.luck_of(PAIRS).await;
        grown = grown.max(apart.resident().saturating_sub(before));
        let rest = caller.stop().await;
        assert!(loud.failures.is_empty() && rest.failures.is_empty());
        ratios.push(loud.p99().as_secs_f64() / quiet.p99().as_secs_f64());
        drop(readers);
        timeout(SOON, apart.emulator.wait_for(|counts| counts.open() == 0)).await.expect("not drained");
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "200 stuck readers: memory +{:.1} MiB; others' p99 {ratios:.2?} times the quiet one",
        grown as f64 / MIB as f64
    );
    assert!(grown < GROWTH, "memory grew by {grown} bytes");
    assert!(ratios[1] < 4.0, "others waited: {ratios:?}");
    assert_eq!(apart.emulator.counts().aborted, 0);
    assert_eq!(apart.service.stop("TERM"), Some(0));
}

fn hasty(slow_reader: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.route = RouteSetting::Converse;
        settings.timeouts.slow_reader = slow_reader;
    }
}

/// Shuts down; nothing may hold it.
async fn nothing_flies(stage: Stage) {
    let Stage { shutdown, service, channel, .. } = stage;
    drop(channel);
    shutdown.cancel();
    timeout(SOON, service).await.expect("something still flies").unwrap().unwrap();
}

/// C1: their calls are given up and drained; their connections are closed, at once where there are many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_readers_are_given_up_and_their_connections_closed() {
    let slow = Duration::from_millis(300);
    let stage = Stage::open_with(hasty(slow)).await;
    for _ in 0..30 {
        stage.emulator.script(deltas(400));
    }
    let closed = async |streams| {
        let mut raw = stuck_streams(stage.addr, streams).await;
        let began = Instant::now();
        raw.from.closed().await;
        began.elapsed()
    };
    let (many, few) = tokio::join!(closed(20), closed(10));
    timeout(SOON, stage.emulator.wait_for(|counts| counts.finished == 30)).await.expect("not drained");
    println!(
        "connections of stuck streams, {slow:?} being slow: 20 streams closed after {many:?}, 10 after {few:?}"
    );
    assert!(many < slow * 6 && few >= slow * 6, "{many:?} {few:?}");
    assert_eq!(stage.emulator.counts().aborted, 0);
    nothing_flies(stage).await;
}

/// C1: a reader who wakes up too late reads what was kept for it, and why there is no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_up_too_late_reads_a_prefix_and_why() {
    let slow = Duration::from_millis(300);
    let stage = Stage::open_with(hasty(slow)).await;
    // More than the sockets between the service and its upstream hold: the drain must read the rest.
    stage.emulator.script(deltas(5_000));
    let endpoint = Endpoint::from_shared(format!("http://{}", stage.addr)).unwrap();
    let channel = endpoint.initial_stream_window_size(WINDOW).connect().await.unwrap();
    let mut client = InferenceClient::new(channel);
    let mut stream = client.converse_stream(ask_stream(NOVA, "hello")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    timeout(SOON, stage.emulator.wait_for(|counts| counts.finished == 1)).await.expect("not drained");
    let mut seen = 1;
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => seen += 1,
            Ok(None) => panic!("ended OK after {seen}"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status), "CLIENT_TOO_SLOW", "{status:?}");
    let details = status.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!((metadata["partial"].as_str(), &metadata["events_sent"]), ("true", &seen.to_string()));
    assert!((10..200).contains(&seen), "{seen} were kept");
    drop(stream);
    drop(client);
    nothing_flies(stage).await;
}

/// C7: a deadline is kept while the window is shut and nobody asks for the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_passes_while_the_reader_is_stuck() {
    const DEADLINE: Duration = Duration::from_millis(800);
    const HEADER: (&str, &str) = ("grpc-timeout", "800m");
    let stage = Stage::open_with(hasty(SOON)).await;
    let mut late = Vec::new();
    for policy in [OnDisconnect::Cancel, OnDisconnect::Cancel, OnDisconnect::Cancel, OnDisconnect::Drain] {
        stage.emulator.reset_calls();
        stage.emulator.script(deltas(5_000));
        let message = request(policy);
        let began = Instant::now();
        let reader = stuck(stage.addr, 1, |stream| call(stream, CONVERSE_STREAM, &[HEADER], &message)).await;
        assert_eq!(stage.emulator.counts().open(), 1, "the answer was too short for this test");
        let ended = stage.emulator.wait_for(|counts| counts.open() == 0);
        timeout(SOON, ended).await.expect("the upstream goes on");
        let counts = stage.emulator.counts();
        assert_eq!(
            (counts.aborted, counts.finished),
            if policy == OnDisconnect::Cancel { (1, 0) } else { (0, 1) }
        );
        assert!(began.elapsed() >= DEADLINE - Duration::from_millis(20), "after {:?}", began.elapsed());
        late.push(began.elapsed().saturating_sub(DEADLINE));
        drop(reader);
    }
    println!(
        "the upstream was left {:?} behind the deadline, and drained {:?} behind it",
        &late[..3],
        late[3]
    );
    assert!(late[..3].iter().min().unwrap() < &Duration::from_millis(50), "{late:?}");
    nothing_flies(stage).await;
}

/// C1: large unary answers that nobody reads are held once, and for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_that_nobody_reads_are_let_go() {
    const CALLS: u32 = 4;
    const ANSWER: usize = 8 << 20;
    let apart = Apart::open(&[("BEDROCK_INFERENCE_TIMEOUTS__SLOW_READER", "300ms")]).await;
    let mut client = InferenceClient::new(apart.channel().await).max_decoding_message_size(64 << 20);
    apart.emulator.script(answer_of(ANSWER));
    client.converse(ask(NOVA, "hello")).await.unwrap();
    let before = apart.resident();
    for _ in 0..CALLS {
        apart.emulator.script(answer_of(ANSWER));
    }
    let message = framed(&ask(NOVA, "hello"));
    let mut raw = stuck(apart.addr(), CALLS, |stream| call(stream, CONVERSE, &[], &message)).await;
    let (began, held) = (Instant::now(), apart.resident().saturating_sub(before));
    timeout(SOON, async { while raw.heard().await.is_some() {} }).await.expect("it stays open");
    let closed = began.elapsed();
    println!(
        "{CALLS} answers of 8 MiB that nobody reads: memory +{:.1} MiB, closed after {closed:?}",
        held as f64 / MIB as f64
    );
    // Each is there as AWS's JSON, as a message and as its bytes for a moment; the allocator keeps some of it.
    assert!(held < 5 * u64::from(CALLS) * 8 * MIB, "{held} bytes");
    assert_eq!(apart.service.stop("TERM"), Some(0));
}

/// How long a large unary answer takes; a measurement, for a machine that does nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a promise: run it alone and in release"]
async fn a_large_answer_is_not_slowed_down_by_its_pieces() {
    const ANSWER: usize = 16 << 20;
    let stage = Stage::open_with(hasty(SOON)).await;
    for windows in [65_535, 1 << 20, 16 << 20] {
        let endpoint = Endpoint::from_shared(format!("http://{}", stage.addr)).unwrap();
        let endpoint = endpoint.initial_stream_window_size(windows).initial_connection_window_size(windows);
        let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
        let mut client = InferenceClient::new(channel).max_decoding_message_size(64 << 20);
        let mut took = Vec::new();
        for _ in 0..9 {
            stage.emulator.script(answer_of(ANSWER));
            let began = Instant::now();
            client.converse(ask(NOVA, "hello")).await.unwrap();
            took.push(began.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        took.sort_unstable();
        println!("16 MiB with windows of {windows}: {:?} to {:?}, median {:?}", took[0], took[8], took[4]);
    }
}
