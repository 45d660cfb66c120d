//! The service under a mix of faults for a minute, or for as long as `SOAK` says: it breaks no promise, and nothing
//! grows.

mod book;
mod call;
mod caller;
mod pulse;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use bedrock_inference_emulator::{Fault, Mix, Pace};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::apart::Apart;
use caller::{Caller, Soak};
use pulse::{Pulse, Vitals};

/// How long it is without `SOAK`.
const LENGTH: Duration = Duration::from_secs(60);

/// Calls at one time, of which some are read slowly, each on a connection of its own.
const CALLERS: usize = 64;
const SLOW_READERS: usize = 4;

/// Callers on one connection.
const ON_ONE_CONNECTION: usize = 10;

/// The clocks of the service.
const FIRST_CONTENT: Duration = Duration::from_millis(1500);
const IDLE: Duration = Duration::from_secs(1);
const TOTAL: Duration = Duration::from_secs(8);
const SLOW_READER: Duration = Duration::from_secs(2);
const DRAIN: Duration = Duration::from_secs(5);

/// How much later than its clock anything may end.
const LATE: Duration = Duration::from_secs(1);

/// The longest that a call can wait between its attempts: 1 s and 2 s where both were throttled.
const WAITS: Duration = Duration::from_secs(3);

/// Attempts for each call, at the most.
const ATTEMPTS_PER_CALL: f64 = 1.3;

/// Descriptors and threads more or fewer than at the start.
const SPREAD: usize = 5;

/// How long connections may take to go once nobody needs them.
const SOON: Duration = Duration::from_secs(15);

/// Every fault with its share of the calls: 20% in all.
const FAULTS: [(f64, &str); 11] = [
    (0.08, "ThrottlingException"),
    (0.02, "ServiceUnavailableException"),
    (0.02, "InternalServerException"),
    (0.01, "stall"),
    (0.01, "stall@3"),
    (0.01, "cut@1"),
    (0.01, "cut@3"),
    (0.01, "bad-crc@1"),
    (0.01, "bad-crc@4"),
    (0.01, "slow=400"),
    (0.01, "slow=400@3"),
];

/// The length and the seed: those that the environment names, else a minute and any.
fn asked() -> (Duration, u64) {
    let length = std::env::var("SOAK").ok().map(|text| humantime::parse_duration(&text).expect("SOAK=10m"));
    let seed = std::env::var("SOAK_SEED").ok().map(|text| text.parse().expect("SOAK_SEED is a number"));
    (length.unwrap_or(LENGTH), seed.unwrap_or_else(|| fastrand::u64(..)))
}

async fn open(seed: u64) -> Apart {
    let clocks = [
        ("BEDROCK_INFERENCE_TIMEOUTS__FIRST_CONTENT", FIRST_CONTENT),
        ("BEDROCK_INFERENCE_TIMEOUTS__IDLE", IDLE),
        ("BEDROCK_INFERENCE_TIMEOUTS__TOTAL", TOTAL),
        ("BEDROCK_INFERENCE_TIMEOUTS__SLOW_READER", SLOW_READER),
        ("BEDROCK_INFERENCE_TIMEOUTS__DRAIN", DRAIN),
    ]
    .map(|(key, clock)| (key, humantime::format_duration(clock).to_string().replace(' ', "")));
    let mut environment: Vec<_> = clocks.iter().map(|(key, clock)| (*key, clock.as_str())).collect();
    environment.push(("BEDROCK_INFERENCE_ROUTE", "auto"));
    let apart = Apart::open(&environment).await;
    let faults = FAULTS.map(|(share, fault)| (share, fault.parse::<Fault>().unwrap()));
    apart.emulator.set_mix(Mix::new(seed, faults).unwrap());
    let pace = Pace { first_token: Duration::from_millis(200), tokens_per_second: Some(8_000.0) };
    apart.emulator.set_pace(pace);
    apart
}

/// All callers until the end; a broken promise is a panic of its caller.
async fn call_until(end: Instant, seed: u64, soak: &Arc<Soak>) {
    let addr = soak.addr;
    let mut callers = JoinSet::new();
    let mut client = caller::connect(addr);
    for number in 0..CALLERS {
        let slow = number < SLOW_READERS;
        if number % ON_ONE_CONNECTION == SLOW_READERS {
            client = caller::connect(addr);
        }
        let client = if slow { caller::connect_narrowly(addr) } else { client.clone() };
        let caller = Caller::new(seed.wrapping_add(number as u64), client, slow, Arc::clone(soak));
        callers.spawn(caller.call_until(end));
    }
    while let Some(ended) = callers.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// C3, C4, C7, U1, U2, U5, U6, U9, U10, I12: a mix of all of them breaks no promise, and nothing grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_of_faults_breaks_no_promise_and_nothing_grows() {
    let _alone = crate::ALONE.lock().await;
    let (length, seed) = asked();
    println!("SOAK={} SOAK_SEED={seed}", humantime::format_duration(length));
    let Apart { emulator, service } = open(seed).await;
    let process = service.id();
    let before = Vitals::of(process);
    let soak = Arc::new(Soak::new(emulator, service.addr));
    let end = Instant::now() + length;

    let mut pulse = Pulse::new(process, length);
    tokio::join!(call_until(end, seed, &soak), pulse.felt_until(end));

    let soak = Arc::into_inner(soak).expect("every caller has ended");
    let quiet = soak.emulator.wait_for(|counts| counts.open() == 0);
    timeout(DRAIN + LATE, quiet).await.expect("a drain outlives its clock");
    let Soak { emulator, mut book, mut tally, .. } = soak;
    let (book, tally) = (book.get_mut().unwrap(), tally.get_mut().unwrap());
    book.read(&emulator);
    let started = emulator.counts().started;
    emulator.shutdown().await;
    let near = |now: usize, then: usize| now.abs_diff(then) <= SPREAD;
    let calm = |now: &Vitals| near(now.descriptors, before.descriptors) && near(now.threads, before.threads);
    let after = pulse::wait_for(process, SOON, calm).await;
    let (code, said) = service.stop_and_tell("TERM");

    tally.print();
    println!("{before} at the start, {after} at the end; {pulse}");
    assert!(calm(&after), "{before} at the start, {after} at the end");
    pulse.judge();
    tally.judge(book, started);
    let told = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    println!(
        "{} abandoned calls ended, {} were given up",
        told("abandoned call has"),
        told("abandoned call was")
    );
    let panics: Vec<_> = said.iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
    assert_eq!(code, Some(0));
}
