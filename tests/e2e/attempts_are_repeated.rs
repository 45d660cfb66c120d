//! Retry: what failed before its first content is tried again where that is worth it, and every attempt is told.

use std::time::{Duration, Instant};

use bedrock_inference::config::{RouteSetting, Settings};
use bedrock_inference_proto::v1::{CallReport, InvokeModelRequest};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, report, told};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

const SHORT: Duration = Duration::from_millis(150);

async fn patient() -> Stage {
    Stage::open_with(|settings| settings.retry.attempts = 3).await
}

fn script(stage: &Stage, faults: &[&str]) {
    faults.iter().for_each(|fault| stage.emulator.script(fault.parse().unwrap()));
}

fn outcomes(report: &CallReport) -> Vec<&str> {
    report.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect()
}

/// The outcomes of a unary call's attempts, and its status.
async fn unary(stage: &Stage) -> (Vec<String>, Status) {
    let (report, status) = match stage.inference().converse(ask(NOVA, "hello")).await {
        Ok(response) => (response.into_inner().call.unwrap(), Status::ok("")),
        Err(status) => (report(&status), status),
    };
    (outcomes(&report).into_iter().map(str::to_owned).collect(), status)
}

/// The same of a stream's.
async fn streamed(stage: &Stage) -> (Vec<String>, Status) {
    let ending = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
    let report = match ending.reports().first() {
        Some(report) => (*report).clone(),
        None => report(&ending.status),
    };
    (outcomes(&report).into_iter().map(str::to_owned).collect(), ending.status)
}

/// U1: each kind as often as it is worth it, and the emulator counts the same.
#[tokio::test]
async fn each_failure_is_repeated_as_its_row_says() {
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("ThrottlingException", &["UPSTREAM_THROTTLED", "UPSTREAM_THROTTLED", "OK"], &["2"]),
        ("ServiceUnavailableException", &["UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "OK"], &["2"]),
        ("ModelNotReadyException", &["UPSTREAM_MODEL_NOT_READY", "UPSTREAM_MODEL_NOT_READY", "OK"], &["2"]),
        ("InternalServerException", &["UPSTREAM_INTERNAL", "OK"], &["1"]),
        ("InternalServerException", &["UPSTREAM_INTERNAL", "UPSTREAM_INTERNAL"], &["2"]),
        ("ModelErrorException,original-status=503", &["UPSTREAM_MODEL_ERROR", "OK"], &["1"]),
        ("ModelErrorException,original-status=400", &["UPSTREAM_MODEL_ERROR"], &["1"]),
        ("ModelStreamErrorException", &["UPSTREAM_STREAM_ERROR", "OK"], &["1"]),
        ("ModelTimeoutException", &["UPSTREAM_MODEL_TIMEOUT"], &["1"]),
        ("ValidationException", &["UPSTREAM_VALIDATION"], &["1"]),
        ("AccessDeniedException", &["MODEL_ACCESS_NOT_GRANTED"], &["1"]),
        ("ServiceQuotaExceededException", &["UPSTREAM_QUOTA"], &["1"]),
    ];
    let stage = patient().await;
    for (fault, expected, times) in cases {
        for streams in [false, true] {
            let times: usize = times[0].parse().unwrap();
            script(&stage, &vec![fault; times]);
            let before = stage.emulator.counts().started;
            let (found, status) = if streams { streamed(&stage).await } else { unary(&stage).await };
            assert_eq!(found, expected, "{fault} {streams}");
            assert_eq!(status.code() == Code::Ok, expected.last() == Some(&"OK"), "{fault} {streams}");
            let made = stage.emulator.counts().started - before;
            assert_eq!(made, u64::try_from(expected.len()).unwrap(), "{fault} {streams}");
        }
    }
}

/// U9, U10: a stream that ends or is damaged before its first content begins anew, once.
#[tokio::test]
async fn a_stream_that_breaks_before_its_content_begins_anew() {
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.retry.attempts = 3;
    })
    .await;
    for (fault, outcome) in [
        ("cut@0", "UPSTREAM_STREAM_TRUNCATED"),
        ("cut@1", "UPSTREAM_STREAM_TRUNCATED"),
        ("cut-mid-frame@1", "UPSTREAM_STREAM_TRUNCATED"),
        ("bad-crc@0", "UPSTREAM_CORRUPT"),
        ("bad-prelude@1", "UPSTREAM_CORRUPT"),
        ("ThrottlingException@1", "UPSTREAM_THROTTLED"),
    ] {
        script(&stage, &[fault]);
        assert_eq!(streamed(&stage).await.0, [outcome, "OK"], "{fault}");
    }
}

/// U8: behind the first content nothing is repeated, whatever failed.
#[tokio::test]
async fn behind_the_first_content_nothing_is_repeated() {
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.retry.attempts = 3;
        settings.retry.pay_twice = true;
        settings.timeouts.idle = SHORT;
    })
    .await;
    for fault in ["ThrottlingException@3", "ServiceUnavailableException@3", "cut@3", "bad-crc@3", "stall@3"] {
        script(&stage, &[fault]);
        let before = stage.emulator.counts().started;
        let (found, status) = streamed(&stage).await;
        assert_eq!((found.len(), stage.emulator.counts().started - before), (1, 1), "{fault}");
        assert_ne!(status.code(), Code::Ok, "{fault}");
    }
}

/// U5, U17: what AWS may be answering all the same is repeated only where the operator pays for it.
#[tokio::test]
async fn what_may_be_under_way_is_repeated_for_those_who_pay_twice() {
    for pay_twice in [false, true] {
        let stage = Stage::open_with(|settings: &mut Settings| {
            settings.retry.attempts = 3;
            settings.retry.pay_twice = pay_twice;
            settings.timeouts.first_content = SHORT;
        })
        .await;
        for (fault, outcome) in
            [("stall", "UPSTREAM_FIRST_EVENT_TIMEOUT"), ("reset@0", "UPSTREAM_CONNECTION_LOST")]
        {
            script(&stage, &[fault]);
            let (found, status) = if fault == "stall" { streamed(&stage).await } else { unary(&stage).await };
            if pay_twice {
                assert_eq!(found, [outcome, "OK"], "{fault}");
            } else {
                assert_eq!((found, reason(&status).as_str()), (vec![outcome.to_owned()], outcome), "{fault}");
            }
        }
    }
}

#[tokio::test]
async fn the_dearest_failure_is_told() {
    let stage = patient().await;
    script(
        &stage,
        &["InternalServerException", "ServiceUnavailableException", "ServiceUnavailableException"],
    );
    let (found, status) = unary(&stage).await;
    assert_eq!(found, ["UPSTREAM_INTERNAL", "UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"]);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "UPSTREAM_INTERNAL"));
    assert_eq!((told(&status, "billed").as_str(), told(&status, "attempts").as_str()), ("unknown", "3"));

    script(&stage, &["ServiceUnavailableException"; 3]);
    let (_, status) = unary(&stage).await;
    assert_eq!((status.code(), told(&status, "billed").as_str()), (Code::Unavailable, "none"));
}

#[tokio::test]
async fn awss_advice_is_kept() {
    let stage = patient().await;
    script(&stage, &["ThrottlingException,retry-after=1200"]);
    let began = Instant::now();
    assert_eq!(unary(&stage).await.0, ["UPSTREAM_THROTTLED", "OK"]);
    assert!(began.elapsed() >= Duration::from_millis(1200), "{:?}", began.elapsed());
}

/// C6: a wait that would outlast the deadline is not begun: the failure is told while there is time.
#[tokio::test]
async fn no_wait_outlasts_the_deadline() {
    let stage = patient().await;
    script(&stage, &["ThrottlingException,retry-after=30000"]);
    let mut request = Request::new(ask(NOVA, "hello"));
    request.set_timeout(Duration::from_secs(10));
    let began = Instant::now();
    let status = stage.inference().converse(request).await.unwrap_err();
    assert_eq!(reason(&status), "UPSTREAM_THROTTLED");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// C3, C5: nobody is called for a caller who has gone while waiting.
#[tokio::test]
async fn nothing_is_begun_for_a_caller_who_has_gone() {
    let stage = patient().await;
    script(&stage, &["ThrottlingException,retry-after=5000"]);
    let mut client = stage.inference();
    let call = tokio::spawn(async move { client.converse(ask(NOVA, "hello")).await.map(drop) });
    let failed = stage.emulator.wait_for(|counts| counts.started == 1 && counts.open() == 0);
    timeout(SOON, failed).await.unwrap();
    call.abort();
    // Shutdown waits for every flight: one that slept on would hold it.
    stage.shutdown.cancel();
    drop(stage.channel);
    timeout(Duration::from_secs(3), stage.service).await.expect("the flight sleeps on").unwrap().unwrap();
    assert_eq!(stage.emulator.counts().started, 1);
}

/// U2: in a storm the budget of the target ends repeats.
#[tokio::test]
async fn a_storm_is_not_made_worse() {
    const CALLS: usize = 400;
    let stage = patient().await;
    script(&stage, &vec!["ServiceUnavailableException"; CALLS * 2]);
    let calls = stream::iter(0..CALLS).map(|_| unary(&stage)).buffer_unordered(32);
    let attempts: usize =
        calls.map(|(found, _)| found.len()).fold(0, |all, one| async move { all + one }).await;
    // 500 tokens, and 14 for each repeat.
    assert_eq!(attempts - CALLS, 35, "{attempts} attempts of {CALLS} calls");
    assert_eq!(stage.emulator.counts().started, u64::try_from(attempts).unwrap());
}

#[tokio::test]
async fn native_bodies_are_repeated_too() {
    let stage = patient().await;
    script(&stage, &["ServiceUnavailableException"]);
    let request = InvokeModelRequest {
        model_id: Some(NOVA.to_owned()),
        body: Some(r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}]}"#.into()),
        ..InvokeModelRequest::default()
    };
    let answer = stage.inference().invoke_model(request).await.unwrap().into_inner();
    assert_eq!(outcomes(&answer.call.unwrap()), ["UPSTREAM_UNAVAILABLE", "OK"]);
}
