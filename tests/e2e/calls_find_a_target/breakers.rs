//! Targets that fail are left alone for a while.

use std::time::{Duration, Instant};

use bedrock_inference::config::UnknownModels;
use bedrock_inference_emulator::{Mix, Pace};
use bedrock_inference_proto::v1::{CallOptions, OnDisconnect};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tonic::Code;

use super::{ALIAS, call, rows};
use crate::stage::{NOVA, ask, reason, report, told};
use crate::world::{EAST, NORTH, WEST, World, alias, everywhere};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

fn always(fault: &str) -> Mix {
    Mix::new(1, [(1.0, fault.parse().unwrap())]).unwrap()
}

/// U13: calls go by a region that is down, and come back once it is up.
#[tokio::test]
async fn a_region_that_is_down_is_passed_over() {
    let mut world = World::open(|settings| {
        settings.breaker.open = Duration::from_millis(300);
        settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA));
    })
    .await;
    call(&world, ask(ALIAS, "hello")).await;
    world.regions.take_down(EAST).await.unwrap();
    let (mut tried, mut passed) = (0, 0);
    for _ in 0..60 {
        let (report, status) = call(&world, ask(ALIAS, "hello")).await;
        assert!(status.is_none(), "{status:?}");
        match rows(&report)[..] {
            [(EAST, "UPSTREAM_UNREACHABLE" | "UPSTREAM_CONNECTION_LOST"), (WEST, "OK")] => tried += 1,
            [(WEST, "OK")] => passed += 1,
            ref rows => panic!("{rows:?}"),
        }
    }
    assert!(tried >= 19 && passed > tried, "{tried} tried, {passed} passed");
    world.regions.put_up(EAST).await.unwrap();
    let back = async { while call(&world, ask(ALIAS, "hello")).await.0.region != EAST {} };
    timeout(SOON, back).await.expect("it is still passed over");
}

/// U13: with every breaker open nothing is called, and the caller hears when to come again.
#[tokio::test]
async fn with_nowhere_to_go_calls_end_at_once() {
    let world = World::open(|settings| {
        settings.retry.attempts = 1;
        settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA));
    })
    .await;
    for region in [EAST, WEST, NORTH] {
        world.region(region).set_mix(always("ServiceUnavailableException"));
    }
    let refused = async {
        loop {
            let status = call(&world, ask(ALIAS, "hello")).await.1.unwrap();
            if reason(&status) == "NO_REGION_AVAILABLE" {
                return status;
            }
            assert_eq!(reason(&status), "UPSTREAM_UNAVAILABLE");
        }
    };
    let status = timeout(SOON, refused).await.expect("the breakers stay closed");
    assert_eq!((status.code(), told(&status, "billed").as_str()), (Code::Unavailable, "none"));
    let wait: u64 =
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((5_000..=15_000).contains(&wait), "{wait}");
    assert!(report(&status).attempts.is_empty());
    let before = world.started();
    for _ in 0..50 {
        call(&world, ask(ALIAS, "hello")).await;
    }
    assert_eq!(world.started(), before);
}

/// U2: a storm of throttling is told as such, hardly adds calls, and is over soon after it is over.
#[tokio::test]
async fn a_throttle_storm_is_sat_out() {
    const CALLS: u64 = 2_000;
    let world =
        World::open(|settings| drop(settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA)))).await;
    for region in [EAST, WEST, NORTH] {
        world.region(region).set_mix(always("ThrottlingException"));
    }
    let calls = stream::iter(0..CALLS).map(|_| call(&world, ask(ALIAS, "hello")));
    let reasons: Vec<_> =
        calls.buffer_unordered(64).map(|(_, status)| reason(&status.unwrap())).collect().await;
    assert!(reasons.iter().all(|reason| reason == "UPSTREAM_THROTTLED"), "{reasons:?}");
    let attempts: u64 = world.started().iter().sum();
    println!("{attempts} attempts of {CALLS} calls while everything is throttled");
    assert!(attempts * 10 <= CALLS * 11, "{attempts} attempts of {CALLS} calls");

    for region in [EAST, WEST, NORTH] {
        world.region(region).set_mix(Mix::default());
    }
    let over = Instant::now();
    let served = async { while call(&world, ask(ALIAS, "hello")).await.1.is_some() {} };
    timeout(Duration::from_secs(5), served).await.expect("it is not over");
    println!("served again {:?} after the storm", over.elapsed());
}

/// A target that throttles a third of its calls serves at its quota, and is not left alone.
#[tokio::test]
async fn a_target_at_its_quota_goes_on_serving() {
    let world =
        World::open(|settings| drop(settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA)))).await;
    world.region(EAST).set_mix(Mix::new(7, [(0.33, "ThrottlingException".parse().unwrap())]).unwrap());
    for _ in 0..200 {
        assert!(call(&world, ask(ALIAS, "hello")).await.1.is_none());
    }
    let [east, west, north] = world.started();
    assert_eq!((east, north), (200, 0));
    assert!((40..90).contains(&west), "{west}");
}

/// A caller who leaves while its call tries a target does not hold it closed for others.
#[tokio::test]
async fn a_try_that_is_given_up_lets_the_next_one_try() {
    let world = World::open(|settings| {
        settings.breaker.open = Duration::from_millis(200);
        settings.retry.attempts = 1;
    })
    .await;
    world.region(EAST).set_mix(always("ServiceUnavailableException"));
    let opened = async {
        while call(&world, ask(NOVA, "hello")).await.1.is_none_or(|s| reason(&s) != "NO_REGION_AVAILABLE") {}
    };
    timeout(SOON, opened).await.expect("the breaker stays closed");
    world.region(EAST).set_mix(Mix::default());
    world.region(EAST).set_pace(Pace { first_token: SOON * 10, tokens_per_second: None });
    let before = world.region(EAST).counts().started;
    let mut request = ask(NOVA, "hello");
    request.options =
        Some(CallOptions { on_disconnect: OnDisconnect::Cancel.into(), ..CallOptions::default() });
    // One of them is let through, and hangs; it is given up.
    let tries = async {
        loop {
            let _ = timeout(Duration::from_millis(50), call(&world, request.clone())).await;
            if world.region(EAST).counts().started > before {
                return;
            }
        }
    };
    timeout(SOON, tries).await.expect("none is let through");
    world.region(EAST).set_pace(Pace::default());
    let served = async { while call(&world, ask(NOVA, "hello")).await.1.is_some() {} };
    timeout(SOON, served).await.expect("it is closed for ever");
}

/// What a storm has cost a second choice, good times earn again, though it is never called in them.
#[tokio::test]
async fn a_second_choice_recovers_in_good_times() {
    let world = World::open(|settings| {
        settings.breaker.open = Duration::ZERO;
        settings.retry.attempts = 1;
        settings.aliases.insert(ALIAS.to_owned(), alias(NOVA, &[(EAST, None), (WEST, None)]));
    })
    .await;
    for region in [EAST, WEST] {
        world.region(region).set_mix(always("ServiceUnavailableException"));
    }
    for _ in 0..60 {
        call(&world, ask(ALIAS, "hello")).await;
    }
    assert_eq!(world.started()[..2], [60, 35], "500 tokens, and 14 for each call that was somewhere before");
    for region in [EAST, WEST] {
        world.region(region).set_mix(Mix::default());
    }
    world.script(EAST, &["ServiceUnavailableException"]);
    assert!(call(&world, ask(ALIAS, "hello")).await.1.is_some(), "nothing is left");
    for _ in 0..14 {
        call(&world, ask(ALIAS, "hello")).await;
    }
    world.script(EAST, &["ServiceUnavailableException"]);
    let (report, _) = call(&world, ask(ALIAS, "hello")).await;
    assert_eq!(rows(&report), [(EAST, "UPSTREAM_UNAVAILABLE"), (WEST, "OK")]);
}

/// A model that nobody knows closes neither another one nor guardrails.
#[tokio::test]
async fn an_unknown_model_that_fails_closes_nothing_else() {
    let world = World::open(|settings| {
        settings.unknown_models = UnknownModels::Warn;
        settings.retry.attempts = 1;
    })
    .await;
    let own =
        |name: &str| format!("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/{name}");
    world.script(EAST, &["ModelNotReadyException"; 30]);
    for _ in 0..30 {
        call(&world, ask(&own("cold"), "hello")).await;
    }
    let closed = call(&world, ask(&own("cold"), "hello")).await.1.unwrap();
    assert_eq!(reason(&closed), "NO_REGION_AVAILABLE");
    let other = call(&world, ask(&own("warm"), "hello")).await.0;
    assert_eq!(other.attempts.len(), 1);
    assert!(call(&world, ask(NOVA, "hello")).await.0.attempts.len() == 1);
}
