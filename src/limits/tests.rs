//! One suite for limits of a process and limits in Redis, and what becomes of them without Redis.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use futures_util::poll;
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::*;

fn own() -> Limits {
    Limits::new(&RedisSettings::default()).unwrap()
}

fn at(url: String, replicas: u32) -> Limits {
    // A machine under test may be slower than an answer may be in service.
    let timeout = Duration::from_secs(5);
    Limits::new(&RedisSettings { url: Some(url), timeout, replicas }).unwrap()
}

/// Two gateways on one Redis, as far as there is one.
fn of_redis() -> [Limits; 2] {
    let url = std::env::var("REDIS_URL").unwrap();
    [at(url.clone(), 2), at(url, 2)]
}

/// A name of no other test.
fn name(what: &str) -> Arc<str> {
    format!("test:{{{}}}:{what}", uuid::Uuid::now_v7()).into()
}

/// Waits until all that was given back has been noted.
async fn quiet(limits: &Limits) {
    while !limits.0.tasks.is_empty() {
        yield_now().await;
    }
}

/// Takes units one by one until there is no room; how many there were, and the wait.
async fn fill(limits: &Limits, bucket: &Arc<str>, per_minute: u32) -> (u32, Duration) {
    let mut taken = 0;
    loop {
        match limits.take_from(Arc::clone(bucket), per_minute, 1).await {
            Ok(one) => one.keep(),
            Err(Denied { wait }) => return (taken, wait),
        }
        taken += 1;
    }
}

fn about(wait: Duration, seconds: u64) -> bool {
    (Duration::from_secs(seconds).saturating_sub(Duration::from_secs(5))..=Duration::from_secs(seconds))
        .contains(&wait)
}

/// What holds of every limit, with whichever of these a gateway counts.
async fn suite(one: &Limits, other: &Limits) {
    let bucket = name("burst");
    let (taken, wait) = fill(one, &bucket, 5).await;
    assert_eq!(taken, 5);
    assert!(about(wait, 12), "{wait:?}");
    assert_eq!(fill(other, &bucket, 5).await.0, 0);
    assert_eq!(fill(other, &name("another"), 5).await.0, 5);

    // The wait is honest.
    let bucket = name("wait");
    one.take_from(Arc::clone(&bucket), 600, 600).await.unwrap().keep();
    for _ in 0..3 {
        let Denied { wait } = other.take_from(Arc::clone(&bucket), 600, 2).await.unwrap_err();
        assert!(wait <= Duration::from_millis(200), "{wait:?}");
        sleep(wait).await;
        one.take_from(Arc::clone(&bucket), 600, 2).await.unwrap().keep();
    }

    // What is dropped comes back, and what is settled as far as it was not used.
    let bucket = name("back");
    drop(one.take_from(Arc::clone(&bucket), 5, 5).await.unwrap());
    quiet(one).await;
    one.take_from(Arc::clone(&bucket), 5, 5).await.unwrap().settle(2);
    quiet(one).await;
    assert_eq!(fill(other, &bucket, 5).await.0, 3);

    // What was used beyond is owed, and nothing is given beyond the limit.
    let bucket = name("owed");
    one.take_from(Arc::clone(&bucket), 5, 1).await.unwrap().settle(11);
    quiet(one).await;
    let Denied { wait } = other.take_from(Arc::clone(&bucket), 5, 1).await.unwrap_err();
    assert!(about(wait, 84), "{wait:?}");
    let bucket = name("beyond");
    one.take_from(Arc::clone(&bucket), 5, 1).await.unwrap().settle(-100);
    quiet(one).await;
    assert_eq!(fill(other, &bucket, 5).await.0, 5);

    // More than the limit is taken when nothing else is.
    let bucket = name("large");
    one.take_from(Arc::clone(&bucket), 5, 8).await.unwrap().keep();
    let Denied { wait } = other.take_from(Arc::clone(&bucket), 5, 8).await.unwrap_err();
    assert!(about(wait, 96), "{wait:?}");

    left_behind(one, other).await;
}

/// Whoever leaves while asking takes nothing.
async fn left_behind(one: &Limits, other: &Limits) {
    let mut random = fastrand::Rng::with_seed(7);
    let bucket = name("left");
    for _ in 0..200 {
        let mut asking = Box::pin(one.take_from(Arc::clone(&bucket), 60, 1));
        for _ in 0..random.usize(0..6) {
            if poll!(&mut asking).is_ready() {
                break;
            }
            yield_now().await;
        }
        drop(asking);
        quiet(one).await;
    }
    other.take_from(bucket, 60, 60).await.unwrap().keep();
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_process_hold() {
    let limits = own();
    suite(&limits, &limits.clone()).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn limits_in_redis_hold() {
    let [one, other] = of_redis();
    suite(&one, &other).await;
    suite(&other, &one).await;
}

/// A question that is dropped at any moment leaves its answer to nobody else.
#[tokio::test]
#[ignore = "needs Redis"]
async fn an_answer_never_goes_to_another_question() {
    let [limits, _] = of_redis();
    let shared = limits.0.shared.as_ref().unwrap();
    let taking = |units| Taking { limit: 60, units, may_refuse: true };
    // Each tenant's answer is a time of its own: 10 s, 20 s, and so on.
    let tenants: Vec<_> = (1..=5).map(|tenant| (10 * tenant, name("tagged"))).collect();
    for (seconds, tenant) in &tenants {
        shared.change(tenant, taking(*seconds)).await.unwrap().unwrap();
    }
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..500 {
        for (_, tenant) in &tenants {
            let mut asking = Box::pin(shared.change(tenant, taking(60)));
            for _ in 0..random.usize(0..4) {
                if poll!(&mut asking).is_ready() {
                    break;
                }
                yield_now().await;
            }
        }
        let (seconds, tenant) = tenants.get(random.usize(0..tenants.len())).unwrap();
        let wait = shared.change(tenant, taking(60)).await.unwrap().unwrap_err();
        assert!(about(wait, seconds.unsigned_abs()), "{wait:?} for {seconds} s");
    }
}

/// I11: without an answer each gateway has its share, at once after the first time.
#[tokio::test]
async fn without_redis_each_gateway_has_its_share() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = listener.local_addr().unwrap();
    for url in [format!("redis://{silent}"), format!("redis://{closed}"), format!("rediss://{silent}")] {
        let settings =
            RedisSettings { url: Some(url.clone()), timeout: Duration::from_millis(50), replicas: 4 };
        let limits = Limits::new(&settings).unwrap();
        let bucket = name("share");
        assert_eq!(fill(&limits, &bucket, 20).await.0, 5, "{url}");
        // The share is less than a call may need, and one can be had all the same.
        let large = limits.take_from(name("large"), 20, 20).await;
        assert!(large.is_ok(), "{large:?}");
        // Nobody waits for Redis again until the pause is over.
        let again = limits.take_from(name("again"), 20, 1);
        assert!(tokio::time::timeout(Duration::from_millis(25), again).await.is_ok(), "{url}");
        drop(large);
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_its_words() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let settings = RedisSettings { url: Some("redis//s3cret".to_owned()), ..RedisSettings::default() };
    let mistake = Limits::new(&settings).unwrap_err();
    assert!(mistake.starts_with("redis.url") && !mistake.contains("s3cret"), "{mistake}");
    assert!(!format!("{settings:?}").contains("s3cret"));
}
