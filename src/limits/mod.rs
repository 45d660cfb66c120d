//! Limits: what a tenant may use in a minute, in this process or among all gateways of one Redis.
//!
//! What is taken drains evenly, a minute's worth in a minute; as much may be taken at once. What was taken and not
//! used comes back, and what was used beyond it is owed.

mod bucket;
mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::config::RedisSettings;
use crate::principal::TenantId;

use bucket::Bucket;
use shared::Shared;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Calls.
    Requests,
    /// Tokens as Bedrock counts them for its own quota.
    Tokens,
}

/// Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// There is room after this time, where nobody else takes it.
    pub wait: Duration,
}

/// Every tenant's limits. Clones count together.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: Own,
    shared: Option<Shared>,
    /// Gateways among which a limit is divided while they do not share it.
    replicas: u32,
    /// Questions to Redis: each is asked to its end, whoever waits for it.
    tasks: TaskTracker,
}

/// The buckets of this process.
#[derive(Debug)]
struct Own {
    began: Instant,
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
}

/// A change of a bucket.
#[derive(Debug, Clone, Copy)]
struct Taking {
    /// Units a minute.
    limit: i64,
    units: i64,
    /// Whether there must be room.
    may_refuse: bool,
}

/// What has been taken. Dropped, all of it is given back, but for what it was settled at.
#[derive(Debug)]
pub struct Taken {
    limits: Limits,
    bucket: Arc<str>,
    limit: i64,
    units: i64,
    used: i64,
    /// Whether it was taken from the shared bucket.
    shared: bool,
}

impl Limits {
    /// In this process alone, or shared where the settings have a Redis.
    ///
    /// # Errors
    /// The address cannot be one.
    pub fn new(settings: &RedisSettings) -> Result<Self, String> {
        let shared = settings.url.as_ref().map(|url| {
            // The error could quote the address, which may hold a password.
            Shared::new(url, settings).map_err(|_| "redis.url: redis://host:port is accepted".to_owned())
        });
        let own = Own { began: Instant::now(), buckets: Mutex::default() };
        let replicas = settings.replicas.max(1);
        Ok(Self(Arc::new(Inner { own, shared: shared.transpose()?, replicas, tasks: TaskTracker::new() })))
    }

    /// Takes so many units of what a tenant may use in a minute. More than a whole minute's worth are taken when
    /// nothing else is, and owed.
    ///
    /// A caller who leaves while Redis is asked has taken nothing.
    ///
    /// # Errors
    /// There is no room for them.
    pub async fn take(
        &self,
        tenant: &TenantId,
        counted: Counted,
        per_minute: u32,
        units: i64,
    ) -> Result<Taken, Denied> {
        self.take_from(name_of(tenant.as_str(), counted).into(), per_minute, units).await
    }

    async fn take_from(&self, bucket: Arc<str>, per_minute: u32, units: i64) -> Result<Taken, Denied> {
        let limit = i64::from(per_minute);
        if self.0.shared.is_none() {
            return self.take_own(bucket, limit, units);
        }
        let (limits, asking) = (self.clone(), Arc::clone(&bucket));
        let asked = self.0.tasks.spawn(async move {
            let answer =
                limits.0.shared.as_ref()?.change(&asking, Taking { limit, units, may_refuse: true }).await?;
            Some(match answer {
                Ok(()) => Ok(Taken { limits, bucket: asking, limit, units, used: 0, shared: true }),
                Err(wait) => Err(Denied { wait }),
            })
        });
        match asked.await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => self.take_own(bucket, (limit / i64::from(self.0.replicas)).max(1), units),
        }
    }

    fn take_own(&self, bucket: Arc<str>, limit: i64, units: i64) -> Result<Taken, Denied> {
        self.0
            .own
            .change(&bucket, Taking { limit, units, may_refuse: true })
            .map_err(|wait| Denied { wait })?;
        Ok(Taken { limits: self.clone(), bucket, limit, units, used: 0, shared: false })
    }

    /// Waits until everything that was given back has been noted.
    pub async fn settled(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Own {
    fn change(&self, bucket: &Arc<str>, taking: Taking) -> Result<(), Duration> {
        let now = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(Arc::clone(bucket)).or_default();
        if taking.may_refuse {
            return bucket.take(now, taking.limit, taking.units);
        }
        bucket.settle(now, taking.limit, taking.units);
        Ok(())
    }
}

/// The name of a bucket, here and in Redis, where all keys of a tenant lie together.
fn name_of(tenant: &str, counted: Counted) -> String {
    let counted = match counted {
        Counted::Requests => "requests",
        Counted::Tokens => "tokens",
    };
    format!("bedrock-inference:{{{tenant}}}:{counted}")
}

impl Taken {
    /// All of it has been used, as far as anybody knows.
    pub fn keep(self) {
        let units = self.units;
        self.settle(units);
    }

    /// So much has been used: the rest comes back, and what is more is owed.
    pub fn settle(mut self, used: i64) {
        self.used = used;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let taking =
            Taking { limit: self.limit, units: self.used.saturating_sub(self.units), may_refuse: false };
        if taking.units == 0 {
            return;
        }
        if !self.shared {
            // Never refused.
            let _ = self.limits.0.own.change(&self.bucket, taking);
            return;
        }
        let (limits, bucket) = (self.limits.clone(), Arc::clone(&self.bucket));
        let settling = async move {
            if let Some(shared) = &limits.0.shared {
                // What cannot be given back drains within its minute.
                let _ = shared.change(&bucket, taking).await;
            }
        };
        if let Ok(runtime) = Handle::try_current() {
            self.limits.0.tasks.spawn_on(settling, &runtime);
        }
    }
}

#[cfg(test)]
mod tests;
