//! Connections: small frames leave at once, and a listener that others can reach needs the operator's word.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bedrock_inference::app::{self, AppError, Orders};
use bedrock_inference::config::{Settings, UpstreamKind};
use bedrock_inference::upstream;
use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::stage::{NOVA, Stage, ask_stream};

/// What Nagle's algorithm and delayed acknowledgements add to a stream where nobody turns them off.
const STALL: Duration = Duration::from_millis(40);

#[tokio::test]
async fn streams_do_not_wait_for_delayed_acknowledgements() {
    let stage = Stage::open().await;
    let mut took = Vec::new();
    for _ in 0..40 {
        let began = Instant::now();
        let ending = stage.stream(ask_stream(NOVA, "Repeat after me: one two three")).await;
        assert_eq!(ending.code(), Code::Ok);
        took.push(began.elapsed());
    }
    // The stall would be there nearly every time; a busy machine spares some.
    took.sort();
    let quick = took[took.len() / 4];
    assert!(quick < STALL * 3 / 4, "a quarter of the streams took up to {quick:?}, all of them {took:?}");
}

async fn run_on_every_address(insecure: bool) -> (SocketAddr, Emulator, CancellationToken, Running) {
    let emulator = Emulator::start(EmulatorSettings::default()).await.unwrap();
    let settings = Settings { upstream: UpstreamKind::Emulator, insecure, ..Settings::default() };
    let started = upstream::start_on_emulator(&emulator.url(), &settings.aws, &settings.timeouts).unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(app::run(Orders::fixed(settings, shutdown.clone()), started, listener));
    (addr, emulator, shutdown, service)
}

type Running = tokio::task::JoinHandle<Result<(), AppError>>;

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    let (_, _emulator, _, service) = run_on_every_address(false).await;
    match service.await.unwrap() {
        Err(AppError::Config(why)) => assert!(why.contains("--insecure"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listener_that_others_can_reach_serves_where_the_operator_insists() {
    let (addr, _emulator, shutdown, service) = run_on_every_address(true).await;
    let here = SocketAddr::from(([127, 0, 0, 1], addr.port()));
    app::wait_until_ready(here, Duration::from_secs(10)).await.unwrap();
    shutdown.cancel();
    service.await.unwrap().unwrap();
}
