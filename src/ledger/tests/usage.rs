//! What is told of a tenant's rows is what they come to, and nothing of anybody else's; what is old goes.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use fastrand::Rng;

use super::{Desk, tenant};
use crate::config::{LedgerSettings, UpstreamKind};
use crate::ledger::period::Moment;
use crate::ledger::results::Results;
use crate::ledger::rows::{Reserved, Settled};
use crate::ledger::store::{Connection, Database};
use crate::ledger::*;

const TENANTS: [&str; 4] = ["a", "ab", "b", "local"];
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// An attempt, and how it ended.
#[derive(Clone)]
struct Known {
    row: Reserved,
    end: Option<Settlement>,
}

impl Known {
    /// With ids that other tenants may have too.
    fn random(random: &mut Rng, number: usize, now: i64) -> Self {
        let at = now - random.i64(0..2 * DAY);
        let pick = |random: &mut Rng, of: &[&str]| of[random.usize(..of.len())].to_owned();
        let mut labels = BTreeMap::new();
        for name in ["team", "a.b/c", "7"] {
            if random.bool() {
                labels.insert(name.to_owned(), pick(random, &["", "x", "y", "a", "☃\"'\\"]));
            }
        }
        let planned = Planned {
            request_id: format!("r{}", random.u8(0..20)),
            number: u32::try_from(number).unwrap(),
            operation: ["Converse", "InvokeModel", "ApplyGuardrail"][random.usize(..3)],
            model: pick(random, &["", "m1", "m2"]),
            model_id: "us.m1".to_owned(),
            region: "us-east-1".to_owned(),
            tier: String::new(),
            labels,
            price_version: "v".to_owned(),
            pico_usd: random.i64(0..1_000),
        };
        let end = random.u8(0..5) > 0;
        let end = end.then(|| Settlement {
            kind: [Kind::Exact, Kind::Estimated, Kind::Unpriced, Kind::Void][random.usize(..4)],
            outcome: pick(random, &["OK", "CANCELLED", "UPSTREAM_THROTTLED"]),
            aws_request_id: format!("{number}-{}", random.u8(0..3)),
            input: random.i64(0..100),
            cache_read: random.i64(0..100),
            cache_write_5m: random.i64(0..100),
            cache_write_1h: random.i64(0..100),
            output: random.i64(0..100),
            pico_usd: random.bool().then(|| random.i64(0..1_000)),
        });
        let tenant = pick(random, &TENANTS);
        let (replica, day) = ("one".to_owned(), Moment::at(at).day());
        Self { row: Reserved { attempt: Uuid::now_v7(), replica, tenant, at, day, planned }, end }
    }

    fn cost(&self) -> i64 {
        self.end.as_ref().map_or(0, |end| end.pico_usd.unwrap_or(self.row.planned.pico_usd))
    }

    fn is_in(&self, tenant: &str, span: Span) -> bool {
        let (since, until) = span.micros();
        self.row.tenant == tenant && (since..until).contains(&self.row.at)
    }

    fn aws(&self) -> &str {
        self.end.as_ref().map_or("", |end| &end.aws_request_id)
    }
}

async fn connection(desk: &Desk) -> Connection {
    let place = LedgerSettings { url: Some(desk.url.clone()), ..LedgerSettings::default() };
    Database::of(&place.place(UpstreamKind::Aws).unwrap()).unwrap().connect().await.unwrap()
}

async fn insert(desk: &Desk, known: &[Known]) {
    let mut connection = connection(desk).await;
    let reserves: Vec<_> = known.iter().map(|known| (known.row.clone(), Vec::new())).collect();
    let settled: Vec<Settled> =
        known.iter().filter_map(|known| Some(known.row.settled(known.end.clone()?, Moment::now()))).collect();
    batch::write(&mut connection, &reserves, &[], &Results::default()).await.unwrap();
    batch::write(&mut connection, &[], &settled, &Results::default()).await.unwrap();
    connection.close().await;
}

fn span(random: &mut Rng, now: i64) -> Span {
    let (one, other) = (now - random.i64(0..2 * DAY), now - random.i64(0..2 * DAY));
    let (from, to) =
        if random.u8(0..3) == 0 { (now - 3 * DAY, now + 1) } else { (one.min(other), one.max(other)) };
    Span { from: Moment::at(from).time(), to: Moment::at(to).time() }
}

/// The sums by the rows alone.
fn sums(known: &[Known], tenant: &str, span: Span, grouping: &Grouping) -> Vec<Sums> {
    let mut groups = BTreeMap::<_, (Sums, BTreeSet<&str>)>::new();
    for known in known.iter().filter(|known| known.is_in(tenant, span)) {
        let planned = &known.row.planned;
        let model = grouping.model.then(|| planned.model.clone());
        let operation = grouping.operation.then(|| planned.operation.to_owned());
        let label = grouping.label.as_ref().and_then(|name| planned.labels.get(name)).cloned();
        let bucket = grouping.time.map(|time| match time {
            Bucket::Hour => known.row.at / HOUR,
            Bucket::Day => known.row.at / DAY,
        });
        let name = (model.clone(), operation.clone(), label.clone(), bucket);
        let (sum, calls) = groups.entry(name).or_default();
        (sum.model, sum.operation, sum.label, sum.bucket) = (model, operation, label, bucket);
        calls.insert(&planned.request_id);
        sum.attempts += 1;
        let Some(end) = &known.end else {
            sum.open += 1;
            sum.reserved += planned.pico_usd;
            continue;
        };
        sum.failed += i64::from(end.outcome != "OK");
        sum.input += end.input;
        sum.cache_read += end.cache_read;
        sum.cache_write_5m += end.cache_write_5m;
        sum.cache_write_1h += end.cache_write_1h;
        sum.output += end.output;
        match end.kind {
            Kind::Exact => sum.exact += known.cost(),
            Kind::Estimated => sum.estimated += known.cost(),
            Kind::Unpriced => sum.unpriced += 1,
            Kind::Void => {}
        }
    }
    let groups = groups.into_values();
    let mut groups: Vec<_> =
        groups.map(|(sum, calls)| Sums { calls: i64::try_from(calls.len()).unwrap(), ..sum }).collect();
    groups.sort_unstable();
    groups
}

async fn usage_is_right(ledger: &Ledger, known: &[Known], random: &mut Rng, now: i64) {
    let (own, span) = (TENANTS[random.usize(..4)], span(random, now));
    let grouping = Grouping {
        model: random.bool(),
        operation: random.bool(),
        label: random.bool().then(|| ["team", "a.b/c", "7", "none"][random.usize(..4)].to_owned()),
        time: [None, Some(Bucket::Hour), Some(Bucket::Day)][random.usize(..3)],
    };
    let told = ledger.usage(&tenant(own), span, &grouping).await.unwrap();
    assert_eq!(told, sums(known, own, span, &grouping), "{own} {span:?} {grouping:?}");
}

async fn calls_are_right(ledger: &Ledger, known: &[Known], random: &mut Rng, now: i64) {
    let (own, span) = (TENANTS[random.usize(..4)], span(random, now));
    let label = random.bool().then(|| ["team", "a.b/c", "7"][random.usize(..3)].to_owned());
    let filter = Filter {
        request_id: random.bool().then(|| format!("r{}", random.u8(0..20))),
        value: label
            .as_ref()
            .filter(|_| random.bool())
            .map(|_| ["", "x", "☃\"'\\"][random.usize(..3)].to_owned()),
        label,
        outcome: (random.u8(0..3) == 0).then(|| "OK".to_owned()),
    };
    let fits = |known: &&Known| {
        let planned = &known.row.planned;
        let value = filter.label.as_ref().map(|name| planned.labels.get(name));
        known.is_in(own, span)
            && filter.request_id.as_ref().is_none_or(|id| *id == planned.request_id)
            && value.is_none_or(|value| {
                value.is_some() && (filter.value.is_none() || value == filter.value.as_ref())
            })
            && filter
                .outcome
                .as_ref()
                .is_none_or(|wanted| known.end.as_ref().is_some_and(|end| end.outcome == *wanted))
    };
    let mut expected: Vec<_> = known.iter().filter(fits).collect();
    expected.sort_by_key(|known| std::cmp::Reverse((known.row.at, known.row.attempt)));
    let (most, mut told, mut behind) = (random.usize(1..20), Vec::new(), None);
    loop {
        let page = ledger.calls(&tenant(own), span, &filter, behind, most).await.unwrap();
        behind = page.last().map(|row| row.place().to_string().parse().unwrap());
        let is_last = page.len() < most;
        told.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(told.len(), expected.len(), "{own} {span:?} {filter:?}");
    for (row, known) in told.iter().zip(expected) {
        assert_eq!(
            (row.attempt, row.at, row.reserved),
            (known.row.attempt, known.row.at, known.row.planned.pico_usd)
        );
        assert_eq!(row.labels, known.row.planned.labels);
        assert_eq!(row.cost, known.end.as_ref().map(|_| known.cost()));
        assert_eq!(row.outcome, known.end.as_ref().map(|end| end.outcome.clone()));
    }
}

async fn comparisons_are_right(ledger: &Ledger, known: &[Known], random: &mut Rng, now: i64) {
    let (own, span) = (TENANTS[random.usize(..4)], span(random, now));
    let of_anybody = |random: &mut Rng| known[random.usize(..known.len())].aws().to_owned();
    let ids: BTreeSet<_> =
        (0..random.usize(0..20)).map(|_| of_anybody(random)).filter(|id| !id.is_empty()).collect();
    let line = |id: &String| {
        let line = format!(r#"{{"requestId":"{id}","timestamp":"2026-11-24T00:00:00Z","errorCode":"x"}}"#);
        serde_json::from_str::<LogLine>(&line).unwrap()
    };
    let time = (Some(span.from), Some(span.to));
    let told =
        ledger.reconcile(&tenant(own), ids.iter().map(line).collect(), time, |_, _| None).await.unwrap();
    let of_own = |id: &&String| known.iter().any(|known| known.row.tenant == own && known.aws() == **id);
    assert_eq!((told.lines, told.matched), (ids.len(), ids.iter().filter(of_own).count()));
    let missing: Vec<_> = told.not_in_ledger.iter().map(|line| &line.request_id).collect();
    assert_eq!(missing, ids.iter().filter(|id| !of_own(id)).collect::<Vec<_>>());
    let billed = |known: &&Known| {
        known.end.as_ref().is_some_and(|end| end.kind != Kind::Void)
            && known.row.planned.operation != "ApplyGuardrail"
            && !ids.contains(known.aws())
    };
    let mut expected: Vec<_> = known.iter().filter(|known| known.is_in(own, span)).filter(billed).collect();
    expected.sort_by_key(|known| (known.row.at, known.row.attempt));
    assert_eq!(
        told.not_in_log.iter().map(|row| row.attempt).collect::<Vec<_>>(),
        expected.iter().map(|known| known.row.attempt).collect::<Vec<_>>()
    );
    assert_eq!(told.missing_in_log, i64::try_from(expected.len()).unwrap());
}

async fn balances_are_right(ledger: &Ledger, known: &[Known], random: &mut Rng) {
    let own = TENANTS[random.usize(..4)];
    let day = Moment::now().day();
    let told = ledger.balances(&tenant(own)).await.unwrap();
    if day != Moment::now().day() {
        return;
    }
    for Balance { period, spent, held, .. } in told {
        let own = known
            .iter()
            .filter(|known| known.row.tenant == own && period.of(&known.row.day) == period.of(&day));
        let (ended, open): (Vec<_>, Vec<_>) = own.partition(|known| known.end.is_some());
        assert_eq!(spent, ended.iter().map(|known| known.cost()).sum::<i64>());
        assert_eq!(held, open.iter().map(|known| known.row.planned.pico_usd).sum::<i64>());
    }
}

/// So many questions on rows of this seed.
async fn a_tenant_is_told_of_its_own(desk: Desk, seed: u64, questions: usize) {
    let mut random = Rng::with_seed(seed);
    let ledger = desk.open("one").await.unwrap();
    let now = Moment::now().micros();
    let mut known: Vec<_> = (1..=80).map(|number| Known::random(&mut random, number, now)).collect();
    // AWS gives no id twice to one tenant.
    let mut seen = BTreeSet::new();
    known.retain(|known| {
        known.end.is_none() || seen.insert((known.row.tenant.clone(), known.aws().to_owned()))
    });
    insert(&desk, &known).await;
    for question in 0..questions {
        match question % 4 {
            0 => usage_is_right(&ledger, &known, &mut random, now).await,
            1 => calls_are_right(&ledger, &known, &mut random, now).await,
            2 => comparisons_are_right(&ledger, &known, &mut random, now).await,
            _ => balances_are_right(&ledger, &known, &mut random).await,
        }
    }
}

#[tokio::test]
async fn twenty_thousand_questions_are_answered_from_a_tenants_own_rows() {
    for seed in 0..50 {
        a_tenant_is_told_of_its_own(Desk::sqlite(), seed, 400).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn postgres_answers_from_a_tenants_own_rows_too() {
    for seed in 0..5 {
        a_tenant_is_told_of_its_own(Desk::postgres().await, seed, 400).await;
    }
}

contract! {
    what_is_purged_is_gone_and_nothing_else
    old_attempts_go_by_themselves
}

/// What rows are left of each tenant, and its open ones.
async fn left(ledger: &Ledger, name: &str) -> (i64, i64) {
    let all = Span { from: SystemTime::UNIX_EPOCH, to: SystemTime::now() + Duration::from_secs(60) };
    let groups = ledger.usage(&tenant(name), all, &Grouping::default()).await.unwrap();
    groups.first().map_or((0, 0), |sums| (sums.attempts, sums.open))
}

fn many(seed: u64) -> Vec<Known> {
    let (mut random, now) = (Rng::with_seed(seed), Moment::now().micros());
    (1..=1_500).map(|number| Known::random(&mut random, number, now)).collect()
}

fn counted(known: &[Known], name: &str, stays: impl Fn(&Known) -> bool) -> (i64, i64) {
    let own = known.iter().filter(|known| known.row.tenant == name && stays(known));
    let (all, open) = own.fold((0, 0), |(all, open), known| (all + 1, open + i64::from(known.end.is_none())));
    (all, open)
}

async fn what_is_purged_is_gone_and_nothing_else(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let known = many(1);
    insert(&desk, &known).await;
    let settings = LedgerSettings {
        url: Some(desk.url.clone()),
        spill: desk.folder.path().join("purge.spill"),
        ..LedgerSettings::default()
    };
    let purge = |name, before| Ledger::purge(&settings, UpstreamKind::Aws, name, before);
    let is_shared = desk.url.starts_with("postgres");
    assert_eq!(purge("nobody", None).await.is_ok(), is_shared, "a file that is in use was opened");
    ledger.close().await;
    drop(ledger);
    let half = Moment::at(Moment::now().micros() - DAY);
    let old = |known: &Known| known.row.at < half.micros() && known.end.is_some();
    let expected = known.iter().filter(|known| known.row.tenant == "a" && old(known)).count();
    assert_eq!(purge("a", Some(half.time())).await, Ok(expected));
    let all_of_b = known.iter().filter(|known| known.row.tenant == "b" && known.end.is_some()).count();
    assert_eq!(purge("b", None).await, Ok(all_of_b));
    assert_eq!(purge("b", None).await, Ok(0));
    // Open ones are another process's.
    let ledger = desk.open("two").await.unwrap();
    assert_eq!(left(&ledger, "a").await, counted(&known, "a", |known| !old(known)));
    assert_eq!(left(&ledger, "b").await, counted(&known, "b", |known| known.end.is_none()));
    assert_eq!(left(&ledger, "ab").await, counted(&known, "ab", |_| true));
    let (before, now) = (half.day(), Moment::now().day());
    assert!(before < now);
    let balance = ledger.balances(&tenant("b")).await.unwrap();
    assert!(balance[1].spent > 0, "a purge gave the month's budget back");
}

async fn old_attempts_go_by_themselves(desk: Desk) {
    let known = many(2);
    insert(&desk, &known).await;
    let settings = LedgerSettings {
        url: Some(desk.url.clone()),
        replica: Some("two".to_owned()),
        spill: desk.folder.path().join("two.spill"),
        timeout: Duration::from_secs(10),
        retention: Some(Duration::from_secs(24 * 60 * 60)),
    };
    let ledger = Ledger::open(&settings, UpstreamKind::Aws).await.unwrap();
    let end = Moment::now().micros() - DAY;
    let stays = |known: &Known| known.row.at >= end || known.end.is_none();
    let expected = TENANTS.map(|name| counted(&known, name, stays));
    let swept = async {
        loop {
            let mut told = Vec::new();
            for name in TENANTS {
                told.push(left(&ledger, name).await);
            }
            // Meanwhile calls go on.
            ledger.quiet().await;
            if told == expected {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), swept).await.unwrap_or_else(|_| panic!("old rows stay"));
    ledger.close().await;
}
