//! Three regions, of which one dies and one throttles: callers hardly notice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bedrock_inference_emulator::Mix;
use bedrock_inference_proto::v1::CallReport;
use futures_util::{StreamExt, stream};
use tonic::Status;

use crate::stage::{NOVA, Stage, ask, ask_stream, reason, report};
use crate::world::{EAST, NORTH, WEST, World, alias};

const CALLS: u64 = 10_000;

/// Of the calls, those that may fail: 0.1%.
const MAY_FAIL: usize = 10;

/// At one time.
const CALLERS: usize = 16;

/// How one call went.
struct Went {
    report: CallReport,
    /// Messages with content that its caller had.
    told: usize,
    failed: Option<Status>,
}

async fn call(stage: &Stage, number: u64) -> Went {
    if number.is_multiple_of(2) {
        return match stage.inference().converse(ask("spread", "hello")).await {
            Ok(answer) => Went { report: answer.into_inner().call.unwrap(), told: 1, failed: None },
            Err(status) => Went { report: report(&status), told: 0, failed: Some(status) },
        };
    }
    let ending = stage.stream(ask_stream("spread", "hello")).await;
    let told = ending.events.len();
    match ending.reports().first() {
        Some(report) => Went { report: (*report).clone(), told, failed: None },
        None => Went { report: report(&ending.status), told, failed: Some(ending.status) },
    }
}

/// U13, U2: at least 99.9% of the calls succeed, nothing is repeated behind its first content, and every attempt is
/// told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dying_and_a_throttling_region_are_hardly_noticed() {
    let mut world = World::open(|settings| {
        let spread = alias(NOVA, &[(EAST, Some(1)), (WEST, Some(1)), (NORTH, Some(1))]);
        settings.aliases.insert("spread".to_owned(), spread);
    })
    .await;
    world.region(WEST).set_mix(Mix::new(1, [(0.3, "ThrottlingException".parse().unwrap())]).unwrap());
    let began = Instant::now();
    let number = AtomicU64::new(0);
    let mut calls = Vec::new();
    for (part, dies) in [(CALLS / 3, false), (CALLS - CALLS / 3, true)] {
        let stage = &world.stage;
        let mut running = stream::iter(0..part)
            .map(|_| call(stage, number.fetch_add(1, Ordering::Relaxed)))
            .buffer_unordered(CALLERS);
        let dying = async {
            if dies {
                world.regions.take_down(NORTH).await.unwrap();
            }
        };
        let asked = async {
            while let Some(went) = running.next().await {
                calls.push(went);
            }
        };
        tokio::join!(asked, dying);
    }

    let failed: Vec<_> = calls.iter().filter_map(|went| went.failed.as_ref()).map(reason).collect();
    let attempts: usize = calls.iter().map(|went| went.report.attempts.len()).sum();
    let at = |region: &str| {
        let rows = calls.iter().flat_map(|went| &went.report.attempts).filter(|row| row.region == region);
        u64::try_from(rows.count()).unwrap()
    };
    println!(
        "{} calls in {:?}, {} failed {failed:?}, {attempts} attempts: {} {} {}",
        calls.len(),
        began.elapsed(),
        failed.len(),
        at(EAST),
        at(WEST),
        at(NORTH)
    );
    assert_eq!(calls.len(), usize::try_from(CALLS).unwrap());
    assert!(failed.len() <= MAY_FAIL, "{failed:?}");
    for went in &calls {
        let good = went.report.attempts.iter().filter(|row| row.outcome == "OK").count();
        let last = went.report.attempts.last().map(|row| row.outcome.as_str());
        match went.failed {
            None => assert_eq!((good, last), (1, Some("OK")), "{:?}", went.report.attempts),
            // Whoever had content had it from one attempt, the last one.
            Some(_) if went.told > 0 => assert_eq!(good, 0, "{:?}", went.report.attempts),
            Some(_) => {}
        }
    }
    for region in [EAST, WEST] {
        assert_eq!(world.region(region).counts().started, at(region), "{region}");
    }
}
