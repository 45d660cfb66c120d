//! The ledger: where it is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::UpstreamKind;
use super::timeouts::is_no_clock;

/// The shortest time that ended attempts are kept.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the ledger is kept.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerSettings {
    /// `sqlite:PATH`, `postgres://...`, or `temporary`; unset for `sqlite:bedrock-inference.db`, and for `temporary` where
    /// the emulator is called.
    pub url: Option<String>,
    /// The name of this process among those that write to one database; unset for the name of the host.
    pub replica: Option<String>,
    /// The file for what the database cannot take for a while.
    pub spill: PathBuf,
    /// How long a call waits for its reservation.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long ended attempts are kept; unset for ever.
    #[serde(with = "humantime_serde")]
    pub retention: Option<Duration>,
}

/// The kinds of places.
#[derive(Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// A file of SQLite's.
    File(PathBuf),
    /// The same, gone when the service ends.
    Temporary,
    /// A database of PostgreSQL's, by its URL.
    Server(String),
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            url: None,
            replica: None,
            spill: "bedrock-inference.spill".into(),
            timeout: Duration::from_secs(1),
            retention: None,
        }
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for LedgerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, replica, spill, timeout, retention } = self;
        f.debug_struct("LedgerSettings")
            .field("replica", replica)
            .field("spill", spill)
            .field("timeout", timeout)
            .field("retention", retention)
            .finish_non_exhaustive()
    }
}

impl LedgerSettings {
    /// Where it is kept, by what is called.
    ///
    /// # Errors
    /// The URL is none of the three forms; it is not quoted.
    pub fn place(&self, upstream: UpstreamKind) -> Result<LedgerPlace, String> {
        let usual = match upstream {
            UpstreamKind::Aws => "sqlite:bedrock-inference.db",
            // What it answers is made up, and costs nothing.
            UpstreamKind::Emulator => "temporary",
        };
        let url = self.url.as_deref().unwrap_or(usual);
        match url.split_once(':') {
            None if url == "temporary" => Ok(LedgerPlace::Temporary),
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                Ok(LedgerPlace::File(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", _)) => Ok(LedgerPlace::Server(url.to_owned())),
            _ => Err(
                "ledger.url: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE and temporary are accepted"
                    .to_owned(),
            ),
        }
    }

    /// The name of this process.
    #[must_use]
    pub fn replica(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let named = self.replica.clone().unwrap_or_else(|| host().trim().to_owned());
        if named.is_empty() { "local".to_owned() } else { named }
    }

    /// What is wrong with it.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let name = self.replica.as_ref().filter(|name| {
            !(1..=128).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let name =
            name.map(|_| "ledger.replica: 1 to 128 printable ASCII characters are accepted".to_owned());
        self.place(UpstreamKind::Aws).err().into_iter().chain(name).collect()
    }

    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> {
        let short = self.retention.is_some_and(|retention| retention < SHORTEST_RETENTION);
        let short = short.then_some("retention");
        is_no_clock(self.timeout).then_some("timeout").into_iter().chain(short)
    }
}
