//! A call that comes again under its caller's own id is answered again, and paid once.

use std::path::Path;
use std::time::Duration;

use bedrock_inference::config::RouteSetting;
use bedrock_inference::principal::ApiKey;
use bedrock_inference_emulator::Pace;
use bedrock_inference_proto::v1::converse_stream_response::Event;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ConverseRequest, ConverseResponse, ConverseStreamRequest, ConverseTokensRequest,
    CountTokensInput, CountTokensRequest, InvokeModelRequest, InvokeModelResponse, OnDisconnect,
    count_tokens_input,
};
use futures_util::future::join_all;
use serde_json::json;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::apart::Apart;
use crate::callers_are_known::{tenant, with_key};
use crate::postgres::new_database;
use crate::stage::{CLAUDE, Ending, Stage, answer_of, ask, ask_stream, reason, report, told, user};

const TWINS: usize = 100;

fn options(id: &str, policy: OnDisconnect) -> Option<CallOptions> {
    Some(CallOptions {
        request_id: Some(id.to_owned()),
        on_disconnect: policy.into(),
        ..CallOptions::default()
    })
}

fn once(id: &str, text: &str) -> ConverseRequest {
    ConverseRequest { options: options(id, OnDisconnect::Drain), ..ask(CLAUDE, text) }
}

fn stream_once(id: &str, policy: OnDisconnect) -> ConverseStreamRequest {
    ConverseStreamRequest {
        options: options(id, policy),
        ..ask_stream(CLAUDE, "Write a haiku about rivers.")
    }
}

/// An answer without what is each call's own.
fn answer(response: &ConverseResponse) -> ConverseResponse {
    ConverseResponse { call: None, ..response.clone() }
}

/// A stream's events without its report, which must be there.
fn events(ending: &Ending) -> &[Event] {
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    let (last, events) = ending.events.split_last().unwrap();
    assert!(matches!(last, Event::Call(_)));
    events
}

fn pace(stage: &Stage, first_token: u64, tokens_per_second: f64) {
    let first_token = Duration::from_millis(first_token);
    stage.emulator.set_pace(Pace { first_token, tokens_per_second: Some(tokens_per_second) });
}

/// What was paid, as every one of these reports tells it, and how many of them say that it was paid for another call.
fn paid(reports: &[CallReport]) -> (i64, usize) {
    let costs: Vec<_> = reports.iter().map(|report| report.cost.as_ref().unwrap().pico_usd).collect();
    assert!(costs.iter().all(|cost| *cost == costs[0] && *cost > 0), "{costs:?}");
    for report in reports {
        assert_eq!((report.attempts.len(), &report.attempts), (1, &reports[0].attempts));
        assert_eq!((&report.tokens, &report.model), (&reports[0].tokens, &reports[0].model));
        let timings = report.timings.unwrap();
        let parts = [timings.preparing, timings.first_content, timings.streaming, timings.finishing];
        let nanos = |part: prost_types::Duration| part.seconds * 1_000_000_000 + i64::from(part.nanos);
        assert_eq!(parts.into_iter().flatten().map(nanos).sum::<i64>(), nanos(timings.total.unwrap()));
    }
    (costs[0], reports.iter().filter(|report| report.replayed).count())
}

/// C19: twins share one call of Bedrock's, as a whole or event by event.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_twins_are_one_call() {
    let stage = Stage::open().await;
    pace(&stage, 200, 500.0);
    let twins = (0..TWINS).map(|_| {
        let mut client = stage.inference();
        async move { client.converse(once("twin", "hello")).await.unwrap().into_inner() }
    });
    let answers = join_all(twins).await;
    assert!(answers.iter().all(|twin| answer(twin) == answer(&answers[0])));
    let reports: Vec<_> = answers.into_iter().map(|answer| answer.call.unwrap()).collect();
    assert!(reports.iter().all(|report| report.request_id == "twin"));
    assert_eq!(paid(&reports).1, TWINS - 1);
    assert_eq!(stage.emulator.counts().started, 1);

    let twins = (0..TWINS).map(|_| stage.stream(stream_once("twins", OnDisconnect::Drain)));
    let streams = join_all(twins).await;
    assert!(streams.iter().all(|twin| events(twin) == events(&streams[0])));
    let reports: Vec<_> = streams.iter().map(|ending| ending.reports()[0].clone()).collect();
    assert_eq!(paid(&reports).1, TWINS - 1);
    assert_eq!(stage.emulator.counts().started, 2);
}

/// Whoever joins a stream half-way reads it from its beginning.
#[tokio::test]
async fn a_twin_joins_in_the_middle() {
    let stage = Stage::open().await;
    pace(&stage, 0, 40.0);
    let mut first =
        stage.inference().converse_stream(stream_once("s", OnDisconnect::Drain)).await.unwrap().into_inner();
    let mut read = Vec::new();
    for _ in 0..3 {
        read.push(first.message().await.unwrap().unwrap().event.unwrap());
    }
    let (second, ()) = tokio::join!(stage.stream(stream_once("s", OnDisconnect::Drain)), async {
        while let Some(message) = first.message().await.unwrap() {
            read.push(message.event.unwrap());
        }
    });
    read.pop();
    assert_eq!(events(&second), read);
    assert!(second.reports()[0].replayed);
    assert_eq!(stage.emulator.counts().started, 1);
}

/// The call goes on while anybody is left, under CANCEL too; when all have gone, it is dropped unless one of them asked for
/// DRAIN.
#[tokio::test]
async fn the_call_goes_on_for_whoever_is_left() {
    let stage = Stage::by_converse().await;
    pace(&stage, 0, 40.0);
    let (cancel, drain) = (OnDisconnect::Cancel, OnDisconnect::Drain);
    // The first one leaves, and the second one has it all.
    let begin = async |id: &str, policy| {
        let mut stream =
            stage.inference().converse_stream(stream_once(id, policy)).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        stream
    };
    let (first, second) = (begin("1", cancel).await, begin("1", cancel).await);
    drop(first);
    let mut second = second;
    while second.message().await.unwrap().is_some() {}
    assert_eq!((stage.emulator.counts().finished, stage.emulator.counts().aborted), (1, 0));
    // Both leave.
    let both = (begin("2", cancel).await, begin("2", cancel).await);
    drop(both);
    stage.emulator.wait_for(|counts| counts.aborted == 1).await;
    // One of them wanted it to be read to its end.
    let both = (begin("3", cancel).await, begin("3", drain).await);
    drop(both);
    stage.emulator.wait_for(|counts| counts.finished == 2).await;
    assert_eq!((stage.emulator.counts().started, stage.emulator.counts().aborted), (3, 1));
}

/// Each twin has its own deadline.
#[tokio::test]
async fn a_twins_deadline_is_its_own() {
    let stage = Stage::open().await;
    pace(&stage, 300, 500.0);
    let mut hasty = Request::new(once("d", "hello"));
    hasty.set_timeout(Duration::from_millis(100));
    let mut clients = (stage.clockless(), stage.inference());
    let (hasty, patient) = tokio::join!(clients.0.converse(hasty), clients.1.converse(once("d", "hello")));
    let status = hasty.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "CLIENT_DEADLINE"));
    patient.unwrap();
    assert_eq!(stage.emulator.counts().started, 1);
}

/// Another request under the same id, and the same one by another RPC, is refused for nothing.
#[tokio::test]
async fn an_id_stands_for_one_request() {
    let stage = Stage::open().await;
    pace(&stage, 1_000, 500.0);
    let mut client = stage.inference();
    let mut clients = (client.clone(), client.clone());
    let mut fallback = once("k", "hello");
    fallback.options.as_mut().unwrap().fallback_models = vec!["economy".to_owned()];
    let check = |status: &tonic::Status| {
        assert_eq!(
            (status.code(), reason(status).as_str()),
            (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
        );
        assert_eq!((told(status, "billed").as_str(), report(status).attempts.len()), ("none", 0));
    };
    let ask_others = async {
        check(&clients.0.converse(once("k", "goodbye")).await.unwrap_err());
        check(&clients.0.converse(fallback).await.unwrap_err());
        let mut stream = ask_stream(CLAUDE, "hello");
        stream.options = options("k", OnDisconnect::Drain);
        check(&clients.0.converse_stream(stream).await.unwrap_err());
        // What the answer does not depend on may be different.
        let mut same = once("k", "hello");
        let options = same.options.as_mut().unwrap();
        options.on_disconnect = OnDisconnect::Cancel.into();
        options.labels = [("team".to_owned(), "a".to_owned())].into();
        clients.0.converse(same).await.unwrap();
    };
    let first = clients.1.converse(once("k", "hello"));
    let (first, ()) = tokio::join!(first, async {
        stage.emulator.wait_for(|counts| counts.started == 1).await;
        ask_others.await;
    });
    first.unwrap();
    assert_eq!(stage.emulator.counts().started, 1);
    // A count costs nothing, and its id is a name.
    let conversation =
        ConverseTokensRequest { messages: vec![user("hi")], ..ConverseTokensRequest::default() };
    let count = CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }),
        options: options("k", OnDisconnect::Drain),
        ..CountTokensRequest::default()
    };
    client.count_tokens(count).await.unwrap();
}

/// I3: another tenant's call under the same id is a call of its own.
#[tokio::test]
async fn an_id_is_its_tenants_own() {
    let (one, other) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let stage = Stage::open_with(|settings| {
        settings.tenants =
            [("one".to_owned(), tenant(&[&one])), ("other".to_owned(), tenant(&[&other]))].into();
    })
    .await;
    pace(&stage, 200, 500.0);
    let mut clients = (stage.inference(), stage.inference());
    let (first, second) = tokio::join!(
        clients.0.converse(with_key(once("t", "hello"), &one)),
        clients.1.converse(with_key(once("t", "goodbye"), &other)),
    );
    for answer in [first, second] {
        assert!(!answer.unwrap().into_inner().call.unwrap().replayed);
    }
    assert_eq!(stage.emulator.counts().started, 2);
}

/// The reason of a repeat's refusal, which costs nothing.
fn refused(status: &tonic::Status) -> (Code, String) {
    assert_eq!((told(status, "billed").as_str(), report(status).attempts.len()), ("none", 0), "{status:?}");
    (status.code(), reason(status))
}

fn no_result() -> (Code, String) {
    (Code::FailedPrecondition, "IDEMPOTENCY_NO_RESULT".to_owned())
}

fn native(id: &str) -> InvokeModelRequest {
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    InvokeModelRequest {
        model_id: Some(CLAUDE.to_owned()),
        body: Some(body.to_string().into_bytes().into()),
        options: options(id, OnDisconnect::Drain),
        ..InvokeModelRequest::default()
    }
}

/// What every kind of call is answered under these ids, and the report of each.
async fn all_kinds(stage: &Stage) -> (ConverseResponse, Vec<Event>, InvokeModelResponse, Vec<CallReport>) {
    let mut client = stage.inference();
    let whole = client.converse(once("whole", "hello")).await.unwrap().into_inner();
    let streamed = stage.stream(stream_once("streamed", OnDisconnect::Drain)).await;
    let native = client.invoke_model(native("native")).await.unwrap().into_inner();
    let reports =
        vec![whole.call.clone().unwrap(), streamed.reports()[0].clone(), native.call.clone().unwrap()];
    (answer(&whole), events(&streamed).to_vec(), InvokeModelResponse { call: None, ..native }, reports)
}

/// A stage whose ledger is in this folder.
async fn kept_in(folder: &Path) -> Stage {
    let url = format!("sqlite:{}", folder.join("ledger.db").display());
    let spill = folder.join("spill");
    Stage::open_with(|settings| {
        settings.ledger.url = Some(url);
        settings.ledger.spill = spill;
    })
    .await
}

/// C19: a repeat behind the end reads the stored answer, also from another process; nothing is called.
#[tokio::test]
async fn an_answer_is_read_again_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let stage = kept_in(folder.path()).await;
    let first = all_kinds(&stage).await;
    let again = all_kinds(&stage).await;
    assert_eq!(stage.emulator.counts().started, 3);
    stage.shutdown.cancel();
    stage.service.await.unwrap().unwrap();
    let stage = kept_in(folder.path()).await;
    let after = all_kinds(&stage).await;
    assert_eq!(stage.emulator.counts().started, 0);
    for repeat in [again, after] {
        assert_eq!((&repeat.0, &repeat.1, &repeat.2), (&first.0, &first.1, &first.2));
        for (past, now) in first.3.iter().zip(repeat.3) {
            assert_eq!(paid(&[past.clone(), now.clone()]).1, 1);
            assert!(!past.replayed && now.replayed);
        }
    }
    // It still stands for that request alone.
    let status = stage.inference().converse(once("whole", "goodbye")).await.unwrap_err();
    assert_eq!(refused(&status), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".to_owned()));
}

/// What failed for nothing may come again; what may have been paid is never made again under its id.
#[tokio::test]
async fn only_what_cost_nothing_is_made_again() {
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.idempotency.results_bytes = 20_000;
    })
    .await;
    let mut client = stage.inference();
    stage.emulator.script("ThrottlingException".parse().unwrap());
    assert_eq!(client.converse(once("free", "hello")).await.unwrap_err().code(), Code::ResourceExhausted);
    assert!(!client.converse(once("free", "hello")).await.unwrap().into_inner().call.unwrap().replayed);
    stage.emulator.script("InternalServerException".parse().unwrap());
    assert_eq!(client.converse(once("failed", "hello")).await.unwrap_err().code(), Code::Internal);
    stage.emulator.script("reset@3".parse().unwrap());
    let broken = stage.stream(stream_once("broken", OnDisconnect::Drain)).await;
    assert_eq!(broken.code(), Code::Aborted);
    stage.emulator.script(answer_of(30_000));
    let large = once("large", "hello");
    client.converse(large.clone()).await.unwrap();
    stage.emulator.script("stall@3".parse().unwrap());
    let mut stream =
        client.converse_stream(stream_once("left", OnDisconnect::Cancel)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    stage.emulator.wait_for(|counts| counts.open() == 0).await;
    let started = stage.emulator.counts().started;
    assert_eq!(refused(&client.converse(once("failed", "hello")).await.unwrap_err()), no_result());
    let broken = stage.stream(stream_once("broken", OnDisconnect::Drain)).await;
    assert_eq!(refused(&broken.status), no_result());
    assert_eq!(refused(&client.converse(large).await.unwrap_err()), no_result());
    let left = stage.stream(stream_once("left", OnDisconnect::Cancel)).await;
    assert_eq!(refused(&left.status), no_result());
    assert_eq!(stage.emulator.counts().started, started);
}

/// A caller who has left, or gave too little time, asks again for what was drained.
#[tokio::test]
async fn what_was_drained_is_there_for_who_comes_back() {
    let stage = Stage::open().await;
    pace(&stage, 200, 500.0);
    let mut hasty = Request::new(once("d", "hello"));
    hasty.set_timeout(Duration::from_millis(100));
    assert_eq!(stage.clockless().converse(hasty).await.unwrap_err().code(), Code::DeadlineExceeded);
    let report = stage.inference().converse(once("d", "hello")).await.unwrap().into_inner().call.unwrap();
    assert!(report.replayed && report.cost.is_some());
    assert_eq!(stage.emulator.counts().started, 1);
}

/// A window of zero makes an id a mere name.
#[tokio::test]
async fn without_a_window_every_call_is_made() {
    let stage = Stage::open_with(|settings| settings.idempotency.window = Duration::ZERO).await;
    for text in ["hello", "hello", "goodbye"] {
        let report = stage.inference().converse(once("1", text)).await.unwrap().into_inner().call.unwrap();
        assert!(!report.replayed && report.request_id == "1");
    }
    assert_eq!(stage.emulator.counts().started, 3);
}

/// C19: a kill -9 loses no answer that was given, and has nothing paid twice that may have been sent.
#[tokio::test]
async fn a_kill_pays_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let spill = folder.path().join("spill").display().to_string();
    let environment =
        [("BEDROCK_INFERENCE_LEDGER__URL", url.as_str()), ("BEDROCK_INFERENCE_LEDGER__SPILL", &spill)];
    let open = async || {
        let apart = Apart::open(&environment).await;
        let client = InferenceClient::new(apart.channel().await);
        (apart, client)
    };
    let (apart, mut client) = open().await;
    let mut answers = Vec::new();
    for id in ["1", "2", "3"] {
        answers.push(answer(client.converse(once(id, "hello")).await.unwrap().get_ref()));
    }
    apart.emulator.script("stall".parse().unwrap());
    let mut flying = client.clone();
    let flying = tokio::spawn(async move { flying.converse(once("flies", "hello")).await });
    apart.emulator.wait_for(|counts| counts.open() == 1).await;
    assert_eq!(apart.service.stop("KILL"), None);
    assert!(flying.await.unwrap().is_err());
    let (apart, mut client) = open().await;
    for (id, first) in ["1", "2", "3"].into_iter().zip(answers) {
        assert_eq!(answer(client.converse(once(id, "hello")).await.unwrap().get_ref()), first);
    }
    assert_eq!(refused(&client.converse(once("flies", "hello")).await.unwrap_err()), no_result());
    assert_eq!(apart.emulator.counts().started, 0);
    assert_eq!(apart.service.stop("TERM"), Some(0));
}

/// Two services on one PostgreSQL: what the other one makes is under way, and then there for both.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn replicas_answer_for_each_other() {
    let url = new_database().await;
    let folder = tempfile::tempdir().unwrap();
    let open = async |replica: &str| {
        let (url, spill) = (url.clone(), folder.path().join(replica));
        Stage::open_with(move |settings| {
            settings.ledger.url = Some(url);
            settings.ledger.replica = Some(replica.to_owned());
            settings.ledger.spill = spill;
            settings.ledger.timeout = Duration::from_secs(10);
        })
        .await
    };
    let (one, two) = (open("one").await, open("two").await);
    pace(&one, 500, 500.0);
    let (mut first, mut second) = (one.inference(), two.inference());
    let flying = tokio::spawn(async move { first.converse(once("r", "hello")).await.unwrap().into_inner() });
    one.emulator.wait_for(|counts| counts.started == 1).await;
    let status = second.converse(once("r", "hello")).await.unwrap_err();
    assert_eq!(refused(&status), (Code::Aborted, "IDEMPOTENCY_IN_FLIGHT".to_owned()));
    let wait = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!(wait >= Duration::from_secs(1) && wait < Duration::from_secs(2), "{wait:?}");
    let status = second.converse(once("r", "goodbye")).await.unwrap_err();
    assert_eq!(refused(&status), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    let first = flying.await.unwrap();
    let again = second.converse(once("r", "hello")).await.unwrap().into_inner();
    assert_eq!(answer(&again), answer(&first));
    assert!(again.call.unwrap().replayed);
    assert_eq!((one.emulator.counts().started, two.emulator.counts().started), (1, 0));
}
