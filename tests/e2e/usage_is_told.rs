//! Usage is told: a tenant reads what its calls have used, as their reports said; and Bedrock's log agrees.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_inference::config::{BudgetSettings, TenantSettings};
use bedrock_inference::principal::ApiKey;
use bedrock_inference_proto::v1::usage_client::UsageClient;
use bedrock_inference_proto::v1::{
    CallOptions, CallReport, ConverseRequest, ConverseStreamRequest, GetUsageRequest, GetUsageResponse,
    InvokeModelRequest, LedgerKind, LedgerRow, ListCallsRequest, ReconcileRequest, ReconcileResponse,
    TokenCounts, UsageGroup, UsageGrouping,
};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::callers_are_known::{knowing, tenant, with_key};
use crate::stage::{CLAUDE, NOVA, Stage, ask, reason};
use crate::the_command_line_works::process::{file, program, run};

const TITAN: &str = "amazon.titan-text-express-v1";

fn usage(stage: &Stage) -> UsageClient<Channel> {
    UsageClient::new(stage.channel.clone())
}

fn labelled(team: &str) -> Option<CallOptions> {
    let labels = [("team".to_owned(), team.to_owned())].into();
    Some(CallOptions { labels, ..CallOptions::default() })
}

/// Calls of several kinds; their reports.
async fn calls(stage: &Stage, key: &ApiKey, count: usize) -> Vec<CallReport> {
    let mut reports = Vec::new();
    for (number, team) in (0..count).zip(["x", "y"].into_iter().cycle()) {
        let model = [CLAUDE, NOVA][number / 2 % 2];
        let request = ConverseRequest { options: labelled(team), ..ask(model, "What does it cost?") };
        let reply = stage.inference().converse(with_key(request.clone(), key)).await.unwrap();
        reports.push(reply.into_inner().call.unwrap());
        let request = ConverseStreamRequest {
            model_id: request.model_id,
            messages: request.messages,
            ..ConverseStreamRequest::default()
        };
        let mut stream =
            stage.inference().converse_stream(with_key(request, key)).await.unwrap().into_inner();
        while let Some(message) = stream.message().await.unwrap() {
            if let Some(bedrock_inference_proto::v1::converse_stream_response::Event::Call(report)) =
                message.event
            {
                reports.push(report);
            }
        }
        let body = json!({"inputText": "hi", "textGenerationConfig": {"maxTokenCount": 64}}).to_string();
        let request = InvokeModelRequest {
            model_id: Some(TITAN.to_owned()),
            body: Some(body.into()),
            options: labelled(team),
            ..InvokeModelRequest::default()
        };
        let reply = stage.inference().invoke_model(with_key(request, key)).await.unwrap();
        reports.push(reply.into_inner().call.unwrap());
    }
    reports
}

async fn told(stage: &Stage, key: &ApiKey, by: &[UsageGrouping]) -> GetUsageResponse {
    let request = GetUsageRequest {
        group_by: by.iter().map(|by| i32::from(*by)).collect(),
        label: "team".to_owned(),
        ..GetUsageRequest::default()
    };
    usage(stage).get_usage(with_key(request, key)).await.unwrap().into_inner()
}

/// The same once everything that has ended is settled.
async fn settled(stage: &Stage, key: &ApiKey, by: &[UsageGrouping]) -> GetUsageResponse {
    loop {
        let told = told(stage, key, by).await;
        if told.groups.iter().all(|group| group.open_attempts == 0) {
            return told;
        }
    }
}

/// Calls, tokens and cost.
type Sum = (i64, TokenCounts, i64);

fn add(sum: &mut Sum, tokens: TokenCounts, pico_usd: i64) {
    sum.0 += 1;
    sum.1.input += tokens.input;
    sum.1.cache_read += tokens.cache_read;
    sum.1.cache_write_5m += tokens.cache_write_5m;
    sum.1.cache_write_1h += tokens.cache_write_1h;
    sum.1.output += tokens.output;
    sum.2 += pico_usd;
}

fn by_model(reports: &[CallReport]) -> BTreeMap<String, Sum> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for report in reports {
        let cost = report.cost.as_ref().unwrap().pico_usd;
        add(sums.entry(report.model.clone()).or_default(), report.tokens.unwrap(), cost);
    }
    sums
}

fn sum(group: &UsageGroup) -> Sum {
    assert_eq!((group.attempts, group.failed_attempts, group.unpriced_attempts), (group.calls, 0, 0));
    let (cost, rest) = (group.cost.as_ref().unwrap(), [&group.estimated, &group.reserved, &group.saved]);
    assert!(rest.iter().all(|amount| amount.as_ref().unwrap().pico_usd == 0), "{group:?}");
    let usd = format!("{:013}", cost.pico_usd);
    let (whole, fraction) = usd.split_at(usd.len() - 12);
    let fraction = fraction.trim_end_matches('0');
    let decimal = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    assert_eq!(cost.usd.trim_end_matches('0').trim_end_matches('.'), decimal);
    (group.calls, group.tokens.unwrap(), cost.pico_usd)
}

fn two() -> (ApiKey, ApiKey) {
    (ApiKey::new().unwrap(), ApiKey::new().unwrap())
}

#[tokio::test]
async fn sums_are_those_of_the_call_reports_and_of_nobody_else() {
    let (one, other) = two();
    let budget = BudgetSettings { month_usd: Some("5".parse().unwrap()), ..BudgetSettings::default() };
    let stage =
        knowing(vec![("one", TenantSettings { budget, ..tenant(&[&one]) }), ("other", tenant(&[&other]))])
            .await;
    let reports = calls(&stage, &one, 4).await;
    let others = calls(&stage, &other, 1).await;
    for (key, reports) in [(&one, &reports), (&other, &others)] {
        let told = settled(&stage, key, &[UsageGrouping::Model]).await;
        let groups = told.groups.iter().map(|group| (group.model().to_owned(), sum(group)));
        assert_eq!(groups.collect::<BTreeMap<_, _>>(), by_model(reports));
        let cost: i64 = reports.iter().map(|report| report.cost.as_ref().unwrap().pico_usd).sum();
        for standing in &told.budgets {
            let (spent, held) = (standing.spent.as_ref().unwrap(), standing.held.as_ref().unwrap());
            assert_eq!((spent.pico_usd, held.pico_usd), (cost, 0), "{standing:?}");
            let limit = standing.limit.as_ref().map(|limit| limit.pico_usd);
            let has_one = standing.period == "month" && std::ptr::eq(key, &raw const one);
            assert_eq!(limit, has_one.then_some(5_000_000_000_000));
        }
    }
    // Streams have no label.
    let told = told(&stage, &one, &[UsageGrouping::Label, UsageGrouping::Operation]).await;
    let labels: BTreeSet<_> =
        told.groups.iter().map(|group| (group.operation(), group.label.as_deref(), group.calls)).collect();
    let expected = [
        ("Converse", Some("x"), 2),
        ("Converse", Some("y"), 2),
        ("ConverseStream", None, 4),
        ("InvokeModel", Some("x"), 2),
        ("InvokeModel", Some("y"), 2),
    ];
    assert_eq!(labels, expected.into());
}

async fn page(stage: &Stage, key: &ApiKey, request: &ListCallsRequest) -> (Vec<LedgerRow>, String) {
    let page = usage(stage).list_calls(with_key(request.clone(), key)).await.unwrap().into_inner();
    (page.rows, page.next_page_token)
}

#[tokio::test]
async fn pages_stay_as_they_are_while_calls_are_made() {
    let (one, other) = two();
    let stage = knowing(vec![("one", tenant(&[&one])), ("other", tenant(&[&other]))]).await;
    let reports = calls(&stage, &one, 3).await;
    settled(&stage, &one, &[]).await;
    let (mut seen, mut request) =
        (Vec::new(), ListCallsRequest { page_size: 2, ..ListCallsRequest::default() });
    loop {
        let (rows, next) = page(&stage, &one, &request).await;
        seen.extend(rows.into_iter().map(|row| row.request_id));
        calls(&stage, &one, 1).await;
        calls(&stage, &other, 1).await;
        if next.is_empty() {
            break;
        }
        request.page_token = next;
    }
    let expected: Vec<_> = reports.iter().rev().map(|report| report.request_id.clone()).collect();
    assert_eq!(seen, expected);

    let request = ListCallsRequest { request_id: expected[0].clone(), ..ListCallsRequest::default() };
    let (rows, _) = page(&stage, &one, &request).await;
    let (row, report) = (&rows[0], reports.last().unwrap());
    assert_eq!((rows.len(), row.kind(), row.outcome.as_str()), (1, LedgerKind::Exact, "OK"));
    assert_eq!(
        (&row.model, &row.aws_request_id, row.tokens),
        (&report.model, &report.aws_request_id, report.tokens)
    );
    assert_eq!(row.cost.as_ref().unwrap().pico_usd, report.cost.as_ref().unwrap().pico_usd);
    assert!(page(&stage, &other, &request).await.0.is_empty(), "another tenant's call is shown");
    for (label, value, outcome, found) in
        [("team", Some("x"), "", true), ("team", Some("z"), "", false), ("", None, "CANCELLED", false)]
    {
        let request = ListCallsRequest {
            label: label.to_owned(),
            label_value: value.map(str::to_owned),
            outcome: outcome.to_owned(),
            ..ListCallsRequest::default()
        };
        let (rows, _) = page(&stage, &one, &request).await;
        assert_eq!(!rows.is_empty(), found, "{label} {outcome}");
        assert!(rows.iter().all(|row| row.labels["team"] == "x"));
    }
}

async fn compared(stage: &Stage, key: &ApiKey, lines: Vec<String>) -> ReconcileResponse {
    let request = ReconcileRequest { lines, ..ReconcileRequest::default() };
    usage(stage).reconcile(with_key(request, key)).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_log_agrees_and_a_change_is_told_to_the_token() {
    let (one, other) = two();
    let stage = knowing(vec![("one", tenant(&[&one])), ("other", tenant(&[&other]))]).await;
    let reports = calls(&stage, &one, 2).await;
    settled(&stage, &one, &[]).await;
    let log: Vec<_> = stage.emulator.invocation_logs().lines().map(str::to_owned).collect();
    assert_eq!(log.len(), reports.len());
    let same = compared(&stage, &one, log.clone()).await;
    assert_eq!((same.lines, same.matched, same.drifted, same.drift_pico_usd), (6, 6, 0, 0), "{same:?}");
    assert_eq!((same.missing_in_ledger, same.missing_in_log), (0, 0), "{same:?}");
    assert_eq!(same.log_tokens, same.ledger_tokens);
    let bill = i64::try_from(stage.emulator.bill().total_pico_usd).unwrap();
    let told = settled(&stage, &one, &[]).await;
    assert_eq!(told.groups[0].cost.as_ref().unwrap().pico_usd, bill);

    // One token of output more, of a model whose token costs 16.5 millionths of a dollar; one line less, one of nobody.
    let mut log = log;
    let at = log.iter().position(|line| line.contains(CLAUDE)).unwrap();
    let mut changed: Value = serde_json::from_str(&log[at]).unwrap();
    let output = changed["output"]["outputTokenCount"].as_u64().unwrap();
    changed["output"]["outputTokenCount"] = json!(output + 1);
    log[at] = changed.to_string();
    changed["requestId"] = json!("of-nobody");
    let last = log.pop().unwrap();
    log.extend([changed.to_string(), "no JSON".to_owned()]);
    let differs = compared(&stage, &one, log.clone()).await;
    assert_eq!((differs.matched, differs.drifted, differs.drift_pico_usd), (5, 1, 16_500_000), "{differs:?}");
    let drift = &differs.drifts[0];
    let tokens = drift.tokens.unwrap();
    assert_eq!((tokens.input, tokens.cache_read, tokens.cache_write, tokens.output), (0, 0, 0, 1));
    assert_eq!(drift.pico_usd, Some(16_500_000));
    assert_eq!(
        (differs.not_in_ledger[0].aws_request_id.as_str(), differs.missing_in_ledger),
        ("of-nobody", 1)
    );
    assert_eq!((differs.missing_in_log, differs.unreadable), (1, vec![7]));
    assert!(last.contains(&differs.not_in_log[0].aws_request_id));

    // To somebody else, they are ids that the ledger does not have.
    let others = compared(&stage, &other, log).await;
    assert_eq!((others.matched, others.missing_in_ledger, others.missing_in_log), (0, 6, 0));
    assert_eq!(others.ledger_tokens.unwrap().input, 0);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let (one, barred) = two();
    let only = TenantSettings { methods: Some(vec!["Converse".to_owned()]), ..tenant(&[&barred]) };
    let stage = knowing(vec![("one", tenant(&[&one])), ("barred", only)]).await;
    let why = |status: Status| (status.code(), reason(&status));
    let invalid = (Code::InvalidArgument, "INVALID_REQUEST".to_owned());
    for request in [
        GetUsageRequest { group_by: vec![99], ..GetUsageRequest::default() },
        GetUsageRequest { group_by: vec![UsageGrouping::Label.into()], ..GetUsageRequest::default() },
        GetUsageRequest {
            from: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..GetUsageRequest::default()
        },
    ] {
        let status = usage(&stage).get_usage(with_key(request, &one)).await.unwrap_err();
        assert_eq!(why(status), invalid);
    }
    for request in [
        ListCallsRequest { page_size: -1, ..ListCallsRequest::default() },
        ListCallsRequest { page_token: "x".to_owned(), ..ListCallsRequest::default() },
        ListCallsRequest { label_value: Some("x".to_owned()), ..ListCallsRequest::default() },
    ] {
        let status = usage(&stage).list_calls(with_key(request, &one)).await.unwrap_err();
        assert_eq!(why(status), invalid);
    }
    let lines = vec![String::new(); 10_001];
    let request = ReconcileRequest { lines, ..ReconcileRequest::default() };
    assert_eq!(why(usage(&stage).reconcile(with_key(request, &one)).await.unwrap_err()), invalid);
    let status = usage(&stage).get_usage(with_key(GetUsageRequest::default(), &barred)).await.unwrap_err();
    assert_eq!(why(status), (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()));
}

/// The service answers although the ledger's database does not.
#[tokio::test]
async fn a_ledger_that_is_down_is_said_to_be() {
    let stage = Stage::behind_tls(|settings| {
        // Nobody listens there.
        settings.ledger.url = Some("postgres://nobody@127.0.0.1:1/none".to_owned());
        settings.ledger.spill = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("usage_is_told.spill");
    })
    .await;
    let status = usage(&stage).get_usage(GetUsageRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "LEDGER_UNAVAILABLE"));
}

#[tokio::test]
async fn the_command_line_prints_it() {
    let key = ApiKey::new().unwrap();
    let stage = knowing(vec![("one", tenant(&[&key]))]).await;
    let reports = calls(&stage, &key, 1).await;
    settled(&stage, &key, &[]).await;
    let url = format!("http://{}", stage.addr);
    let command = |rest: &[&str]| {
        let arguments: Vec<_> =
            ["usage"].iter().chain(rest).copied().chain(["--endpoint", &url]).map(str::to_owned).collect();
        let secret = key.reveal().to_owned();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            run(program(&arguments).env("BEDROCK_INFERENCE_API_KEY", secret))
        })
    };
    let csv = command(&["--by", "model", "--by", "label:team", "--format", "csv"]).await.unwrap().good();
    assert!(csv.starts_with("model,label,calls,attempts,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + reports.len(), "{csv}");
    let table = command(&[]).await.unwrap();
    assert!(table.stderr.contains("this month: "), "{table:?}");
    assert!(table.good().contains("cost_usd"));
    let rows = command(&["calls", "--format", "json"]).await.unwrap().good();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), reports.len());
    assert_eq!(rows[0]["requestId"], reports.last().unwrap().request_id);
    let log = stage.emulator.invocation_logs();
    let whole = file("usage.jsonl", &log);
    let told = command(&["reconcile", whole.to_str().unwrap()]).await.unwrap().good();
    assert!(told.starts_with("3 lines, 3 in the ledger, 0 of them failed; 0 differ"), "{told}");
    let part = file("usage_less.jsonl", &log.replace("\"inputTokenCount\":", "\"inputTokenCount\":9"));
    command(&["reconcile", part.to_str().unwrap()]).await.unwrap().bad(1);
}
