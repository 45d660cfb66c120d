//! Shutdown: running calls end whole, nothing new begins, and nobody holds it beyond the grace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bedrock_inference::app::AppError;
use bedrock_inference::config::{RouteSetting, Settings};
use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::ConverseStreamResponse;
use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::apart::Apart;
use crate::stage::{CLAUDE, Stage, ask, ask_stream, failure, reason, report};

/// Far longer than anything here takes, unless it waits for the grace.
const SOON: Duration = Duration::from_secs(10);

/// Longer than any test waits.
const LONG_GRACE: Duration = Duration::from_secs(120);

const SHORT_GRACE: Duration = Duration::from_millis(1500);

fn grace(grace: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.route = RouteSetting::Converse;
        settings.server.shutdown_grace = grace;
    }
}

async fn speaking(tokens_per_second: f64) -> Stage {
    let stage = Stage::open_with(grace(LONG_GRACE)).await;
    stage.emulator.set_pace(Pace { first_token: Duration::ZERO, tokens_per_second: Some(tokens_per_second) });
    stage
}

async fn ended(service: JoinHandle<Result<(), AppError>>, limit: Duration) {
    timeout(limit, service).await.expect("the service runs on").unwrap().unwrap();
}

/// Resolves once nobody listens any more.
async fn refused(addr: SocketAddr) {
    let refusal = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refusal).await.expect("connections are still accepted");
}

/// I13.
#[tokio::test]
async fn a_running_stream_ends_whole_and_nothing_new_begins() {
    let stage = speaking(30.0).await;
    let stream = stage.inference().converse_stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
    let mut stream = stream.unwrap().into_inner();
    let mut events = vec![stream.message().await.unwrap().unwrap().event.unwrap()];
    stage.shutdown.cancel();
    refused(stage.addr).await;
    assert_eq!(stage.emulator.counts().finished, 0, "the stream was too short for this test");
    stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap_err();
    while let Some(message) = stream.message().await.unwrap() {
        events.push(message.event.unwrap());
    }
    let names: Vec<_> = events.iter().map(crate::stage::name).collect();
    assert_eq!(names[names.len() - 3..], ["messageStop", "metadata", "call"]);
    let Some(Event::Call(report)) = events.last() else { panic!() };
    assert_eq!(report.attempts[0].outcome, "OK");
    ended(stage.service, SOON).await;
    assert_eq!(stage.emulator.counts().started, 1);
}

#[tokio::test]
async fn a_running_unary_call_is_answered() {
    let stage = speaking(30.0).await;
    let mut client = stage.inference();
    let call = tokio::spawn(async move { client.converse(ask(CLAUDE, "Write a haiku about rivers.")).await });
    stage.emulator.wait_for(|counts| counts.started == 1).await;
    stage.shutdown.cancel();
    let answer = call.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.stop_reason.as_deref(), Some("end_turn"));
    ended(stage.service, SOON).await;
}

/// I13: what does not end within the grace.
#[tokio::test]
async fn a_hanging_call_is_given_up_after_the_grace_and_told_so() {
    for (fault, opened, code) in [("stall", false, Code::Aborted), ("stall@3", true, Code::Aborted)] {
        let stage = Arc::new(Stage::open_with(grace(SHORT_GRACE)).await);
        stage.emulator.script(fault.parse().unwrap());
        let asking = Arc::clone(&stage);
        let call = tokio::spawn(async move { asking.stream(ask_stream(CLAUDE, "Write a haiku.")).await });
        stage.emulator.wait_for(|counts| counts.started == 1).await;
        let began = Instant::now();
        stage.shutdown.cancel();
        let ending = timeout(SOON, call).await.expect("the call hangs on").unwrap();
        assert_eq!((ending.opened, ending.code()), (opened, code), "{fault}: {:?}", ending.status);
        assert_eq!(reason(&ending.status), "SERVER_SHUTTING_DOWN", "{fault}");
        assert_eq!(report(&ending.status).attempts[0].outcome, "CANCELLED", "{fault}");
        ended(Arc::into_inner(stage).unwrap().service, SOON).await;
        let took = began.elapsed();
        assert!(took >= SHORT_GRACE, "{fault}: it was given up after {took:?}");
        assert!(took < SHORT_GRACE * 2, "{fault}: it took {took:?}: the grace counts once");
    }
}

/// I13: paid work of callers who have gone.
#[tokio::test]
async fn an_abandoned_call_is_drained_before_the_service_ends() {
    let stage = speaking(30.0).await;
    let stream = stage.inference().converse_stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
    let mut stream = stream.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    stage.shutdown.cancel();
    ended(stage.service, SOON).await;
    let counts = stage.emulator.counts();
    assert_eq!((counts.finished, counts.aborted), (1, 0));
}

#[tokio::test]
async fn an_abandoned_call_that_hangs_is_given_up_after_the_grace() {
    let stage = Stage::open_with(grace(SHORT_GRACE)).await;
    stage.emulator.script("stall@3".parse().unwrap());
    let stream = stage.inference().converse_stream(ask_stream(CLAUDE, "Write a haiku.")).await;
    let mut stream = stream.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    let began = Instant::now();
    stage.shutdown.cancel();
    ended(stage.service, SOON).await;
    let took = began.elapsed();
    assert!(took >= SHORT_GRACE && took < SHORT_GRACE * 2, "it took {took:?}");
}

/// I13: those who send calls hear of it before they are refused.
#[tokio::test]
async fn new_calls_are_served_until_the_delay_has_passed() {
    let delay = Duration::from_millis(700);
    let stage = Stage::open_with(|settings| {
        grace(LONG_GRACE)(settings);
        settings.server.shutdown_delay = delay;
    })
    .await;
    let mut health = HealthClient::new(stage.channel.clone());
    let watch = HealthCheckRequest { service: String::new() };
    let mut watch = health.watch(watch).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let began = Instant::now();
    stage.shutdown.cancel();
    let heard = watch.message().await.unwrap().unwrap();
    assert_eq!(heard.status(), ServingStatus::NotServing);
    let channel = Endpoint::from_shared(format!("http://{}", stage.addr)).unwrap().connect().await.unwrap();
    InferenceClient::new(channel).converse(ask(CLAUDE, "hello")).await.unwrap();
    assert!(began.elapsed() < delay, "the machine was too busy for this test");
    refused(stage.addr).await;
    assert!(began.elapsed() >= delay, "the listener was closed after {:?}", began.elapsed());
    ended(stage.service, SOON).await;
}

/// I13: who interrupts again has running calls given up, with their status.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let apart = Apart::open(&[("BEDROCK_INFERENCE_SERVER__SHUTDOWN_DELAY", "60s")]).await;
    apart.emulator.script("stall@3".parse().unwrap());
    let mut client = InferenceClient::new(apart.channel().await);
    let stream = client.converse_stream(ask_stream(CLAUDE, "Write a haiku.")).await.unwrap();
    apart.service.signal("TERM");
    apart.service.says("stopping: ");
    let began = Instant::now();
    let stopped = spawn_blocking(move || apart.service.stop("TERM"));
    let status = timeout(SOON, failure(stream, "given up")).await.expect("nobody gave it up");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "SERVER_SHUTTING_DOWN"));
    assert_eq!(stopped.await.unwrap(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

/// A stream of a hundred: how long it lasts, and when it began.
struct Speaker {
    lasts: Duration,
    began: Instant,
    messages: Streaming<ConverseStreamResponse>,
}

/// I13: a hundred streams of different lengths, a tenth of them left by their callers, and SIGTERM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_streams_none_is_lost_that_is_shorter_than_the_grace() {
    const GRACE: Duration = Duration::from_secs(3);
    /// By how much a busy machine may be late.
    const SLACK: Duration = Duration::from_millis(500);
    let apart = Apart::open(&[("BEDROCK_INFERENCE_SERVER__SHUTDOWN_GRACE", "3s")]).await;
    let mut client = InferenceClient::new(apart.channel().await);
    let request = || ask_stream(CLAUDE, "Write a haiku about rivers.");
    let tokens = client.converse(ask(CLAUDE, "Write a haiku about rivers.")).await.unwrap().into_inner();
    let tokens = f64::from(tokens.usage.unwrap().output_tokens.unwrap());
    let mut speakers = Vec::new();
    for index in 0..100 {
        let lasts = Duration::from_millis(1500 + 60 * index);
        let pace =
            Pace { first_token: Duration::ZERO, tokens_per_second: Some(tokens / lasts.as_secs_f64()) };
        apart.emulator.set_pace(pace);
        let (began, messages) =
            (Instant::now(), client.converse_stream(request()).await.unwrap().into_inner());
        speakers.push(Speaker { lasts, began, messages });
    }
    // The callers of the shortest leave: what they began is drained.
    let left = speakers.drain(..10).map(|speaker| drop(speaker.messages)).count();
    let (stopping, emulator) = (Instant::now(), apart.emulator);
    let stopped = spawn_blocking(move || apart.service.stop_and_tell("TERM"));
    let ends = speakers.into_iter().map(|Speaker { lasts, began, mut messages }| async move {
        let ended = loop {
            match messages.message().await {
                Ok(Some(ConverseStreamResponse { event: Some(Event::Call(_)) })) => break Ok(()),
                Ok(message) => assert!(message.is_some(), "an end without a report"),
                Err(status) => break Err(status),
            }
        };
        (began + lasts, ended)
    });
    let ends = timeout(SOON, join_all(ends)).await.expect("a stream is open still");
    let (code, told) = stopped.await.unwrap();
    let took = stopping.elapsed();
    let (mut whole, mut given_up) = (0, 0);
    for (end, ended) in ends {
        let Err(status) = ended else {
            whole += 1;
            continue;
        };
        given_up += 1;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "SERVER_SHUTTING_DOWN"));
        assert!(end + SLACK > stopping + GRACE, "one was lost that would have ended in time");
    }
    let counts = emulator.counts();
    println!(
        "90 streams: {whole} whole, {given_up} given up; {left} left before: {counts:?}; exit after {took:?}, {}",
        told.iter().rfind(|line| line.contains("the service has ended")).unwrap()
    );
    assert_eq!(code, Some(0));
    assert!(whole >= 10 && given_up >= 10, "{whole} whole, {given_up} given up");
    assert!(took >= GRACE && took < GRACE + Duration::from_secs(1) + SLACK, "it took {took:?}");
    assert_eq!(
        (counts.started, counts.finished),
        (101, u64::try_from(1 + left + whole).unwrap()),
        "a drain was lost"
    );
}

#[tokio::test]
async fn an_idle_http2_connection_does_not_hold_the_shutdown() {
    let stage = Stage::open_with(grace(LONG_GRACE)).await;
    stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap();
    stage.shutdown.cancel();
    ended(stage.service, SOON).await;
}

#[tokio::test]
async fn an_idle_http1_connection_does_not_hold_the_shutdown() {
    let stage = Stage::open_with(grace(LONG_GRACE)).await;
    let http: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{}/grpc.health.v1.Health/Check", stage.addr);
    let request = http::Request::post(uri)
        .header("content-type", "application/grpc-web+proto")
        .body(Full::new(Bytes::from_static(&[0; 5])))
        .unwrap();
    let response = http.request(request).await.unwrap();
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    stage.shutdown.cancel();
    ended(stage.service, SOON).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_the_shutdown() {
    let stage = Stage::open_with(grace(LONG_GRACE)).await;
    let _silent = TcpStream::connect(stage.addr).await.unwrap();
    // Connections are accepted in order: when a later one is answered, this one has been taken.
    let mut later = TcpStream::connect(stage.addr).await.unwrap();
    later.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    later.read_to_end(&mut Vec::new()).await.unwrap();
    stage.shutdown.cancel();
    ended(stage.service, SOON).await;
}
