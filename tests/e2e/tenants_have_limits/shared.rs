//! Limits that several gateways share in one Redis, and what becomes of them while it is away.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

/// The Redis of the tests, without its scheme.
fn redis() -> String {
    let url = std::env::var("REDIS_URL").unwrap();
    url.trim_start_matches("redis://").trim_end_matches('/').to_owned()
}

/// A tenant of no other test.
fn somebody() -> String {
    format!("test-{}", uuid::Uuid::now_v7())
}

/// One of two gateways at this Redis.
async fn at(redis: &str, name: &str, tenant: TenantSettings) -> Stage {
    Stage::open_with(|settings| {
        have(settings, vec![(name, tenant)]);
        settings.redis.url = Some(format!("redis://{redis}"));
        // A machine under test may be slower than an answer may be in service.
        settings.redis.timeout = Duration::from_secs(2);
        settings.redis.replicas = 2;
    })
    .await
}

/// How many calls in a row pass.
async fn passing(stage: &Stage, key: &ApiKey) -> usize {
    let mut passed = 0;
    while say(stage, key, ask(NOVA, "hi")).await.is_ok() {
        passed += 1;
    }
    passed
}

/// C18: two gateways have one limit of calls, and one of tokens.
#[tokio::test]
#[ignore = "needs Redis"]
async fn two_gateways_share_one_limit() {
    let (key, name) = (ApiKey::new().unwrap(), somebody());
    let one = at(&redis(), &name, requests(100, &key)).await;
    let other = at(&redis(), &name, requests(100, &key)).await;
    let began = Instant::now();
    let calls = (0..400).map(|n| say(if n % 2 == 0 { &one } else { &other }, &key, ask(NOVA, "hi")));
    let ends = futures_util::future::join_all(calls).await;
    let most = 100 + usize::try_from(began.elapsed().as_millis() / 600).unwrap();
    let passed = ends.iter().filter(|end| end.is_ok()).count();
    assert!((100..=most).contains(&passed), "{passed} of at most {most}");
    assert_eq!(one.emulator.calls().len() + other.emulator.calls().len(), passed);

    let name = somebody();
    let one = at(&redis(), &name, tokens(5000, &key)).await;
    let other = at(&redis(), &name, tokens(5000, &key)).await;
    for stage in [&one, &other] {
        stage.emulator.script("ModelErrorException".parse().unwrap());
    }
    assert_eq!(told(&say(&one, &key, at_most(NOVA, 4000)).await.unwrap_err(), "billed"), "unknown");
    limited(&say(&other, &key, at_most(NOVA, 4000)).await.unwrap_err());

    let name = somebody();
    let one = at(&redis(), &name, tokens(5000, &key)).await;
    let other = at(&redis(), &name, tokens(5000, &key)).await;
    for stage in [&one, &other, &one, &other] {
        // What comes back does so behind the answer.
        let soon = async { while say(stage, &key, at_most(NOVA, 4000)).await.is_err() {} };
        timeout(SOON, soon).await.unwrap();
    }
}

/// What stands between a gateway and Redis, and can be taken away.
struct Line {
    address: SocketAddr,
    cut: CancellationToken,
    task: JoinHandle<()>,
}

impl Line {
    async fn open(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = CancellationToken::new();
        let task = tokio::spawn(cut.clone().run_until_cancelled_owned(async move {
            let mut lines = tokio::task::JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                lines.spawn(async move {
                    let mut far = TcpStream::connect(redis()).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
        let task = tokio::spawn(async move { drop(task.await) });
        Self { address, cut, task }
    }

    async fn cut(self) -> SocketAddr {
        self.cut.cancel();
        self.task.await.unwrap();
        self.address
    }
}

/// I11: while Redis is away each gateway keeps to its share, and shares again when it is back.
#[tokio::test]
#[ignore = "needs Redis"]
async fn without_redis_a_gateway_has_its_share_until_it_is_back() {
    let (key, name) = (ApiKey::new().unwrap(), somebody());
    let line = Line::open("127.0.0.1:0".parse().unwrap()).await;
    let near = at(&line.address.to_string(), &name, requests(10, &key)).await;
    let far = at(&redis(), &name, requests(10, &key)).await;
    assert_eq!(passing(&far, &key).await, 10);
    assert_eq!(passing(&near, &key).await, 0);
    let address = line.cut().await;
    assert_eq!(passing(&near, &key).await, 5);
    let line = Line::open(address).await;
    // Shared again: the wait is that of a whole limit, 6 s for a call, and not that of the half.
    let back = async {
        loop {
            let wait = limited(&say(&near, &key, ask(NOVA, "hi")).await.unwrap_err());
            if wait <= Duration::from_secs(6) {
                return;
            }
        }
    };
    timeout(SOON, back).await.unwrap();
    line.cut().await;

    // One that is away from the beginning keeps nobody from starting.
    let near = at(&address.to_string(), &somebody(), requests(10, &key)).await;
    assert_eq!(passing(&near, &key).await, 5);
}
