//! Three times as much as fits: as much is answered as before, and the rest is told at once.

use std::time::Duration;

use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::Priority;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::apart::Apart;
use crate::shed::{assert_shed, client, of};
use crate::stage::report;

/// Calls that run at a time.
const CALLS: u32 = 16;

/// How long each takes at the least.
const TAKES: Duration = Duration::from_millis(100);

/// How long it is measured.
const WINDOW: Duration = Duration::from_secs(3);

/// The machine may do something else in one round, and hardly in all; what is wrong in the service shows in each.
const ROUNDS: usize = 5;

/// One call: when it ended, how long it took, and how it ended.
type Outcome = (Instant, Duration, Result<(), Status>);

/// How long the service itself had to do with a call that it turned away.
fn own_time(status: &Status) -> Duration {
    let total = report(status).timings.and_then(|timings| timings.total).unwrap();
    Duration::try_from(total).unwrap()
}

async fn outcome(channel: Channel) -> Outcome {
    let began = Instant::now();
    let answer = client(&channel).converse(of(Priority::Interactive)).await;
    (Instant::now(), began.elapsed(), answer.map(drop))
}

/// Answers a second until `end`.
fn goodput(outcomes: &[Outcome], end: Instant) -> f64 {
    let good = outcomes.iter().filter(|(ended, _, answer)| answer.is_ok() && *ended <= end).count();
    good as f64 / WINDOW.as_secs_f64()
}

/// So many callers, each of whom calls again when it is answered.
async fn closed_loop(channel: &Channel, callers: u32) -> f64 {
    let end = Instant::now() + WINDOW;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let channel = channel.clone();
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            while Instant::now() < end {
                outcomes.push(outcome(channel.clone()).await);
            }
            outcomes
        });
    }
    let outcomes = tasks.join_all().await.concat();
    assert!(outcomes.iter().all(|(_, _, answer)| answer.is_ok()));
    goodput(&outcomes, end)
}

/// So many calls a second, whatever becomes of them.
async fn open_loop(channels: &[Channel], a_second: f64) -> (f64, Vec<Outcome>) {
    let end = Instant::now() + WINDOW;
    let mut tick = interval(Duration::from_secs_f64(1.0 / a_second));
    let mut calls = JoinSet::new();
    for channel in channels.iter().cycle() {
        tick.tick().await;
        if Instant::now() >= end {
            break;
        }
        calls.spawn(outcome(channel.clone()));
    }
    let outcomes = calls.join_all().await;
    (goodput(&outcomes, end), outcomes)
}

/// How long the health service takes to answer, again and again until `end`.
async fn health(channel: Channel, end: Instant) -> Vec<Duration> {
    let mut client = HealthClient::new(channel);
    let mut took = Vec::new();
    while Instant::now() < end {
        let next = Instant::now() + Duration::from_millis(20);
        let began = Instant::now();
        client.check(HealthCheckRequest::default()).await.unwrap();
        took.push(began.elapsed());
        sleep_until(next).await;
    }
    took
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// What one round has measured.
struct Round {
    peak: f64,
    good: f64,
    own_p99: Duration,
    took_p99: Duration,
    health_p99: Duration,
}

impl Round {
    /// At the goal of 5 ms callers of a quiet machine are; these share its cores with the service and its upstream.
    fn is_good(&self) -> bool {
        self.good >= 0.9 * self.peak
            && self.own_p99 < Duration::from_millis(5)
            && self.took_p99 < Duration::from_millis(50)
            && self.health_p99 < Duration::from_millis(100)
    }
}

/// The most that can be answered, and what is when three times as much comes.
async fn round(apart: &Apart) -> Round {
    let channels = [apart.channel().await, apart.channel().await];
    let probe = apart.channel().await;
    let peak = closed_loop(&channels[0], CALLS).await;
    let before = apart.emulator.counts().started;
    let ((good, outcomes), mut healthy) =
        tokio::join!(open_loop(&channels, peak * 3.0), health(probe, Instant::now() + WINDOW));
    let answered = outcomes.iter().filter(|(_, _, answer)| answer.is_ok()).count();
    let shed = outcomes.iter().filter_map(|(_, took, answer)| Some((*took, answer.as_ref().err()?)));
    let noted = shed.map(|(took, status)| {
        assert_shed(status);
        (took, own_time(status))
    });
    let (mut took, mut own): (Vec<_>, Vec<_>) = noted.unzip();
    let (took_p99, own_p99, health_p99) = (p99(&mut took), p99(&mut own), p99(&mut healthy));
    println!(
        "peak {peak:.0}/s; offered {:.0}/s: {good:.0}/s answered ({:.0} %), {} turned away; p99 of their time in the \
         service {own_p99:?}, for their callers {took_p99:?} (median {:?}); p99 of health {health_p99:?}",
        outcomes.len() as f64 / WINDOW.as_secs_f64(),
        good / peak * 100.0,
        took.len(),
        took[took.len() / 2],
    );
    assert_eq!(apart.emulator.counts().started - before, u64::try_from(answered).unwrap());
    assert!(took.len() > answered, "it was not too much");
    Round { peak, good, own_p99, took_p99, health_p99 }
}

/// C15: three times as many calls as can be answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_times_as_much_as_fits_lowers_nothing() {
    let _alone = crate::ALONE.lock().await;
    let apart = Apart::open(&[
        ("BEDROCK_INFERENCE_ADMISSION__CALLS", "16"),
        ("BEDROCK_INFERENCE_ADMISSION__QUEUE", "16"),
    ])
    .await;
    apart.emulator.set_pace(Pace { first_token: TAKES, tokens_per_second: None });
    for _ in 0..ROUNDS {
        if round(&apart).await.is_good() {
            return;
        }
    }
    panic!("no round of {ROUNDS} was good");
}
