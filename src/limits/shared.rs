//! The buckets that several gateways share in one Redis or Valkey.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};
use tokio::time::{Instant, timeout};

use super::Taking;
use crate::config::RedisSettings;

/// How long Redis is left alone after it has not answered.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a new connection may take. Nobody waits for it longer than for an answer.
const CONNECT: Duration = Duration::from_secs(2);

/// One connection for all, over which answers come in the order of the questions. A question that nobody waits for
/// any more is answered all the same, so that no answer goes to another.
pub(super) struct Shared {
    connection: ConnectionManager,
    script: Script,
    timeout: Duration,
    /// Until when nobody asks, since there was no answer.
    down: Mutex<Option<Instant>>,
}

impl Shared {
    /// Connects when it is first asked.
    pub(super) fn new(url: &str, settings: &RedisSettings) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(settings.timeout))
            .set_connection_timeout(Some(CONNECT));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?,
            script: Script::new(include_str!("take.lua")),
            timeout: settings.timeout,
            down: Mutex::new(None),
        })
    }

    /// Takes or settles; how long to wait where there is no room, `None` where Redis does not answer.
    pub(super) async fn change(&self, bucket: &str, change: Taking) -> Option<Result<(), Duration>> {
        if !self.is_asked() {
            return None;
        }
        let mut connection = self.connection.clone();
        let mut question = self.script.key(bucket);
        question.arg(change.limit).arg(change.units).arg(i64::from(change.may_refuse));
        match timeout(self.timeout, question.invoke_async::<u64>(&mut connection)).await {
            Ok(Ok(wait)) => {
                self.answered();
                Some(if wait == 0 { Ok(()) } else { Err(Duration::from_millis(wait)) })
            }
            Ok(Err(error)) => self.silent(&error.kind()),
            Err(_) => self.silent(&"it took too long"),
        }
    }

    /// Whether to ask at all. While Redis does not answer, one question in a while finds out when it does again.
    fn is_asked(&self) -> bool {
        let mut down = self.down();
        match *down {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                *down = Some(Instant::now() + PAUSE);
                true
            }
        }
    }

    fn answered(&self) {
        if self.down().take().is_some() {
            tracing::info!("redis answers again; limits are shared");
        }
    }

    fn silent<T>(&self, why: &dyn fmt::Debug) -> Option<T> {
        if self.down().replace(Instant::now() + PAUSE).is_none() {
            tracing::warn!(?why, "redis does not answer; this gateway keeps to its own share of every limit");
        }
        None
    }

    fn down(&self) -> MutexGuard<'_, Option<Instant>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the address, which may hold a password.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
