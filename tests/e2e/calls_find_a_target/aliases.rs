//! Which targets an alias and a call's own fallbacks stand for.

use std::time::{Duration, Instant};

use bedrock_inference_proto::v1::{
    CallOptions, GetModelRequest, ImageBlock, ImageSource, InvokeModelRequest, Route, WarningKind,
    content_block, image_source,
};
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::{ALIAS, call, rows, with};
use crate::stage::{CLAUDE, NOVA, ask, ask_stream, reason, report, told};
use crate::world::{EAST, NORTH, WEST, World, alias, everywhere};

/// Ours that has no eyes.
const BLIND: &str = "amazon.nova-micro-v1:0";

const PICTURE: &[u8] = include_bytes!("../../../src/cli/demo/picture.png");

async fn with_alias() -> World {
    World::open(|settings| drop(settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA)))).await
}

/// U1, U2, U13: each failure before the first content moves on at once as its row says, or does not.
#[tokio::test]
async fn each_failure_moves_on_as_its_row_says() {
    let world = with_alias().await;
    // The faults of the first regions, and the rows of the report.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
    let cases: [Case; 9] = [
        (&["ThrottlingException"], &[(EAST, "UPSTREAM_THROTTLED"), (WEST, "OK")]),
        (&["ServiceUnavailableException"], &[(EAST, "UPSTREAM_UNAVAILABLE"), (WEST, "OK")]),
        (&["ModelNotReadyException"], &[(EAST, "UPSTREAM_MODEL_NOT_READY"), (WEST, "OK")]),
        (&["ServiceQuotaExceededException"], &[(EAST, "UPSTREAM_QUOTA"), (WEST, "OK")]),
        (&["AccessDeniedException"], &[(EAST, "MODEL_ACCESS_NOT_GRANTED"), (WEST, "OK")]),
        (&["InternalServerException"], &[(EAST, "UPSTREAM_INTERNAL"), (WEST, "OK")]),
        // What may have been paid once is paid twice, and not three times.
        (
            &["InternalServerException", "InternalServerException"],
            &[(EAST, "UPSTREAM_INTERNAL"), (WEST, "UPSTREAM_INTERNAL")],
        ),
        (&["ModelTimeoutException"], &[(EAST, "UPSTREAM_MODEL_TIMEOUT")]),
        (&["ValidationException"], &[(EAST, "UPSTREAM_VALIDATION")]),
    ];
    for (faults, expected) in cases {
        for (region, fault) in [EAST, WEST].iter().zip(faults) {
            world.script(region, &[fault]);
        }
        let began = Instant::now();
        let (report, status) = call(&world, ask(ALIAS, "hello")).await;
        assert_eq!(rows(&report), expected, "{faults:?}");
        assert_eq!(status.is_none(), expected.last().unwrap().1 == "OK", "{faults:?}");
        assert!(began.elapsed() < Duration::from_millis(900), "{faults:?}: it has waited");
        assert_eq!((report.model_asked.as_str(), report.model.as_str()), (ALIAS, NOVA));
        assert_eq!(report.region, expected.last().unwrap().0, "{faults:?}");
    }
}

/// U8: behind the first content a stream stays where it is.
#[tokio::test]
async fn a_stream_moves_on_only_before_its_first_content() {
    let world = with_alias().await;
    world.script(EAST, &["ThrottlingException@0"]);
    let ending = world.stage.stream(ask_stream(ALIAS, "hello")).await;
    assert_eq!(rows(ending.reports()[0]), [(EAST, "UPSTREAM_THROTTLED"), (WEST, "OK")]);
    world.script(EAST, &["ThrottlingException@3"]);
    let ending = world.stage.stream(ask_stream(ALIAS, "hello")).await;
    assert_eq!(reason(&ending.status), "UPSTREAM_THROTTLED_MIDSTREAM");
    assert_eq!(rows(&report(&ending.status)), [(EAST, "UPSTREAM_THROTTLED_MIDSTREAM")]);
    assert_eq!(world.started(), [2, 1, 0]);
}

/// Every target is tried at once, and then one again where attempts are left.
#[tokio::test]
async fn all_are_tried_before_one_is_tried_again() {
    let world = World::open(|settings| {
        settings.retry.attempts = 4;
        settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA));
    })
    .await;
    for region in [EAST, WEST, NORTH] {
        world.script(region, &["ServiceUnavailableException"]);
    }
    let (report, _) = call(&world, ask(ALIAS, "hello")).await;
    let down = "UPSTREAM_UNAVAILABLE";
    let rows = rows(&report);
    assert_eq!(rows[..3], [(EAST, down), (WEST, down), (NORTH, down)]);
    // Whichever has the shortest wait.
    assert!(matches!(rows[3..], [(_, "OK")]), "{rows:?}");
}

/// U17: what AWS may be answering is called a second time for those who pay twice, and not a third time.
#[tokio::test]
async fn nothing_is_paid_three_times() {
    for (pay_twice, attempts) in [(false, 1), (true, 2)] {
        let world = World::open(|settings| {
            settings.retry.pay_twice = pay_twice;
            settings.aliases.insert(ALIAS.to_owned(), everywhere(NOVA));
        })
        .await;
        for region in [EAST, WEST, NORTH] {
            world.script(region, &["reset@0"]);
        }
        let (report, status) = call(&world, ask(ALIAS, "hello")).await;
        assert_eq!(report.attempts.len(), attempts, "{pay_twice}");
        assert_eq!(reason(&status.unwrap()), "UPSTREAM_CONNECTION_LOST");
    }
}

/// A target whose own form cannot say the request is passed over, and does not hide why the first one failed.
#[tokio::test]
async fn a_target_without_the_route_is_passed_over() {
    let llama = "meta.llama3-1-8b-instruct-v1:0";
    let world = World::open(|settings| {
        let mut mixed = alias(NOVA, &[(EAST, None)]);
        mixed.targets.extend(alias(llama, &[(WEST, None)]).targets);
        mixed.targets.extend(alias(NOVA, &[(NORTH, None)]).targets);
        settings.aliases.insert(ALIAS.to_owned(), mixed.clone());
        mixed.targets.truncate(2);
        settings.aliases.insert("two".to_owned(), mixed);
        settings.retry.attempts = 1;
    })
    .await;
    let native = CallOptions { route: Route::Native.into(), ..CallOptions::default() };
    world.script(EAST, &["ThrottlingException", "ThrottlingException"]);
    let (report, _) = call(&world, with(native.clone(), ALIAS)).await;
    assert_eq!(rows(&report), [(EAST, "UPSTREAM_THROTTLED"), (WEST, "INVALID_REQUEST"), (NORTH, "OK")]);
    let (_, status) = call(&world, with(native, "two")).await;
    assert_eq!(reason(&status.unwrap()), "UPSTREAM_THROTTLED");
}

#[tokio::test]
async fn the_shipped_aliases_are_called_like_models() {
    let world = World::open(|_| {}).await;
    for (name, class) in [("economy", "haiku"), ("balanced", "sonnet"), ("best", "opus")] {
        let (report, status) = call(&world, ask(name, "hello")).await;
        assert!(status.is_none() && report.model.contains(class), "{name}: {status:?} {report:?}");
        let request = GetModelRequest { model_id: name.to_owned() };
        let found = world.stage.models().get_model(request).await.unwrap().into_inner();
        assert_eq!(found.model.unwrap().model_id, report.model);
        assert!(found.targets.len() > 1, "{name}");
    }
}

#[tokio::test]
async fn weights_spread_calls_and_sessions_stay_where_they_are() {
    let world = World::open(|settings| {
        let spread = alias(NOVA, &[(EAST, Some(2)), (WEST, Some(1)), (NORTH, Some(1))]);
        settings.aliases.insert(ALIAS.to_owned(), spread);
    })
    .await;
    for _ in 0..120 {
        call(&world, ask(ALIAS, "hello")).await;
    }
    let [east, west, north] = world.started();
    assert!(east > 35 && west > 10 && north > 10, "{east} {west} {north}");

    let in_session = |id: usize| {
        with(CallOptions { session_id: Some(format!("session-{id}")), ..CallOptions::default() }, ALIAS)
    };
    for session in 0..12 {
        let (first, _) = call(&world, in_session(session)).await;
        let mut others = [EAST, WEST, NORTH].to_vec();
        others.retain(|region| *region != first.region);
        for _ in 0..4 {
            assert_eq!(call(&world, in_session(session)).await.0.region, first.region);
        }
        // Away from home for one call, always at the same place.
        let second = {
            world.script(&first.region, &["ThrottlingException"]);
            call(&world, in_session(session)).await.0.region
        };
        world.script(&first.region, &["ThrottlingException"]);
        assert_eq!(call(&world, in_session(session)).await.0.region, second);
        assert!(others.contains(&second.as_str()));
    }
}

fn fallbacks(models: &[&str]) -> CallOptions {
    CallOptions {
        fallback_models: models.iter().map(|model| (*model).to_owned()).collect(),
        ..CallOptions::default()
    }
}

#[tokio::test]
async fn a_call_brings_fallbacks_of_its_own() {
    let world = World::open(|_| {}).await;
    world.script(EAST, &["ThrottlingException", "ServiceUnavailableException"]);
    let (report, _) = call(&world, with(fallbacks(&[CLAUDE, "economy"]), NOVA)).await;
    let called: Vec<_> = report.attempts.iter().map(|row| row.model_id.as_str()).collect();
    assert_eq!(called[..2], [NOVA, &format!("us.{CLAUDE}")]);
    assert!(called[2].contains("haiku") && report.model.contains("haiku"), "{called:?}");
    // The same target is not tried as its own fallback.
    world.script(EAST, &["ModelNotReadyException"; 3]);
    let mut request = Request::new(with(fallbacks(&[NOVA]), NOVA));
    request.set_timeout(Duration::from_millis(500));
    let status = world.stage.inference().converse(request).await.unwrap_err();
    assert!(crate::stage::report(&status).attempts.len() <= 3, "{status:?}");

    let long = "m".repeat(2049);
    for (models, paths) in [
        (vec!["no.such-model"], vec!["options.fallbackModels[0]"]),
        (vec![CLAUDE, "nova"], vec!["options.fallbackModels[1]"]),
        (
            vec!["", CLAUDE, &long, "nova"],
            vec!["options.fallbackModels[0]", "options.fallbackModels[2]", "options.fallbackModels[3]"],
        ),
        (vec![CLAUDE; 6], vec!["options.fallbackModels"]),
        // Nobody looks for any of too many.
        (vec!["nova"; 6], vec!["options.fallbackModels"]),
        (vec![&long; 6], vec!["options.fallbackModels"]),
    ] {
        let before = world.started();
        let (_, status) = call(&world, with(fallbacks(&models), NOVA)).await;
        let status = status.unwrap();
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations.iter().map(|found| &found.field).collect::<Vec<_>>(), paths, "{status:?}");
        assert_eq!(world.started(), before);
    }
}

/// Weights of a fallback take no part in the draw: what was asked for comes first, and then they in their order.
#[tokio::test]
async fn a_fallback_stays_behind_whatever_its_weights() {
    let world = World::open(|settings| {
        settings.aliases.insert(ALIAS.to_owned(), alias(NOVA, &[(WEST, Some(1)), (NORTH, Some(100))]));
    })
    .await;
    for session in 0..8 {
        let in_session = CallOptions { session_id: Some(session.to_string()), ..fallbacks(&[ALIAS]) };
        let (report, _) = call(&world, with(in_session.clone(), NOVA)).await;
        assert_eq!(rows(&report), [(EAST, "OK")]);
        world.script(EAST, &["ModelNotReadyException"]);
        let (report, _) = call(&world, with(in_session, NOVA)).await;
        assert_eq!(rows(&report), [(EAST, "UPSTREAM_MODEL_NOT_READY"), (WEST, "OK")]);
    }
}

/// An id that AWS does not know is the mistake of who gave it, also as a fallback, and others are tried behind it.
#[tokio::test]
async fn an_id_that_aws_does_not_know_moves_on() {
    let profile = format!("us.{CLAUDE}");
    let world = World::open(|settings| {
        settings.aliases.insert(ALIAS.to_owned(), alias(&profile, &[(WEST, None)]));
    })
    .await;
    let unknown = "ResourceNotFoundException";
    world.script(EAST, &[unknown]);
    let (report, status) = call(&world, with(fallbacks(&[&profile]), NOVA)).await;
    assert_eq!((rows(&report), status.is_none()), (vec![(EAST, "MODEL_NOT_FOUND"), (EAST, "OK")], true));
    for (fallback, region, outcome) in [
        (profile.as_str(), EAST, "MODEL_NOT_FOUND"),
        // The gateway has made a profile of it; the operator has named what the alias stands for.
        (CLAUDE, EAST, "CATALOG_MISMATCH"),
        (ALIAS, WEST, "CATALOG_MISMATCH"),
    ] {
        world.script(EAST, &[unknown]);
        world.script(region, &[unknown]);
        let (report, status) = call(&world, with(fallbacks(&[fallback]), NOVA)).await;
        assert_eq!(rows(&report), [(EAST, "MODEL_NOT_FOUND"), (region, outcome)], "{fallback}");
        let status = status.unwrap();
        assert_eq!(reason(&status), outcome);
        let made = format!("{profile}, which the gateway made of {fallback}");
        assert_eq!(status.message().contains(&made), outcome == "CATALOG_MISMATCH", "{}", status.message());
    }
}

#[tokio::test]
async fn a_call_has_at_most_sixteen_targets() {
    let others: Vec<_> = (3..=9).flat_map(|n| [format!("us-east-{n}"), format!("us-west-{n}")]).collect();
    let regions: Vec<_> = [EAST, WEST].into_iter().chain(others.iter().map(String::as_str)).collect();
    assert_eq!(regions.len(), 16);
    let regions: Vec<_> = regions.into_iter().map(|region| (region, None)).collect();
    let world =
        World::open(|settings| drop(settings.aliases.insert(ALIAS.to_owned(), alias(NOVA, &regions)))).await;
    // All but what is left out: home by two models, one other, and 13 regions at the same endpoint.
    let down = "ModelNotReadyException";
    world.script(EAST, &[down; 2]);
    world.script(WEST, &[down]);
    for _ in 0..13 {
        world.stage.emulator.script(down.parse().unwrap());
    }
    let (report, status) = call(&world, with(fallbacks(&[CLAUDE, ALIAS]), NOVA)).await;
    let status = status.expect("nothing else is tried");
    assert_eq!(told(&status, "attempts"), "16", "{status:?}");
    let left_out = report.warnings.iter().filter(|warning| warning.kind() == WarningKind::TargetLeftOut);
    let left_out: Vec<_> =
        left_out.map(|warning| (warning.path.as_str(), warning.message.as_str())).collect();
    assert_eq!(
        left_out,
        [("options.fallbackModels", "the last 1 targets are left out: a call has at most 16")]
    );
}

#[tokio::test]
async fn a_target_that_would_refuse_the_request_is_left_out() {
    let world = World::open(|settings| {
        let mut mixed = alias(BLIND, &[(EAST, None)]);
        mixed.targets.extend(everywhere(NOVA).targets);
        settings.aliases.insert(ALIAS.to_owned(), mixed);
        settings.aliases.insert("blind".to_owned(), alias(BLIND, &[(EAST, None), (WEST, None)]));
    })
    .await;
    let picture = ImageBlock {
        format: Some("png".to_owned()),
        source: Some(ImageSource { kind: Some(image_source::Kind::Bytes(PICTURE.into())) }),
        ..ImageBlock::default()
    };
    let mut request = ask(ALIAS, "what is it?");
    let block = bedrock_inference_proto::v1::ContentBlock { kind: Some(content_block::Kind::Image(picture)) };
    request.messages[0].content.push(block);
    let (report, status) = call(&world, request.clone()).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!((report.model.as_str(), report.attempts.len()), (NOVA, 1));
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].kind(), WarningKind::TargetLeftOut);
    assert!(report.warnings[0].message.contains(BLIND), "{}", report.warnings[0].message);

    request.model_id = Some("blind".to_owned());
    let (_, status) = call(&world, request).await;
    assert_eq!(reason(&status.unwrap()), "INVALID_REQUEST");
}

#[tokio::test]
async fn a_native_body_goes_to_one_family_only() {
    let world = World::open(|settings| {
        let mut mixed = alias(NOVA, &[(EAST, None)]);
        mixed.targets.extend(alias(CLAUDE, &[(WEST, None)]).targets);
        mixed.targets.extend(alias(BLIND, &[(NORTH, None)]).targets);
        settings.aliases.insert(ALIAS.to_owned(), mixed);
    })
    .await;
    world.script(EAST, &["ThrottlingException"]);
    let request = InvokeModelRequest {
        model_id: Some(ALIAS.to_owned()),
        body: Some(r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}]}"#.into()),
        ..InvokeModelRequest::default()
    };
    let answer = world.stage.inference().invoke_model(request).await.unwrap().into_inner();
    let report = answer.call.unwrap();
    assert_eq!(rows(&report), [(EAST, "UPSTREAM_THROTTLED"), (NORTH, "OK")]);
    assert_eq!(report.warnings[0].kind(), WarningKind::TargetLeftOut);
}

#[tokio::test]
async fn a_session_id_must_be_one() {
    let world = World::open(|_| {}).await;
    let options = CallOptions { session_id: Some("two words".to_owned()), ..CallOptions::default() };
    let (_, status) = call(&world, with(options, NOVA)).await;
    let status = status.unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("options.sessionId"), "{status:?}");
}
