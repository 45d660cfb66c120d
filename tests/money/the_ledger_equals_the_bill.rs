//! The ledger is the bill, call by call, to the pico-dollar: whoever leaves when, whatever is repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use bedrock_inference_emulator::{Bill, BillEnd, Mix, Pace};
use bedrock_inference_proto::v1::usage_client::UsageClient;
use bedrock_inference_proto::v1::{GetUsageRequest, OnDisconnect, ReconcileRequest};
use fastrand::Rng;
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use crate::book::Row;
use crate::stage::Stage;
use crate::{book, caller};

const CALLS: u64 = 10_000;

/// At one time.
const CALLERS: usize = 16;

/// I9, U18: every attempt has one row and one end; what Bedrock bills is booked, and nothing else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_cost_what_the_bill_says() {
    let seed = std::env::var("MONEY_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("MONEY_SEED={seed}");
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let stage = Stage::open_with(|settings| {
        settings.ledger.url = Some(url.clone());
        settings.ledger.spill = folder.path().join("spill");
        settings.retry.attempts = 3;
        // Every answer is read to its end, so that its usage is known.
        settings.admission.drains = 1_000;
    })
    .await;
    let faults = [(0.08, "ThrottlingException"), (0.04, "ServiceUnavailableException")];
    let faults = faults.map(|(share, fault)| (share, fault.parse().unwrap()));
    stage.emulator.set_mix(Mix::new(seed, faults).unwrap());
    let calls = stream::iter(0..CALLS).map(|number| {
        let mut rng = Rng::with_seed(seed.wrapping_add(number));
        let client = stage.inference();
        async move { caller::call(client, &mut rng).await }
    });
    calls.buffer_unordered(CALLERS).for_each(|()| async {}).await;
    stage.emulator.wait_for(|calls| calls.started == calls.finished + calls.aborted).await;
    compare_with_log(&stage).await;
    stage.shutdown.cancel();
    stage.service.await.unwrap().unwrap();

    let bill = stage.emulator.bill();
    compare(&bill, &book::read(&url).await);
    assert!(
        bill.lines.len() > CALLS as usize * 8 / 10,
        "{} of {CALLS} calls reached a model",
        bill.lines.len()
    );
}

/// By the service's own word, the ledger and Bedrock's log say the same.
async fn compare_with_log(stage: &Stage) {
    let mut client = UsageClient::new(stage.channel.clone());
    // What has been answered is settled by the next commit, of which nobody hears.
    while client.get_usage(GetUsageRequest::default()).await.unwrap().into_inner().groups[0].open_attempts > 0
    {
        tokio::task::yield_now().await;
    }
    let lines: Vec<_> = stage.emulator.invocation_logs().lines().map(str::to_owned).collect();
    let (mut matched, count) = (0, lines.len());
    for lines in lines.chunks(1_000) {
        let request = ReconcileRequest { lines: lines.to_vec(), ..ReconcileRequest::default() };
        let said = client.reconcile(request).await.unwrap().into_inner();
        let differing = (said.drifted, said.drift_pico_usd, said.missing_in_ledger, said.unreadable.len());
        assert_eq!(differing, (0, 0, 0, 0), "{said:?}");
        matched += said.matched;
    }
    assert_eq!(matched, i64::try_from(count).unwrap());
    println!("Reconcile matched {matched} lines of the log, and they drift by nothing");
}

/// Every line of the bill is booked once, at the same amount, and nothing else is.
pub fn compare(bill: &Bill, rows: &[Row]) {
    let mut booked = BTreeMap::new();
    let mut ends = BTreeMap::<_, usize>::new();
    for row in rows {
        let (kind, pico_usd) = (row.kind.as_deref().expect("an attempt is open"), row.pico_usd.unwrap());
        *ends.entry((kind, row.outcome.as_deref().unwrap())).or_default() += 1;
        match kind {
            "exact" => {
                assert!(pico_usd <= row.reserved, "it cost more than was reserved: {row:?}");
                let before = booked.insert(row.aws_request_id.clone().unwrap(), pico_usd);
                assert_eq!(before, None, "booked twice: {row:?}");
            }
            "void" => assert_eq!(pico_usd, 0),
            other => panic!("{other}: {row:?}"),
        }
    }
    let mut aborted = 0;
    for line in &bill.lines {
        let billed = line.pico_usd.unwrap_or_else(|| panic!("the bill has no price: {line:?}"));
        let row = booked.remove(&line.request_id).unwrap_or_else(|| panic!("not booked: {line:?}"));
        assert_eq!(u128::try_from(row).unwrap(), billed, "{line:?}");
        aborted += usize::from(line.end == BillEnd::Aborted);
    }
    assert!(booked.is_empty(), "booked, and not on the bill: {booked:?}");
    let total: i64 = rows.iter().filter_map(|row| row.pico_usd).sum();
    assert_eq!(u128::try_from(total).unwrap(), bill.total_pico_usd);
    println!(
        "{} attempts, {} on the bill ({aborted} aborted), {total} pico-USD, ends {ends:?}",
        rows.len(),
        bill.lines.len()
    );
}

/// U18: what nobody can know, since the answer was dropped, is charged with the most that it can have cost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_is_never_below_the_bill() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let stage = Stage::open_with(|settings| {
        settings.ledger.url = Some(url.clone());
        settings.ledger.spill = folder.path().join("spill");
    })
    .await;
    stage.emulator.set_pace(Pace { first_token: Duration::from_millis(3), tokens_per_second: Some(4_000.0) });
    let seed = fastrand::u64(..);
    let calls = stream::iter(0..1_000).map(|number| {
        let mut rng = Rng::with_seed(seed.wrapping_add(number));
        let client = stage.inference();
        async move { caller::call_under(OnDisconnect::Cancel, client, &mut rng).await }
    });
    calls.buffer_unordered(CALLERS).for_each(|()| async {}).await;
    stage.emulator.wait_for(|calls| calls.started == calls.finished + calls.aborted).await;
    stage.shutdown.cancel();
    stage.service.await.unwrap().unwrap();
    let rows = book::read(&url).await;
    let by_id: BTreeMap<_, _> =
        rows.iter().filter_map(|row| Some((row.aws_request_id.as_deref()?, row))).collect();
    let (mut estimated, mut unnamed) = (0, 0);
    for line in stage.emulator.bill().lines {
        let billed = i64::try_from(line.pico_usd.unwrap()).unwrap();
        // Who leaves before the headers has no id of AWS's.
        let Some(row) = by_id.get(line.request_id.as_str()) else {
            unnamed += 1;
            continue;
        };
        match row.kind.as_deref() {
            Some("exact") => assert_eq!(row.pico_usd, Some(billed), "{row:?} {line:?} MONEY_SEED={seed}"),
            Some("estimated") => {
                estimated += 1;
                assert!(row.pico_usd.unwrap() >= billed, "{row:?} {line:?} MONEY_SEED={seed}");
            }
            other => panic!("{other:?}: {row:?} {line:?}"),
        }
    }
    let nameless = rows
        .iter()
        .filter(|row| row.kind.as_deref() == Some("estimated") && row.aws_request_id.as_deref() == Some(""));
    let nameless = nameless.count();
    println!(
        "{estimated} estimates by id, all at or above the bill; {unnamed} lines without a row of their id, {nameless} rows without one"
    );
    assert!(estimated > 50 && unnamed <= nameless, "{estimated} {unnamed} {nameless}");
}
