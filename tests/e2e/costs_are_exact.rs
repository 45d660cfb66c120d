//! The cost in a report is that of a bill made by hand, to the pico-dollar; what has no price is not guessed.

mod amounts;
mod forms;
mod published;

use bedrock_inference::config::UnpricedModels;
use bedrock_inference_emulator::Fault;
use bedrock_inference_proto::v1::{
    CachePointBlock, CallOptions, CallReport, ContentBlock, ConverseRequest, ConverseStreamRequest,
    ConverseTokensRequest, CostBasis, CountTokensInput, EstimateCostRequest, InvokeModelRequest, Route,
    ServiceTier, TokenCounts, WarningKind, content_block, count_tokens_input,
};
use serde_json::json;
use tonic::Code;

use crate::stage::{CLAUDE, NOVA, Stage, ask, reason, report, user};

const TITAN: &str = "amazon.titan-text-express-v1";

/// Pico-USD a token of input, cache read, five-minute write, one-hour write and output.
type Rates = [i64; 5];

const CLAUDE_GEO: Rates = [3_300_000, 330_000, 4_125_000, 6_600_000, 16_500_000];
const CLAUDE_GLOBAL: Rates = [3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000];
const NOVA_US: Rates = [60_000, 15_000, 0, 0, 240_000];
const NOVA_EU: Rates = [78_000, 19_500, 0, 0, 312_000];

fn bill(tokens: &TokenCounts, rates: Rates) -> i64 {
    let counts =
        [tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h, tokens.output];
    counts.iter().zip(rates).map(|(count, rate)| count * rate).sum()
}

fn agrees(report: &CallReport, rates: Rates, what: &str) {
    let tokens = report.tokens.as_ref().unwrap_or_else(|| panic!("{what}: no tokens"));
    let cost = report.cost.as_ref().unwrap_or_else(|| panic!("{what}: no cost, {:?}", report.warnings));
    assert_eq!(cost.pico_usd, bill(tokens, rates), "{what}: {cost:?}");
    assert_eq!(cost.lines.iter().map(|line| line.pico_usd).sum::<i64>(), cost.pico_usd, "{what}");
    assert!(cost.pico_usd > 0 && cost.basis() == CostBasis::Exact, "{what}: {cost:?}");
}

fn stream_of(request: ConverseRequest) -> ConverseStreamRequest {
    ConverseStreamRequest {
        model_id: request.model_id,
        messages: request.messages,
        service_tier: request.service_tier,
        options: request.options,
        ..ConverseStreamRequest::default()
    }
}

async fn unary(stage: &Stage, request: ConverseRequest) -> CallReport {
    stage.inference().converse(request).await.unwrap().into_inner().call.unwrap()
}

async fn streamed(stage: &Stage, request: ConverseRequest) -> CallReport {
    let ending = stage.stream(stream_of(request)).await;
    assert_eq!(ending.code(), Code::Ok, "{:?}", ending.status);
    ending.reports()[0].clone()
}

fn by(route: Route, request: ConverseRequest) -> ConverseRequest {
    let options = CallOptions { route: route.into(), ..CallOptions::default() };
    ConverseRequest { options: Some(options), ..request }
}

fn warned(report: &CallReport, kind: WarningKind) -> bool {
    report.warnings.iter().any(|warning| warning.kind() == kind)
}

#[tokio::test]
async fn every_way_to_call_has_the_bill_made_by_hand() {
    let stage = Stage::open().await;
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}");
    let nova_arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}");
    let cases = [
        (CLAUDE.to_owned(), CLAUDE_GEO),
        (format!("us.{CLAUDE}"), CLAUDE_GEO),
        (format!("global.{CLAUDE}"), CLAUDE_GLOBAL),
        (arn, CLAUDE_GEO),
        (NOVA.to_owned(), NOVA_US),
        (format!("us.{NOVA}"), NOVA_US),
        (nova_arn, NOVA_US),
        (TITAN.to_owned(), [200_000, 0, 0, 0, 600_000]),
    ];
    for (id, rates) in cases {
        for route in [Route::Native, Route::Converse] {
            let what = format!("{id} by {route:?}");
            agrees(&unary(&stage, by(route, ask(&id, "What does it cost?"))).await, rates, &what);
            agrees(&streamed(&stage, by(route, ask(&id, "What does it cost?"))).await, rates, &what);
        }
    }
}

#[tokio::test]
async fn other_geographies_have_other_prices() {
    let stage = Stage::open_with(|settings| settings.aws.region = Some("eu-west-1".to_owned())).await;
    agrees(&unary(&stage, ask(&format!("eu.{NOVA}"), "hi")).await, NOVA_EU, "eu");
    agrees(&unary(&stage, ask(CLAUDE, "hi")).await, CLAUDE_GEO, "completed");
}

/// U18: writes and reads of the prompt cache have their own lines, of either lifetime and by both routes.
#[tokio::test]
async fn the_prompt_cache_has_its_own_prices() {
    for route in [Route::Native, Route::Converse] {
        for ttl in [None, Some("1h")] {
            let stage = Stage::open().await;
            let mut request = by(route, ask(CLAUDE, &"Remember this well. ".repeat(600)));
            let point = CachePointBlock { r#type: Some("default".to_owned()), ttl: ttl.map(str::to_owned) };
            let content = &mut request.messages[0].content;
            content.push(ContentBlock { kind: Some(content_block::Kind::CachePoint(point)) });
            let question = content_block::Kind::Text("What was it?".to_owned());
            content.push(ContentBlock { kind: Some(question) });
            let (first, second) = (unary(&stage, request.clone()).await, streamed(&stage, request).await);
            for (report, class) in [
                (&first, if ttl.is_some() { "cache_write_1h" } else { "cache_write_5m" }),
                (&second, "cache_read"),
            ] {
                let what = format!("{class} by {route:?}");
                agrees(report, CLAUDE_GEO, &what);
                let lines = &report.cost.as_ref().unwrap().lines;
                assert!(lines.iter().any(|line| line.token_class == class && line.quantity > 500), "{what}");
            }
            assert!(first.cost.unwrap().pico_usd > second.cost.unwrap().pico_usd);
        }
    }
}

#[tokio::test]
async fn native_bodies_have_a_cost_and_counting_has_none() {
    let stage = Stage::open().await;
    let body = json!({"inputText": "hi", "textGenerationConfig": {"maxTokenCount": 64}}).to_string();
    let request = InvokeModelRequest {
        model_id: Some(TITAN.to_owned()),
        body: Some(body.into()),
        ..InvokeModelRequest::default()
    };
    let reply = stage.inference().invoke_model(request).await.unwrap().into_inner();
    agrees(&reply.call.unwrap(), [200_000, 0, 0, 0, 600_000], "native");
    let estimate = stage.inference().estimate_cost(estimate(CLAUDE)).await.unwrap().into_inner();
    let report = estimate.call.unwrap();
    assert!(report.cost.is_none() && report.warnings.is_empty(), "{report:?}");
}

/// The tier that served decides, whatever was asked for.
#[tokio::test]
async fn the_tier_that_bedrock_reports_is_charged() {
    let stage = Stage::by_converse().await;
    let model = "amazon.nova-pro-v1:0";
    for (asked, told, rates) in [
        ("priority", Some("default"), [800_000, 200_000, 0, 0, 3_200_000]),
        ("priority", Some("priority"), [1_400_000, 350_000, 0, 0, 5_600_000]),
        ("default", Some("flex"), [400_000, 100_000, 0, 0, 1_600_000]),
        ("flex", None, [400_000, 100_000, 0, 0, 1_600_000]),
    ] {
        let mut reply = json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
            "metrics": {"latencyMs": 1}
        });
        if let Some(told) = told {
            reply["serviceTier"] = json!({"type": told});
        }
        stage.emulator.script(Fault::Reply(reply));
        let tier = Some(ServiceTier { r#type: Some(asked.to_owned()) });
        let report = unary(&stage, ConverseRequest { service_tier: tier, ..ask(model, "hi") }).await;
        agrees(&report, rates, &format!("{asked}, then {told:?}"));
    }
}

/// What an attempt may have cost that told no usage is not made up, but told.
#[tokio::test]
async fn an_attempt_that_may_have_been_billed_is_told() {
    let stage = Stage::open_with(|settings| settings.retry.attempts = 3).await;
    for (fault, told) in [("InternalServerException", true), ("ThrottlingException", false)] {
        stage.emulator.script(fault.parse().unwrap());
        let report = unary(&stage, ask(NOVA, "hi")).await;
        assert_eq!(report.attempts.len(), 2, "{fault}");
        agrees(&report, NOVA_US, fault);
        assert_eq!(warned(&report, WarningKind::CostIncomplete), told, "{fault}: {:?}", report.warnings);
    }
}

/// I17: a model without a price is called with a warning, or refused before anything is sent.
#[tokio::test]
async fn a_model_without_a_price_is_never_guessed() {
    let stage = Stage::open().await;
    let model = "anthropic.claude-3-haiku-20240307-v1:0";
    let told = unary(&stage, ask(model, "hi")).await;
    assert!(told.cost.is_none() && told.tokens.is_some());
    assert!(warned(&told, WarningKind::Unpriced), "{:?}", told.warnings);

    let strict = Stage::open_with(|settings| settings.unpriced_models = UnpricedModels::Refuse).await;
    let status = strict.inference().converse(ask(model, "hi")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "MODEL_NOT_PRICED"));
    assert!(strict.emulator.calls().is_empty());
    assert!(report(&status).attempts.is_empty());
    // Where another target has one, that is called.
    let options = CallOptions { fallback_models: vec![NOVA.to_owned()], ..CallOptions::default() };
    let report = unary(&strict, ConverseRequest { options: Some(options), ..ask(model, "hi") }).await;
    agrees(&report, NOVA_US, "fallback");
    assert!(warned(&report, WarningKind::TargetLeftOut), "{:?}", report.warnings);
}

fn estimate(model: &str) -> EstimateCostRequest {
    let conversation =
        ConverseTokensRequest { messages: vec![user("What does it cost?")], ..Default::default() };
    EstimateCostRequest {
        model_id: Some(model.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }),
        ..EstimateCostRequest::default()
    }
}

#[tokio::test]
async fn an_estimate_has_the_call_between_its_bounds() {
    let stage = Stage::open().await;
    for model in [CLAUDE, NOVA, "economy"] {
        let bounds = stage.inference().estimate_cost(estimate(model)).await.unwrap().into_inner();
        let (low, high) = (bounds.low.unwrap(), bounds.high.unwrap());
        let cost = unary(&stage, ask(model, "What does it cost?")).await.cost.unwrap();
        assert!(low.pico_usd <= cost.pico_usd && cost.pico_usd <= high.pico_usd, "{model}: {low:?} {high:?}");
        assert_eq!((low.basis(), high.basis()), (CostBasis::Estimated, CostBasis::Estimated));
    }
    let request = EstimateCostRequest { max_tokens: Some(10), ..estimate(CLAUDE) };
    let bounds = stage.inference().estimate_cost(request).await.unwrap().into_inner();
    assert!(!bounds.estimated);
    assert_eq!(bounds.low.unwrap().pico_usd, bounds.input_tokens * CLAUDE_GEO[1]);
    assert_eq!(bounds.high.unwrap().pico_usd, bounds.input_tokens * CLAUDE_GEO[3] + 10 * CLAUDE_GEO[4]);
    let request = EstimateCostRequest { max_tokens: Some(-1), ..estimate(CLAUDE) };
    let status = stage.inference().estimate_cost(request).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_REQUEST");
}
