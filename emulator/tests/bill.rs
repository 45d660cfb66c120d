//! The bill: what each kind of call costs, computed by hand, to the pico-dollar; and Bedrock's own log of the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod client;

use bedrock_inference_emulator::{
    BillClass, BillEnd, BillLine, BilledUsage, Emulator, Pace, Settings, TextUnits, access_key_id_of,
};
use client::{BOTH, Client, NOVA, Protocol, claude, emulator, frames, path, read, say, soon, with_fault};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// Seven tokens of input for every family, with what a message adds.
const QUESTION: &str = "Sixteen letters.";

const EXPRESS: &str = "amazon.titan-text-express-v1";

/// How a call is made, by the last part of its path.
const CONVERSE: &str = "converse";
const CONVERSE_STREAM: &str = "converse-stream";
const INVOKE: &str = "invoke";
const INVOKE_STREAM: &str = "invoke-with-response-stream";

async fn emulator_in(region: &str) -> Emulator {
    Emulator::start(Settings { region: region.to_owned(), ..Settings::default() }).await.unwrap()
}

/// Makes a call, reads its answer to the end, and takes its line; the usage there is what the answer says.
async fn line(emulator: &Emulator, model: &str, verb: &str, body: &Value) -> BillLine {
    let mut client = Client::connect(emulator, Protocol::Http2).await;
    let before = emulator.counts().finished;
    let response = client.post(&path(model, verb), body.to_string()).await.unwrap();
    assert_eq!(response.status(), 200, "{model} {verb}");
    let request_id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let said = match verb {
        CONVERSE => read(response).await.json()["usage"].clone(),
        INVOKE => {
            let answer = read(response).await;
            let count = |name: &str| answer.header(name).parse::<u32>().unwrap();
            json!({"inputTokens": count("x-amzn-bedrock-input-token-count"),
                "outputTokens": count("x-amzn-bedrock-output-token-count")})
        }
        _ => frames(response).await.0.pop().unwrap().1["usage"].clone(),
    };
    soon(emulator.wait_for(|counts| counts.finished > before)).await;
    let line = emulator.bill().lines.pop().unwrap();
    assert_eq!((line.request_id.as_str(), line.model_id.as_str()), (request_id.as_str(), model));
    assert_eq!(line.end, BillEnd::Finished);
    if !said.is_null() {
        assert_eq!(said["inputTokens"], line.usage.input, "{model} {verb}");
        assert_eq!(said["outputTokens"], line.usage.output, "{model} {verb}");
    }
    line
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

fn in_tier(tier: &str) -> Value {
    with(say(QUESTION), "serviceTier", json!({"type": tier}))
}

fn titan() -> Value {
    json!({"inputText": QUESTION})
}

/// A question after text that is written to the prompt cache: 2,000 tokens for an hour, 1,500 for five minutes.
fn cached() -> Value {
    let system = json!([
        {"text": "s".repeat(8_000)}, {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "t".repeat(6_000)}, {"cachePoint": {"type": "default", "ttl": "5m"}},
    ]);
    with(say(QUESTION), "system", system)
}

#[tokio::test]
async fn every_kind_of_call_costs_what_was_computed_by_hand() {
    let emulator = emulator().await;
    let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8";
    let mut total = 0;
    // Micro-USD by hand, from USD a million tokens: 7 in and 67 out at 0.8 and 3.2 are 5.6 + 214.4.
    for (model, verb, body, output, pico_usd) in [
        ("amazon.nova-pro-v1:0", CONVERSE, say(QUESTION), 67, 220_000_000),
        ("us.amazon.nova-pro-v1:0", CONVERSE_STREAM, say(QUESTION), 67, 220_000_000),
        // 1.05 and 4.2.
        ("eu.amazon.nova-pro-v1:0", CONVERSE, say(QUESTION), 67, 288_750_000),
        // 1.4 and 5.6; 0.4 and 1.6.
        ("amazon.nova-pro-v1:0", CONVERSE, in_tier("priority"), 67, 385_000_000),
        ("us.amazon.nova-pro-v1:0", CONVERSE_STREAM, in_tier("flex"), 67, 110_000_000),
        ("amazon.nova-pro-v1:0", CONVERSE, in_tier("default"), 67, 220_000_000),
        // 0.3 and 2.5; 0.396 and 3.311.
        ("global.amazon.nova-2-lite-v1:0", CONVERSE, say(QUESTION), 68, 172_100_000),
        ("jp.amazon.nova-2-lite-v1:0", CONVERSE_STREAM, say(QUESTION), 68, 227_920_000),
        // 0.2 and 0.6; 0.5 and 1.5; 0.15 and 0.2.
        (EXPRESS, INVOKE, titan(), 69, 42_800_000),
        ("amazon.titan-text-premier-v1:0", INVOKE_STREAM, titan(), 69, 107_000_000),
        ("amazon.titan-text-lite-v1", CONVERSE, say(QUESTION), 69, 14_850_000),
        // 3.3 and 16.5; 3 and 15; 5.5 and 27.5.
        (client::SONNET, INVOKE, claude(QUESTION), 67, 1_128_600_000),
        (
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            INVOKE_STREAM,
            claude(QUESTION),
            67,
            1_026_000_000,
        ),
        (arn, CONVERSE, say(QUESTION), 67, 1_881_000_000),
        // 0.1 and 0.5.
        ("global.anthropic.claude-haiku-5-5", CONVERSE, say(QUESTION), 67, 34_200_000),
    ] {
        let line = line(&emulator, model, verb, &body).await;
        assert_eq!(line.usage, BilledUsage { input: 7, output, ..BilledUsage::default() }, "{model} {verb}");
        assert_eq!(line.pico_usd, Some(pico_usd), "{model} {verb}");
        total += pico_usd;
    }
    let bill = emulator.bill();
    assert_eq!((bill.total_pico_usd, bill.failed_pico_usd, bill.unpriced), (total, 0, vec![]));
}

#[tokio::test]
async fn the_prompt_cache_has_prices_of_its_own() {
    let emulator = emulator().await;
    let model = "global.anthropic.claude-sonnet-4-6";
    let first = line(&emulator, model, CONVERSE, &cached()).await;
    let written = BilledUsage { cache_write_1h: 2_000, cache_write_5m: 1_500, ..BilledUsage::default() };
    assert_eq!(first.usage, BilledUsage { input: 7, output: 108, ..written });
    // 2,000 at 6, 1,500 at 3.75, 7 at 3 and 108 at 15.
    assert_eq!(first.pico_usd, Some(12_000_000_000 + 5_625_000_000 + 21_000_000 + 1_620_000_000));
    let second = line(&emulator, model, CONVERSE_STREAM, &cached()).await;
    let read = BilledUsage { cache_read: 3_500, ..BilledUsage::default() };
    assert_eq!(second.usage, BilledUsage { input: 7, output: 108, ..read });
    // 3,500 at 0.3.
    assert_eq!(second.pico_usd, Some(1_050_000_000 + 21_000_000 + 1_620_000_000));
    let classes: Vec<_> = second.parts.iter().map(|part| part.class).collect();
    assert_eq!(classes, [BillClass::Input, BillClass::Output, BillClass::CacheRead]);
}

#[tokio::test]
async fn a_long_context_and_a_region_change_the_price_of_the_whole_call() {
    let emulator = emulator().await;
    let haiku = "global.anthropic.claude-haiku-5-5";
    // The message adds three tokens: 100,000 is not above the threshold yet, 100,001 is.
    for (letters, input, output) in [(399_988, 100_000_u32, 500_000_u128), (399_992, 100_001, 2_500_000)] {
        let body = with(say(&"a".repeat(letters)), "inferenceConfig", json!({"maxTokens": 10}));
        let line = line(&emulator, haiku, CONVERSE, &body).await;
        assert_eq!(line.usage.input, input);
        // 0.1 and 0.5, and five times that above.
        let expected = u128::from(input) * (output / 5) + u128::from(line.usage.output) * output;
        assert_eq!(line.pico_usd, Some(expected), "{input}");
    }
    let gov = emulator_in("us-gov-west-1").await;
    let line = line(&gov, "amazon.nova-pro-v1:0", CONVERSE, &say(QUESTION)).await;
    // 7 at 0.96 and 67 at 3.84.
    assert_eq!((line.region.as_str(), line.pico_usd), ("us-gov-west-1", Some(264_000_000)));
    // Where one emulator stands for all regions, the signature tells which was called.
    let signed = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-gov-east-1/bedrock/aws4_request";
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    client.post_as(&path("amazon.nova-pro-v1:0", CONVERSE), signed, &say(QUESTION)).await;
    let line = emulator.bill().lines.pop().unwrap();
    assert_eq!((line.region.as_str(), line.pico_usd), ("us-gov-east-1", Some(264_000_000)));
    assert!(emulator.invocation_logs().contains(r#""region":"us-gov-east-1""#));
}

#[tokio::test]
async fn whoever_leaves_pays_for_the_whole_answer() {
    for protocol in BOTH {
        let emulator = emulator().await;
        let unread = line(&emulator, NOVA, CONVERSE, &say(QUESTION)).await;
        emulator.set_pace(Pace { first_token: std::time::Duration::ZERO, tokens_per_second: Some(0.01) });
        for frames in 0..2 {
            let mut client = Client::connect(&emulator, protocol).await;
            let mut response = client.stream(NOVA, &say(QUESTION)).await.unwrap();
            for _ in 0..frames {
                soon(response.body_mut().frame()).await.unwrap().unwrap();
            }
        }
        for body in [say(QUESTION), with_fault(say(QUESTION), "slow=3600000")] {
            let mut client = Client::connect(&emulator, protocol).await;
            let started = emulator.counts().started;
            tokio::select! {
                _ = client.converse(NOVA, &body) => {}
                () = soon(emulator.wait_for(|counts| counts.started > started)) => {}
            }
        }
        soon(emulator.wait_for(|counts| counts.aborted == 4)).await;
        let bill = emulator.bill();
        for aborted in &bill.lines[1..] {
            assert_eq!((aborted.end, aborted.usage), (BillEnd::Aborted, unread.usage), "{protocol:?}");
            assert_eq!(aborted.pico_usd, Some(220_000_000));
        }
        assert_eq!((bill.lines.len(), bill.total_pico_usd), (5, 5 * 220_000_000));
        let log = emulator.invocation_logs();
        assert!(!log.contains("errorCode") && log.lines().count() == 5, "{log}");
    }
}

#[tokio::test]
async fn what_failed_half_way_is_listed_beside_the_total() {
    let emulator = emulator().await;
    let mut errors = Vec::new();
    for (verb, fault) in [
        (CONVERSE_STREAM, "ThrottlingException@2"),
        (CONVERSE_STREAM, "cut@3"),
        (CONVERSE_STREAM, "cut-byte@200"),
        (CONVERSE_STREAM, "cut-mid-frame@1"),
        (CONVERSE_STREAM, "reset@2"),
        (CONVERSE_STREAM, "bad-crc@2"),
        (CONVERSE_STREAM, "bad-prelude@2"),
        (CONVERSE, "cut-byte@20"),
        (CONVERSE, "cut@1"),
    ] {
        let mut client = Client::connect(&emulator, Protocol::Http2).await;
        let body = with_fault(say(QUESTION), fault).to_string();
        let response = client.post(&path(NOVA, verb), body).await.unwrap();
        drop(response.into_body().collect().await);
        drop(client);
        soon(emulator.wait_for(|counts| counts.open() == 0)).await;
        let line = emulator.bill().lines.pop().unwrap();
        assert_eq!((line.end, line.pico_usd), (BillEnd::Failed, Some(220_000_000)), "{fault}");
        let log = emulator.invocation_logs();
        let entry: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert!(entry["output"].is_null() && entry["input"]["inputTokenCount"] == 7, "{entry}");
        errors.push(entry["errorCode"].as_str().unwrap().to_owned());
    }
    assert_eq!(errors.remove(0), "ThrottlingException");
    assert!(errors.iter().all(|error| error == "InternalServerException"), "{errors:?}");
    let bill = emulator.bill();
    assert_eq!((bill.total_pico_usd, bill.failed_pico_usd), (0, 9 * 220_000_000));
    for fault in ["cut@999", "cut-byte@99999", "unknown-event@1", "slow=1@1"] {
        let mut client = Client::connect(&emulator, Protocol::Http2).await;
        frames(client.stream(NOVA, &with_fault(say(QUESTION), fault)).await.unwrap()).await;
        soon(emulator.wait_for(|counts| counts.open() == 0)).await;
        assert_eq!(emulator.bill().lines.pop().unwrap().end, BillEnd::Finished, "{fault}");
    }
    assert_eq!(emulator.bill().total_pico_usd, 4 * 220_000_000);
}

#[tokio::test]
async fn a_stream_cut_at_its_last_byte_is_whole() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http2).await;
    let ask = |fault: &str| with_fault(say(QUESTION), fault);
    let whole = read(client.stream(NOVA, &ask("cut-byte@999999")).await.unwrap()).await.body.len();
    for (left, end) in [(whole - 1, BillEnd::Failed), (whole, BillEnd::Finished), (0, BillEnd::Failed)] {
        read(client.stream(NOVA, &ask(&format!("cut-byte@{left}"))).await.unwrap()).await;
        soon(emulator.wait_for(|counts| counts.open() == 0)).await;
        assert_eq!(emulator.bill().lines.pop().unwrap().end, end, "{left} of {whole}");
    }
}

#[tokio::test]
async fn what_reached_no_model_is_not_billed() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    for fault in ["ThrottlingException", "ServiceUnavailableException", "http=502", "garbage"] {
        client.converse(NOVA, &with_fault(say(QUESTION), fault)).await;
        read(client.stream(NOVA, &with_fault(say(QUESTION), fault)).await.unwrap()).await;
    }
    emulator.script(r#"{"reply": {}}"#.parse().unwrap());
    client.converse(NOVA, &say(QUESTION)).await;
    assert_eq!(client.converse(NOVA, &json!({})).await.status, 400);
    assert_eq!(client.converse("nope", &say(QUESTION)).await.status, 400);
    let input = json!({"input": {"converse": say(QUESTION)}}).to_string();
    let base = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(client.post(&path(base, "count-tokens"), input).await.unwrap().status(), 200);
    assert_eq!((emulator.bill(), emulator.invocation_logs()), Default::default());
}

#[tokio::test]
async fn guardrails_are_charged_by_text_units_of_each_policy() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let guarded = |text: &str| {
        let guardrail = json!({"guardrailIdentifier": "demoguardrail1", "guardrailVersion": "1"});
        with(say(text), "guardrailConfig", guardrail)
    };
    let plain = line(&emulator, NOVA, CONVERSE, &guarded(QUESTION)).await;
    assert_eq!(plain.text_units, TextUnits { topic: 1, word: 2, sensitive_information: 1 });
    // The model's 220, a unit of topics at 150 and one of sensitive information at 100.
    assert_eq!(plain.pico_usd, Some(220_000_000 + 150_000_000 + 100_000_000));
    let blocked = line(&emulator, NOVA, CONVERSE, &guarded("Which stocks should I buy?")).await;
    assert_eq!((blocked.usage, blocked.pico_usd), (BilledUsage::default(), Some(150_000_000)));
    let apply = |source: &str| json!({"source": source, "content": [{"text": {"text": "a".repeat(1_001)}}]});
    for (source, pico_usd) in [("INPUT", 300_000_000), ("OUTPUT", 200_000_000)] {
        let path = "/guardrail/demoguardrail1/version/1/apply";
        let answer = read(client.post(path, apply(source).to_string()).await.unwrap()).await;
        let line = emulator.bill().lines.pop().unwrap();
        assert_eq!(
            (line.request_id.as_str(), line.model_id.as_str()),
            (answer.header("x-amzn-requestid"), "demoguardrail1")
        );
        assert_eq!((line.text_units.word, line.pico_usd), (2, Some(pico_usd)));
    }
    assert_eq!(emulator.bill().total_pico_usd, 470_000_000 + 150_000_000 + 500_000_000);
    assert_eq!(emulator.invocation_logs().lines().count(), 2);
}

#[tokio::test]
async fn what_has_no_known_price_is_listed_and_not_guessed() {
    let emulator = emulator().await;
    let fast = with(say(QUESTION), "performanceConfig", json!({"latency": "optimized"}));
    let mut expected = Vec::new();
    for (model, body, classes) in [
        ("eu.amazon.nova-pro-v1:0", in_tier("priority"), &[BillClass::Input, BillClass::Output][..]),
        (NOVA, in_tier("reserved"), &[BillClass::Input, BillClass::Output]),
        (NOVA, fast, &[BillClass::Input, BillClass::Output]),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", say(QUESTION), &[BillClass::Input, BillClass::Output]),
        // A Nova's cache can be read at a price, and written at none that is known.
        (
            NOVA,
            with(
                say(QUESTION),
                "system",
                json!([{"text": "s".repeat(8_000)}, {"cachePoint": {"type": "default"}}]),
            ),
            &[BillClass::CacheWrite5m],
        ),
    ] {
        let line = line(&emulator, model, CONVERSE, &body).await;
        assert_eq!(line.pico_usd, None, "{model} {body}");
        expected.extend(classes.iter().map(|class| (line.request_id.clone(), *class)));
    }
    let bill = emulator.bill();
    let found: Vec<_> = bill.unpriced.into_iter().map(|part| (part.request_id, part.class)).collect();
    assert_eq!((found, bill.total_pico_usd, bill.lines.len()), (expected, 0, 5));
}

#[tokio::test]
async fn the_control_interface_tells_the_bill_and_the_log() {
    let emulator = emulator().await;
    let mut client = Client::connect(&emulator, Protocol::Http1).await;
    let role = "arn:aws:iam::210987654321:role/team/reader";
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=session-1");
    let signed =
        |key: &str| format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request");
    client.post_raw("/", &[("authorization", &signed("AKID"))], form).await;
    for authorization in [signed(&access_key_id_of(role)), signed("AKID"), "Bearer x".to_owned()] {
        client.post_as(&path(NOVA, CONVERSE), &authorization, &cached()).await;
    }
    let bill = client.control(Method::GET, "bill", &json!({})).await.json();
    // 3,500 read at 0.2, 7 at 0.8 and 108 at 3.2.
    assert_eq!(bill["total_pico_usd"], 2 * (700_000_000 + 5_600_000 + 345_600_000));
    assert_eq!(bill["lines"][1]["operation"], "Converse");
    assert_eq!(
        (&bill["lines"][1]["tier"], &bill["lines"][1]["end"], &bill["lines"][1]["usage"]["cache_read"]),
        (&json!("default"), &json!("finished"), &json!(3_500))
    );
    let part =
        json!({"class": "cache_read", "quantity": 3_500, "pico_usd_each": 200_000, "pico_usd": 700_000_000});
    assert_eq!(bill["lines"][1]["parts"][2], part);
    assert_eq!(bill["unpriced"][0]["class"], "cache_write_5m");
    let log = client.control(Method::GET, "invocation-logs", &json!({})).await;
    assert_eq!(log.header("content-type"), "application/jsonl");
    let entries: Vec<Value> = std::str::from_utf8(&log.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let callers: Vec<_> = entries.iter().map(|entry| entry["identity"]["arn"].as_str().unwrap()).collect();
    assert_eq!(
        callers,
        [
            "arn:aws:sts::210987654321:assumed-role/reader/session-1",
            "arn:aws:iam::123456789012:user/AKID",
            "arn:aws:iam::123456789012:user/bearer-token",
        ]
    );
    let timestamp = entries[1]["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(entries[0]["accountId"], "210987654321");
    assert_eq!(
        entries[1],
        json!({
            "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": timestamp,
            "accountId": "123456789012", "identity": {"arn": "arn:aws:iam::123456789012:user/AKID"},
            "region": "us-east-1", "requestId": bill["lines"][1]["request_id"], "operation": "Converse", "modelId": NOVA,
            "input": {"inputContentType": "application/json", "inputTokenCount": 7,
                "cacheReadInputTokenCount": 3_500, "cacheWriteInputTokenCount": 0},
            "output": {"outputContentType": "application/json", "outputTokenCount": 108},
        })
    );
    client.control(Method::DELETE, "calls", &json!({})).await;
    assert_eq!((emulator.bill(), emulator.invocation_logs()), Default::default());
}
