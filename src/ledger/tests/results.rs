//! The contract of results: an id stands for one call of its tenant's.

use super::*;
use crate::ledger::results::{recover, sweep};
use crate::ledger::store::Connection;
use crate::ledger::writer::DEAD;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const PRINT: [u8; 32] = [1; 32];

impl Ledger {
    async fn claimed(&self, name: &str, id: &str) -> Claimed {
        self.claim(&tenant(name), id, &PRINT, DAY).await.unwrap()
    }

    async fn first(&self, name: &str, id: &str) -> Claim {
        first(self.claimed(name, id).await).unwrap()
    }

    /// A call that may have been sent, and is never told of again.
    async fn sent(&self, name: &str, id: &str) -> Dispatched {
        let planned = Planned { request_id: id.to_owned(), ..worth(10) };
        self.reserve(&tenant(name), planned, Vec::new()).await.unwrap().0.dispatch()
    }
}

fn first(claimed: Claimed) -> Option<Claim> {
    match claimed {
        Claimed::First(claim) => Some(claim),
        _ => None,
    }
}

async fn connection(desk: &Desk) -> Connection {
    let place = LedgerSettings { url: Some(desk.url.clone()), ..LedgerSettings::default() };
    let database = match place.place(UpstreamKind::Aws).unwrap() {
        LedgerPlace::Server(url) => Database::server(&url).unwrap(),
        LedgerPlace::File(path) => Database::file(&path),
        LedgerPlace::Temporary => unreachable!(),
    };
    database.connect().await.unwrap()
}

pub(super) async fn an_id_stands_for_one_call(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let claim = ledger.first("a", "1").await;
    assert!(matches!(ledger.claimed("a", "1").await, Claimed::Flying));
    let other = ledger.claim(&tenant("a"), "1", &[2; 32], DAY).await.unwrap();
    assert!(matches!(other, Claimed::Other));
    // Another tenant has its own, and so has another id.
    let (b, second) = (ledger.first("b", "1").await, ledger.first("a", "2").await);
    // Bytes of any kind come back as they were.
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    claim.end(Outcome::Kept(body.clone().into())).await;
    assert!(matches!(ledger.claimed("a", "1").await, Claimed::Kept(kept) if **kept == body));
    assert!(matches!(ledger.claim(&tenant("a"), "1", &[2; 32], DAY).await, Ok(Claimed::Other)));
    b.end(Outcome::Lost("UPSTREAM_INTERNAL".to_owned())).await;
    assert!(
        matches!(ledger.claimed("b", "1").await, Claimed::Lost(outcome) if outcome == "UPSTREAM_INTERNAL")
    );
    second.end(Outcome::Free).await;
    // Dropped, it is free as well.
    drop(ledger.first("a", "2").await);
    ledger.first("a", "2").await.end(Outcome::Kept(Vec::new().into())).await;
    assert!(matches!(ledger.claimed("a", "2").await, Claimed::Kept(kept) if kept.is_empty()));
}

pub(super) async fn of_many_claims_one_is_the_first(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    for round in 0..10 {
        let id = round.to_string();
        let claims = join_all((0..100).map(|_| ledger.claimed("a", &id))).await;
        let first: Vec<_> = claims.into_iter().filter_map(first).collect();
        assert_eq!(first.len(), 1);
    }
    // Nobody hears of these.
    for _ in 0..50 {
        let unheard =
            timeout(Duration::from_micros(fastrand::u64(0..2000)), ledger.claimed("a", "unheard")).await;
        drop(unheard);
    }
    ledger.quiet().await;
    ledger.quiet().await;
    ledger.first("a", "unheard").await;
}

pub(super) async fn a_new_process_frees_what_was_never_sent(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let (sent, void, never) =
        (ledger.first("a", "sent").await, ledger.first("a", "void").await, ledger.first("a", "never").await);
    let kept = ledger.first("a", "kept").await;
    let under_way = ledger.sent("a", "sent").await;
    // The same id of another tenant was sent, and this one's was not.
    let other = ledger.sent("b", "never").await;
    ledger.sent("a", "void").await.settle(Settlement::void("UPSTREAM_THROTTLED"));
    ledger.sent("a", "kept").await.settle(exact(5));
    kept.end(Outcome::Kept(vec![7].into())).await;
    ledger.close().await;
    std::mem::forget((sent, void, never, under_way, other));
    drop(ledger);
    let ledger = desk.open("one").await.unwrap();
    assert!(matches!(ledger.claimed("a", "sent").await, Claimed::Lost(outcome) if outcome == "RECOVERED"));
    assert!(matches!(ledger.claimed("a", "kept").await, Claimed::Kept(kept) if **kept == [7]));
    for free in ["void", "never"] {
        assert!(matches!(ledger.claimed("a", free).await, Claimed::First(_)), "{free}");
    }
}

pub(super) async fn results_end_with_their_window(desk: Desk) {
    let ledger = desk.open("one").await.unwrap();
    let brief = Duration::from_micros(1);
    for id in 0..1_200 {
        let claimed = ledger.claim(&tenant("a"), &id.to_string(), &PRINT, brief).await.unwrap();
        drop(first(claimed).unwrap().end(Outcome::Kept(vec![1].into())));
    }
    ledger.first("a", "lasts").await.end(Outcome::Kept(vec![2].into())).await;
    // Over, it is nobody's: also for another request.
    let again = ledger.claim(&tenant("a"), "0", &[2; 32], brief).await.unwrap();
    drop(first(again).unwrap().end(Outcome::Kept(vec![3].into())));
    ledger.quiet().await;
    ledger.close().await;
    let mut connection = connection(&desk).await;
    let mut rounds = 0;
    while sweep(&mut connection).await.unwrap() {
        rounds += 1;
    }
    assert!(rounds <= 2, "{rounds}");
    drop(ledger);
    let ledger = desk.open("one").await.unwrap();
    assert!(matches!(ledger.claimed("a", "lasts").await, Claimed::Kept(_)));
    assert!(matches!(ledger.claimed("a", "1").await, Claimed::First(_)));
}

/// Another replica's call is under way until it ends or its replica is dead, and what it was answered is there for all.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn replicas_share_results() {
    const DIE: Statement = Statement {
        sqlite: "",
        postgres: "UPDATE replicas SET alive_until = 0 WHERE name = $1::jsonb #>> '{}'",
    };
    let desk = Desk::postgres().await;
    let (one, two) = (desk.open("one").await.unwrap(), desk.open("two").await.unwrap());
    for round in 0..20 {
        let id = round.to_string();
        let (a, b) = tokio::join!(
            join_all((0..20).map(|_| one.claimed("a", &id))),
            join_all((0..20).map(|_| two.claimed("a", &id)))
        );
        let firsts: Vec<_> = a.into_iter().chain(b).filter_map(first).collect();
        assert_eq!(firsts.len(), 1, "{round}");
        for claim in firsts {
            claim.end(Outcome::Kept(vec![9].into())).await;
        }
        for ledger in [&one, &two] {
            assert!(matches!(ledger.claimed("a", &id).await, Claimed::Kept(_)));
        }
    }
    let (claim, sent) = (one.first("a", "dies").await, one.sent("a", "dies").await);
    assert!(matches!(two.claimed("a", "dies").await, Claimed::Flying));
    let mut connection = connection(&desk).await;
    connection.run(DIE, &"one").await.unwrap();
    assert_eq!(connection.rows::<String>(DEAD, &"two").await.unwrap(), ["one"]);
    sent.settle(Settlement::default());
    one.quiet().await;
    recover(&mut connection, &"one".to_owned()).await.unwrap();
    assert!(matches!(two.claimed("a", "dies").await, Claimed::Lost(_)));
    // It was alive after all, and says so.
    claim.end(Outcome::Kept(vec![1].into())).await;
    assert!(matches!(two.claimed("a", "dies").await, Claimed::Kept(_)));
}
