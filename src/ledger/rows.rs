//! Rows: what is written of an attempt, before it is sent and when it has ended.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::period::Moment;

/// The row that stands before an attempt is sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Reserved {
    pub(super) attempt: Uuid,
    pub(super) replica: String,
    pub(super) tenant: String,
    pub(super) at: i64,
    pub(super) day: String,
    #[serde(flatten)]
    pub(super) planned: Planned,
}

/// What is known of an attempt before it is sent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Planned {
    /// The call's id.
    pub request_id: String,
    /// Counts the attempts of the call from 1.
    pub number: u32,
    /// The RPC.
    pub operation: &'static str,
    /// The base id; empty where the catalogue does not know it.
    pub model: String,
    /// The id that Bedrock is called with.
    pub model_id: String,
    /// The region that is called.
    pub region: String,
    /// The service tier that is asked for.
    pub tier: String,
    /// The caller's and the tenant's labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// The version of the price table.
    pub price_version: String,
    /// The most that it can cost, in pico-USD; zero where it has no price.
    pub pico_usd: i64,
}

/// The row that ends an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) attempt: Uuid,
    pub(super) tenant: String,
    /// The day of the reservation, which is the one that is charged.
    pub(super) day: String,
    pub(super) at: i64,
    #[serde(flatten)]
    pub(super) settlement: Settlement,
}

/// How an attempt ended, and what it cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What is known of its cost.
    pub kind: Kind,
    /// `OK`, the reason of the failure, or `CANCELLED`.
    pub outcome: String,
    /// AWS's request id; empty where none came.
    pub aws_request_id: String,
    /// Input tokens outside the prompt cache.
    pub input: i64,
    /// Read from the prompt cache.
    pub cache_read: i64,
    /// Written to the prompt cache for five minutes.
    pub cache_write_5m: i64,
    /// Written to the prompt cache for an hour.
    pub cache_write_1h: i64,
    /// Output tokens.
    pub output: i64,
    /// What it cost, in pico-USD; `None` for all that was reserved.
    pub pico_usd: Option<i64>,
}

/// What is known of an attempt's cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is what AWS's own usage costs.
    Exact,
    /// At most so much: no usage was reported, and it may have been billed.
    #[default]
    Estimated,
    /// Nobody knows: there is no price.
    Unpriced,
    /// Nothing: it was never processed.
    Void,
}

/// An attempt without a settlement, as the database has it.
#[derive(Debug, Deserialize)]
pub(super) struct Open {
    attempt: Uuid,
    tenant: String,
    day: String,
}

impl Open {
    /// Whoever began it can no longer tell how it ended.
    pub(super) fn recovered(self, now: Moment) -> Settled {
        let settlement = Settlement { outcome: "RECOVERED".to_owned(), ..Settlement::default() };
        Settled { attempt: self.attempt, tenant: self.tenant, day: self.day, at: now.micros(), settlement }
    }
}

impl Reserved {
    /// The row that ends it.
    pub(super) fn settled(&self, settlement: Settlement, now: Moment) -> Settled {
        Settled {
            attempt: self.attempt,
            tenant: self.tenant.clone(),
            day: self.day.clone(),
            at: now.micros(),
            settlement,
        }
    }
}

impl Settlement {
    /// It was never sent.
    #[must_use]
    pub fn void(outcome: &str) -> Self {
        Self { kind: Kind::Void, outcome: outcome.to_owned(), pico_usd: Some(0), ..Self::default() }
    }
}

/// A text as both databases take it: PostgreSQL has no NUL.
pub(super) fn text(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').collect()
}
