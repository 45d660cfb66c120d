//! One AWS identity: its credentials are kept, asked for anew in good time, and again when AWS refuses them.
//!
//! The SDK's own cache fails calls while the credentials it holds would still do, lets everybody wait for a
//! renewal, and keeps what AWS has refused.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

/// How long before their end credentials are asked for anew, at the least; half their life where that is shorter.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// How long credentials without an end serve until they are looked at again.
const ENDLESS: Duration = Duration::from_secs(15 * 60);

/// The shortest time between two renewals, and how long a failure stands for those who come next.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that a provider may take: more than all attempts of the SDK's own.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider of credentials behind a memory. Clones share it.
///
/// While credentials are good nobody waits: they are renewed behind the calls, from five to six minutes before
/// their end. Only where there are none, or AWS has refused them, calls wait, all for the same answer. Where the
/// provider fails, what there was serves on.
#[derive(Clone)]
pub(super) struct Identity(Arc<Shared>);

struct Shared {
    /// Whose credentials these are, for the operator.
    name: String,
    provider: SharedCredentialsProvider,
    kept: Mutex<Kept>,
    /// Held by whoever asks the provider.
    asking: Arc<tokio::sync::Mutex<()>>,
    renewals: TaskTracker,
}

/// What is known of the credentials.
#[derive(Default)]
struct Kept {
    credentials: Option<Credentials>,
    /// When to ask for the next, while these serve on.
    due: Option<Instant>,
    /// When these are no good any more.
    end: Option<Instant>,
    /// AWS has refused them, and nobody has asked since.
    refused: bool,
    /// When the last refusal led to a renewal.
    renewed: Option<Instant>,
    /// When the provider last failed, and how.
    failed: Option<(Instant, Arc<CredentialsError>)>,
}

/// What to do about the credentials now.
enum Standing {
    Good(Credentials),
    /// They are good, and the next can be asked for.
    Due(Credentials),
    Wanting,
}

impl Identity {
    /// The identity of this name whose credentials come from `provider`.
    pub(super) fn new(name: impl Into<String>, provider: impl ProvideCredentials + 'static) -> Self {
        Self(Arc::new(Shared {
            name: name.into(),
            provider: SharedCredentialsProvider::new(provider),
            kept: Mutex::default(),
            asking: Arc::default(),
            renewals: TaskTracker::new(),
        }))
    }

    /// AWS has refused the credentials with this access key id: if they are those that are kept, the next call
    /// asks the provider first. At most once a second, so that a key that stays wrong asks for no storm.
    pub(super) fn refused(&self, access_key_id: &str) {
        let mut kept = self.0.kept();
        if kept.credentials.as_ref().is_some_and(|kept| kept.access_key_id() == access_key_id) {
            kept.renew();
        }
    }

    /// The same, for whoever does not know which credentials were refused. Whether the provider will be asked.
    pub(super) fn renew(&self) -> bool {
        self.0.kept().renew()
    }

    async fn credentials(&self) -> provider::Result {
        match self.0.standing() {
            Standing::Good(credentials) => return Ok(credentials),
            Standing::Due(credentials) => {
                self.renew_behind();
                return Ok(credentials);
            }
            Standing::Wanting => {}
        }
        let _asking = self.0.asking.lock().await;
        // Whoever asked before has perhaps been answered.
        match self.0.standing() {
            Standing::Good(credentials) | Standing::Due(credentials) => Ok(credentials),
            Standing::Wanting => self.0.ask().await,
        }
    }

    /// Renews without letting anybody wait, unless somebody does already.
    fn renew_behind(&self) {
        if let Ok(asking) = Arc::clone(&self.0.asking).try_lock_owned() {
            let shared = Arc::clone(&self.0);
            self.0.renewals.spawn(async move {
                // What comes of it is kept, and told where it is bad.
                let _ = shared.ask().await;
                drop(asking);
            });
        }
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.0.name).finish()
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        self.kept().standing()
    }

    async fn ask(&self) -> provider::Result {
        if let Some(answer) = self.kept().lately_failed() {
            return answer.map_err(|error| self.failure(error));
        }
        let asked = timeout(PATIENCE, self.provider.provide_credentials()).await;
        match asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(PATIENCE))) {
            Ok(credentials) => {
                tracing::debug!(identity = self.name, "has AWS credentials");
                self.kept().keep(credentials.clone());
                Ok(credentials)
            }
            Err(error) => {
                let error = Arc::new(error);
                let answer = self.kept().fail(error).map_err(|error| self.failure(error));
                if answer.is_ok() {
                    tracing::warn!(
                        identity = self.name,
                        "AWS credentials could not be renewed; the old ones serve on"
                    );
                }
                answer
            }
        }
    }

    fn failure(&self, error: Arc<CredentialsError>) -> CredentialsError {
        let empty = matches!(*error, CredentialsError::CredentialsNotLoaded(_));
        let failed = Failed { identity: self.name.clone(), error };
        if empty { CredentialsError::not_loaded(failed) } else { CredentialsError::provider_error(failed) }
    }
}

impl Kept {
    fn standing(&self) -> Standing {
        let now = Instant::now();
        let past = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        match &self.credentials {
            Some(credentials) if !self.refused && !past(self.end) => {
                if past(self.due) {
                    Standing::Due(credentials.clone())
                } else {
                    Standing::Good(credentials.clone())
                }
            }
            _ => Standing::Wanting,
        }
    }

    fn renew(&mut self) -> bool {
        let now = Instant::now();
        if self.renewed.is_some_and(|last| now < last + PAUSE) {
            return false;
        }
        self.renewed = Some(now);
        self.refused = true;
        true
    }

    fn keep(&mut self, credentials: Credentials) {
        let now = Instant::now();
        let left = credentials.expiry().map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        // Those who share a provider do not all come at the same moment.
        let ahead = |left: Duration| AHEAD.min(left / 2).mul_f64(1.0 + 0.2 * fastrand::f64());
        self.due = Some(now + left.map_or(ENDLESS, |left| left.saturating_sub(ahead(left)).max(PAUSE)));
        self.end = left.map(|left| now + left);
        self.credentials = Some(credentials);
        self.refused = false;
        self.failed = None;
    }

    /// What there was is better than nothing: AWS decides whether it is good.
    fn fail(&mut self, error: Arc<CredentialsError>) -> Result<Credentials, Arc<CredentialsError>> {
        let now = Instant::now();
        self.failed = Some((now, Arc::clone(&error)));
        self.due = Some(now + AHEAD.mul_f64(0.05 * (1.0 + fastrand::f64())));
        self.credentials.clone().ok_or(error)
    }

    /// What those get who come just behind a failure.
    fn lately_failed(&self) -> Option<Result<Credentials, Arc<CredentialsError>>> {
        let (at, error) = self.failed.as_ref()?;
        (Instant::now() < *at + PAUSE).then(|| self.credentials.clone().ok_or_else(|| Arc::clone(error)))
    }
}

/// Why an identity has no credentials.
#[derive(Debug)]
struct Failed {
    identity: String,
    error: Arc<CredentialsError>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no AWS credentials of {}", self.identity)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

#[cfg(test)]
mod tests;
