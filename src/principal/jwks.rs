//! The keys of an issuer: read again and again, and kept while their source is away.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::{Notify, SetOnce};
use tokio::time::{Instant, sleep_until};

use super::fetch::{Place, Source};
use crate::config::IssuerSettings;

/// How often a file is looked at.
const FILE: Duration = Duration::from_secs(10);

/// The shortest time between two reads of a URL because of ids that nobody knows.
const UNKNOWN: Duration = Duration::from_secs(60);

/// How soon a read is repeated that has failed.
const FAILED: Duration = Duration::from_secs(15);

/// How long keys are good that could not be read again.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of an issuer, as they were read last.
#[derive(Debug)]
pub(super) struct KeySet {
    /// Whose they are, for the operator.
    issuer: String,
    source: Source,
    refresh: Duration,
    kept: ArcSwap<Kept>,
    /// Somebody came with a key's id that nobody knows.
    wanted: Notify,
    /// There has been an attempt to read them.
    tried: SetOnce<()>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<[Key]>,
    /// When they were read.
    read: Option<Instant>,
    /// When that was last tried.
    tried: Option<Instant>,
    /// Why it failed then.
    failed: Option<String>,
}

/// A public key that checks signatures.
#[derive(Debug)]
pub(super) struct Key {
    id: String,
    /// The one algorithm that it is for; `None` for every one of its family.
    algorithm: Option<KeyAlgorithm>,
    decoding: DecodingKey,
}

impl KeySet {
    /// The keys of this issuer; those that the former ones had from the same place are good at once.
    ///
    /// # Errors
    /// Those of [`Source::new`].
    pub(super) fn new<'f>(
        issuer: &str,
        settings: &IssuerSettings,
        mut former: impl Iterator<Item = &'f Self>,
    ) -> Result<Self, String> {
        let source = Source::new(settings)?;
        let former = former.find(|former| former.source.place() == source.place());
        let kept = former.map_or_else(Arc::default, |former| former.kept.load_full());
        let tried = SetOnce::new_with(kept.tried.map(|_| ()));
        let kept = ArcSwap::new(kept);
        let issuer = issuer.to_owned();
        Ok(Self { issuer, source, refresh: settings.refresh, kept, wanted: Notify::new(), tried })
    }

    /// The keys of this id that check signatures of this algorithm. An id that none has is looked for at the source,
    /// soon and behind the call.
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Vec<DecodingKey> {
        let kept = self.kept.load();
        let good = kept.read.is_some_and(|read| read.elapsed() < STALE);
        let of_id = || kept.keys.iter().filter(|key| good && key.id == id);
        if of_id().next().is_none() {
            self.wanted.notify_one();
        }
        of_id().filter(|key| key.checks(algorithm)).map(|key| key.decoding.clone()).collect()
    }

    /// Waits until there has been an attempt to read them.
    pub(super) async fn tried(&self) {
        self.tried.wait().await;
    }

    /// Reads them when it is time to, for as long as it is polled.
    pub(super) async fn keep(&self) -> Infallible {
        self.keep_from(|| self.source.read()).await
    }

    async fn keep_from<F>(&self, read: impl Fn() -> F) -> Infallible
    where
        F: Future<Output = Result<Bytes, String>>,
    {
        loop {
            self.due().await;
            self.take(read().await.and_then(|set| keys(&set)));
        }
    }

    /// Reads them once. How many there are.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub(super) async fn check(&self) -> Result<usize, String> {
        let keys = keys(&self.source.read().await?)?.len();
        if keys == 0 { Err("no key in it has an id and checks signatures".to_owned()) } else { Ok(keys) }
    }

    /// Waits until they are to be read.
    async fn due(&self) {
        let kept = self.kept.load_full();
        let Some(tried) = kept.tried else { return };
        let after = |pause: Duration| sleep_until(tried + pause.min(self.refresh));
        if kept.failed.is_some() {
            return after(FAILED).await;
        }
        if matches!(self.source.place(), Place::File(_)) {
            return after(FILE).await;
        }
        after(UNKNOWN).await;
        tokio::select! {
            () = self.wanted.notified() => {}
            () = after(self.refresh) => {}
        }
    }

    fn take(&self, read: Result<Vec<Key>, String>) {
        let (before, now) = (self.kept.load_full(), Instant::now());
        let issuer = self.issuer.as_str();
        let kept = match read {
            Ok(keys) => {
                let ids = |keys: &[Key]| keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
                if keys.is_empty() {
                    tracing::warn!(issuer, "the issuer has no key with an id that checks signatures");
                } else if before.failed.is_some() || ids(&keys) != ids(&before.keys) {
                    tracing::info!(issuer, keys = keys.len(), "the keys of the issuer were read");
                }
                Kept { keys: keys.into(), read: Some(now), tried: Some(now), failed: None }
            }
            Err(mistake) => {
                if before.failed.as_ref() != Some(&mistake) {
                    let kept = before.keys.len();
                    tracing::warn!(issuer, kept, mistake, "the keys of the issuer cannot be read");
                }
                let keys = Arc::clone(&before.keys);
                Kept { keys, read: before.read, tried: Some(now), failed: Some(mistake) }
            }
        };
        self.kept.store(Arc::new(kept));
        // Only the first attempt is news.
        let _ = self.tried.set(());
    }
}

impl Key {
    /// `None` for one that has no id, checks no signatures, or is of a kind that is not public or not known.
    fn read(json: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        match jwk.algorithm {
            AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_) => {}
            _ => return None,
        }
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
        let operations = jwk.common.key_operations.as_ref();
        let verifies = operations.is_none_or(|may| may.contains(&KeyOperations::Verify));
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let key = Self { id: jwk.common.key_id?, algorithm: jwk.common.key_algorithm, decoding };
        (signs && verifies).then_some(key)
    }

    fn checks(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == algorithm.family()
            && self.algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
    }
}

/// The keys of a JWK set that can be used; others are for somebody else.
fn keys(set: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(set).map_err(|_| "it is no JWK set".to_owned())?;
    Ok(set.keys.into_iter().filter_map(Key::read).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::cell::{Cell, RefCell};

    use tokio::time::sleep;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn settings(url: &str) -> IssuerSettings {
        IssuerSettings { jwks_url: Some(url.to_owned()), ..IssuerSettings::default() }
    }

    fn key_set() -> KeySet {
        KeySet::new("cluster", &settings("https://host/keys"), [].into_iter()).unwrap()
    }

    fn set(id: &str) -> Bytes {
        let key = serde_json::json!({"kty": "EC", "crv": "P-256", "kid": id, "x": "AA", "y": "AA"});
        serde_json::json!({ "keys": [key] }).to_string().into()
    }

    fn has(keys: &KeySet, id: &str) -> bool {
        !keys.find(id, Algorithm::ES256).is_empty()
    }

    /// A source of one key that can go down, and when it was asked.
    #[derive(Default)]
    struct Asked {
        down: Cell<bool>,
        at: RefCell<Vec<Instant>>,
    }

    impl Asked {
        /// Keeps the keys up to date from here while something else happens.
        async fn during(&self, keys: &KeySet, happens: impl Future<Output = ()>) {
            let read = || {
                self.at.borrow_mut().push(Instant::now());
                let answer = if self.down.get() { Err("down".to_owned()) } else { Ok(set("known")) };
                async move { answer }
            };
            tokio::select! {
                never = keys.keep_from(read) => match never {},
                () = happens => {}
            }
        }

        fn times(&self) -> usize {
            self.at.borrow().len()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_read_at_the_start_and_every_ten_minutes() {
        let (keys, asked) = (key_set(), Asked::default());
        assert!(!has(&keys, "known"));
        asked.during(&keys, sleep(HOUR - Duration::from_secs(1))).await;
        // The look before the start counts as an unknown id.
        assert_eq!(asked.times(), 7);
        assert!(has(&keys, "known") && !has(&keys, "other"));
        assert!(keys.find("known", Algorithm::RS256).is_empty(), "a key of another kind");
    }

    /// C16: however many tokens name keys that nobody knows, the provider is asked once a minute.
    #[tokio::test(start_paused = true)]
    async fn unknown_keys_have_the_source_asked_once_a_minute() {
        let (keys, asked) = (key_set(), Asked::default());
        let flood = async {
            for _ in 0..36_000 {
                assert!(!has(&keys, "unknown"));
                sleep(Duration::from_millis(100)).await;
            }
        };
        asked.during(&keys, flood).await;
        let at = asked.at.borrow();
        assert!((59..=61).contains(&at.len()), "{}", at.len());
        assert!(at.windows(2).all(|pair| matches!(pair, [one, next] if *next - *one >= UNKNOWN)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_looked_for_at_once_where_that_was_not_done_lately() {
        let (keys, asked) = (key_set(), Asked::default());
        let one = async {
            sleep(2 * UNKNOWN).await;
            assert_eq!(asked.times(), 1);
            assert!(!has(&keys, "unknown"));
            sleep(Duration::from_millis(1)).await;
            assert_eq!(asked.times(), 2);
            assert!(has(&keys, "known"), "a key that is known is not looked for");
            sleep(2 * UNKNOWN).await;
            assert_eq!(asked.times(), 2);
        };
        asked.during(&keys, one).await;
    }

    /// C16: keys serve on for a day while their source is down, and are there again with it.
    #[tokio::test(start_paused = true)]
    async fn keys_are_good_for_a_day_without_their_source() {
        let (keys, asked) = (key_set(), Asked::default());
        let day = async {
            sleep(Duration::from_secs(1)).await;
            asked.down.set(true);
            sleep(STALE - Duration::from_secs(2)).await;
            assert!(has(&keys, "known"));
            sleep(Duration::from_secs(2)).await;
            assert!(!has(&keys, "known"), "they are good for longer than a day");
            asked.down.set(false);
            sleep(FAILED).await;
            assert!(has(&keys, "known"));
        };
        asked.during(&keys, day).await;
        let most = STALE.as_secs() / FAILED.as_secs() + 2;
        assert!(asked.times() <= usize::try_from(most).unwrap(), "{}", asked.times());
    }

    #[tokio::test(start_paused = true)]
    async fn new_settings_keep_the_keys_of_the_same_place() {
        let (keys, asked) = (key_set(), Asked::default());
        asked.during(&keys, sleep(UNKNOWN)).await;
        let renewed = |url: &str| KeySet::new("renamed", &settings(url), [&keys].into_iter()).unwrap();
        let (same, other) = (renewed("https://host/keys"), renewed("https://other/keys"));
        assert!(has(&same, "known") && !has(&other, "known"));
        same.tried().await;
        let before = asked.times();
        asked.during(&same, sleep(UNKNOWN)).await;
        assert_eq!(asked.times(), before, "they were read lately");
        asked.during(&other, other.tried()).await;
        assert_eq!(asked.times(), before + 1);
    }
}
