//! A second target is called beside one that is silent, where the alias asks for it.

use std::time::Duration;

use bedrock_inference::config::Settings;
use bedrock_inference_emulator::{Mix, Pace};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{ALIAS, call, rows};
use crate::stage::{NOVA, ask, ask_stream};
use crate::world::{EAST, WEST, World, everywhere};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

fn hedged(after: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let mut alias = everywhere(NOVA);
        alias.hedge_after = Some(after);
        settings.aliases.insert(ALIAS.to_owned(), alias);
    }
}

/// U5: the one that speaks first is kept, the other is dropped, and both are told.
#[tokio::test]
async fn a_silent_target_is_overtaken() {
    let world = World::open(hedged(Duration::from_millis(100))).await;
    world.script(EAST, &["stall", "stall"]);
    let (report, status) = call(&world, ask(ALIAS, "hello")).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(rows(&report), [(EAST, "CANCELLED"), (WEST, "OK")]);
    assert_eq!(report.attempts.iter().map(|row| row.hedge).collect::<Vec<_>>(), [false, true]);
    assert_eq!(report.region, WEST);

    let ending = world.stage.stream(ask_stream(ALIAS, "hello")).await;
    assert_eq!(rows(ending.reports()[0]), [(EAST, "CANCELLED"), (WEST, "OK")]);
    let dropped = world.region(EAST).wait_for(|counts| counts.aborted == 2);
    timeout(SOON, dropped).await.expect("the slower one goes on");
    assert_eq!(world.started(), [2, 2, 0]);
}

/// The first may still win, and is then the one that is told of.
#[tokio::test]
async fn the_first_may_still_win() {
    let world = World::open(hedged(Duration::from_millis(50))).await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(300), tokens_per_second: None });
    world.script(WEST, &["stall"]);
    let (report, _) = call(&world, ask(ALIAS, "hello")).await;
    assert_eq!(rows(&report), [(EAST, "OK"), (WEST, "CANCELLED")]);
    assert_eq!(report.region, EAST);
    assert_eq!(report.aws_request_id, report.attempts[0].aws_request_id);
}

/// A hedge that fails leaves the first one alone; where both fail, the next target follows.
#[tokio::test]
async fn a_hedge_that_fails_is_one_failure() {
    let world = World::open(hedged(Duration::from_millis(50))).await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(300), tokens_per_second: None });
    world.script(WEST, &["ThrottlingException"]);
    let (report, _) = call(&world, ask(ALIAS, "hello")).await;
    assert_eq!(rows(&report), [(EAST, "OK"), (WEST, "UPSTREAM_THROTTLED")]);
}

/// Nothing is hedged that speaks in time, or without being asked for.
#[tokio::test]
async fn who_speaks_in_time_is_alone() {
    let world = World::open(hedged(SOON)).await;
    for _ in 0..20 {
        assert_eq!(call(&world, ask(ALIAS, "hello")).await.0.attempts.len(), 1);
    }
    let world =
        World::open(|settings| drop(settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA)))).await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(300), tokens_per_second: None });
    assert_eq!(call(&world, ask(ALIAS, "hello")).await.0.attempts.len(), 1);
}

/// A hedge that is refused for good says nothing of the first one, which goes on.
#[tokio::test]
async fn a_hedge_that_is_refused_leaves_the_first_one_alone() {
    let world = World::open(hedged(Duration::from_millis(50))).await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(300), tokens_per_second: None });
    world.script(WEST, &["ValidationException"]);
    let (report, status) = call(&world, ask(ALIAS, "hello")).await;
    assert_eq!(rows(&report), [(EAST, "OK"), (WEST, "UPSTREAM_VALIDATION")]);
    assert!(status.is_none(), "{status:?}");
}

/// Nothing is paid three times: where a failure may have been paid, its repeat stays alone.
#[tokio::test]
async fn a_repeat_of_what_may_have_been_paid_is_not_hedged() {
    let world = World::open(hedged(Duration::from_millis(50))).await;
    world.script(EAST, &["InternalServerException"]);
    world.region(WEST).set_pace(Pace { first_token: Duration::from_millis(300), tokens_per_second: None });
    let (report, _) = call(&world, ask(ALIAS, "hello")).await;
    assert_eq!(rows(&report), [(EAST, "UPSTREAM_INTERNAL"), (WEST, "OK")]);
}

/// C3: nothing is begun for somebody who has gone, though the first attempt is read to its end.
#[tokio::test]
async fn nothing_is_hedged_for_a_caller_who_has_gone() {
    let world = World::open(hedged(Duration::from_millis(200))).await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(600), tokens_per_second: None });
    let gone = timeout(Duration::from_millis(50), call(&world, ask(ALIAS, "hello"))).await;
    assert!(gone.is_err());
    timeout(SOON, world.region(EAST).wait_for(|counts| counts.finished == 1))
        .await
        .expect("it is not drained");
    assert_eq!(world.started(), [1, 0, 0]);
}

/// U13: a target that others always overtake is left alone in the end.
#[tokio::test]
async fn a_target_that_is_always_overtaken_is_left_alone() {
    let world = World::open(hedged(Duration::from_millis(30))).await;
    world.region(EAST).set_mix(Mix::new(1, [(1.0, "stall".parse().unwrap())]).unwrap());
    for _ in 0..60 {
        assert!(call(&world, ask(ALIAS, "hello")).await.1.is_none());
    }
    let [east, west, _] = world.started();
    assert!((20..=22).contains(&east) && west == 60, "{east} {west}");
}

/// Hedges have a budget: a target that is always slower than the hedge's wait does not double all calls.
#[tokio::test]
async fn hedges_stay_within_their_budget() {
    const CALLS: u64 = 140;
    let world = World::open(|settings| {
        hedged(Duration::from_millis(10))(settings);
        settings.breaker.open = Duration::ZERO;
        let alias = settings.aliases.get_mut(ALIAS).unwrap();
        alias.targets.truncate(2);
    })
    .await;
    world.region(EAST).set_pace(Pace { first_token: Duration::from_millis(40), tokens_per_second: None });
    let calls = stream::iter(0..CALLS).map(|_| call(&world, ask(ALIAS, "hello")));
    assert!(calls.buffer_unordered(8).all(|(_, status)| async move { status.is_none() }).await);
    let [_, west, _] = world.started();
    // 500 tokens, one more for each call, and 14 for each hedge.
    assert!((35..=(500 + CALLS) / 14).contains(&west), "{west} hedges of {CALLS} calls");
}
