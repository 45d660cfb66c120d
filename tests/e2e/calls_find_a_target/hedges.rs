//! A second target is called beside one that is silent, where the alias asks for it.

use std::time::Duration;

use bedrock_inference::config::Settings;
use bedrock_inference_emulator::Pace;
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
