//! Identities over a provider that does as it is told.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::*;

/// Hands out `key 1`, `key 2` and so on, each good for an hour.
#[derive(Debug, Clone)]
struct Source(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    asked: AtomicUsize,
    /// One permit an answer.
    answers: Semaphore,
    broken: Mutex<bool>,
}

impl Source {
    fn answering(times: usize) -> Self {
        let (asked, broken) = (AtomicUsize::new(0), Mutex::new(false));
        Self(Arc::new(Inside { asked, answers: Semaphore::new(times), broken }))
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn set_broken(&self, broken: bool) {
        *self.0.broken.lock().unwrap() = broken;
    }

    async fn answer(&self) -> provider::Result {
        let number = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.answers.acquire().await.unwrap().forget();
        if *self.0.broken.lock().unwrap() {
            return Err(CredentialsError::provider_error("broken"));
        }
        let end = SystemTime::now() + Duration::from_secs(3600);
        Ok(Credentials::new(format!("key {number}"), "secret", None, Some(end), "test"))
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.answer())
    }
}

async fn key(identity: &Identity) -> String {
    identity.credentials().await.unwrap().access_key_id().to_owned()
}

/// Lets renewals behind the calls have their turn.
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_answer() {
    let source = Source::answering(0);
    let identity = Identity::new("test", source.clone());
    let calls = join_all((0..100).map(|_| key(&identity)));
    let (keys, ()) = tokio::join!(calls, async { source.0.answers.add_permits(100) });
    assert!(keys.iter().all(|key| key == "key 1") && source.asked() == 1, "{} asked", source.asked());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_begins_five_minutes_before_the_end_and_nobody_waits_for_it() {
    let source = Source::answering(1);
    let identity = Identity::new("test", source.clone());
    key(&identity).await;
    advance(Duration::from_secs(3600 - 361)).await;
    key(&identity).await;
    settle().await;
    assert_eq!(source.asked(), 1);
    advance(Duration::from_secs(62)).await;
    for _ in 0..10 {
        assert_eq!(key(&identity).await, "key 1");
        settle().await;
    }
    assert_eq!(source.asked(), 2, "one renewal at a time");
    source.0.answers.add_permits(1);
    settle().await;
    assert_eq!(key(&identity).await, "key 2");
}

#[tokio::test(start_paused = true)]
async fn what_there_was_serves_while_the_provider_fails() {
    let source = Source::answering(100);
    let identity = Identity::new("test", source.clone());
    key(&identity).await;
    source.set_broken(true);
    for _ in 0..60 {
        advance(Duration::from_secs(120)).await;
        assert_eq!(key(&identity).await, "key 1");
        settle().await;
    }
    let asked = source.asked();
    assert!(asked > 10, "{asked}");
    source.set_broken(false);
    advance(Duration::from_secs(60)).await;
    key(&identity).await;
    settle().await;
    assert_eq!(key(&identity).await, format!("key {}", asked + 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_for_a_second() {
    let source = Source::answering(100);
    source.set_broken(true);
    let identity = Identity::new("somebody", source.clone());
    for _ in 0..100 {
        let error = identity.credentials().await.unwrap_err();
        assert!(format!("{error:?}").contains("somebody"), "{error:?}");
    }
    assert_eq!(source.asked(), 1);
    advance(PAUSE).await;
    source.set_broken(false);
    assert_eq!(key(&identity).await, "key 2");
}

#[tokio::test(start_paused = true)]
async fn refusals_renew_at_most_once_a_second_and_only_what_is_kept() {
    let source = Source::answering(100);
    let identity = Identity::new("test", source.clone());
    key(&identity).await;
    identity.refused("another");
    assert_eq!(key(&identity).await, "key 1");
    for _ in 0..10 {
        identity.refused("key 1");
    }
    assert_eq!(key(&identity).await, "key 2");
    // Somebody who was refused with the old one hears of it late.
    identity.refused("key 1");
    identity.refused("key 2");
    assert_eq!(key(&identity).await, "key 2");
    advance(PAUSE).await;
    identity.refused("key 2");
    assert_eq!(key(&identity).await, "key 3");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up() {
    let identity = Identity::new("test", Source::answering(0));
    let began = Instant::now();
    identity.credentials().await.unwrap_err();
    assert_eq!(began.elapsed(), PATIENCE);
}
