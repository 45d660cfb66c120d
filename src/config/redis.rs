//! Settings of the Redis or Valkey that several gateways share.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::is_no_clock;

/// The Redis that several gateways share.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisSettings {
    /// Its address, `redis://` or `rediss://`, which may hold a password; unset for limits of this process alone.
    pub url: Option<String>,
    /// How long an answer may take until the gateway goes on without one.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How many gateways share it: each has such a part of every limit while Redis does not answer.
    pub replicas: u32,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self { url: None, timeout: Duration::from_millis(50), replicas: 1 }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("url", &self.url.as_ref().map(|_| "***"))
            .field("timeout", &self.timeout)
            .field("replicas", &self.replicas)
            .finish()
    }
}

impl RedisSettings {
    /// An address that cannot be one; it is not quoted.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let wrong = self.url.as_ref().is_some_and(|url| ::redis::Client::open(url.as_str()).is_err());
        wrong.then_some("redis.url: redis://host:port and rediss://host:port are accepted")
    }

    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [("timeout", is_no_clock(self.timeout)), ("replicas", self.replicas == 0)];
        keys.into_iter().filter(|(_, wrong)| *wrong).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    #[test]
    fn what_cannot_be_is_told_without_the_address() {
        for (toml, words) in [
            ("[redis]\nurl = \"s3cret\"", "redis.url: redis://"),
            ("[redis]\nurl = \"http://:s3cret@h\"", "redis.url: redis://"),
            ("[redis]\nreplicas = 0", "redis.replicas is too small"),
            ("[redis]\ntimeout = \"0s\"", "redis.timeout is too small"),
        ] {
            let mistake = Settings::parse(Some(toml)).err().unwrap_or_default();
            assert!(mistake.contains(words) && !mistake.contains("s3cret"), "{toml}: {mistake}");
        }
        let good = Settings::parse(Some("[redis]\nurl = \"rediss://:s3cret@h:1/2\""));
        assert!(good.is_ok_and(|settings| !format!("{settings:?}").contains("s3cret")));
    }
}
