//! Calls: a tenant's attempts one by one, a page at a time.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::period::Moment;
use super::rows::Kind;
use super::store::{Statement, statement};
use super::usage::Span;
use super::{Ledger, Unreadable};
use crate::principal::TenantId;

const CALLS: Statement = statement!("calls");
const SPAN_OF: Statement = statement!("span_of");

/// An attempt as the ledger has it. Amounts are pico-USD.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Row {
    pub(super) attempt: Uuid,
    pub(super) at: i64,
    pub(super) ended: Option<i64>,
    /// The call's id.
    pub request_id: String,
    /// Counts the attempts of the call from 1.
    pub number: u32,
    /// The RPC.
    pub operation: String,
    /// The base id; empty where the catalogue does not know it.
    pub model: String,
    /// The id that Bedrock was called with.
    pub model_id: String,
    /// The region that was called.
    pub region: String,
    /// The service tier that was asked for.
    pub tier: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The version of the price table.
    pub price_version: String,
    /// The most that it could cost.
    pub reserved: i64,
    /// What is known of its cost; `None` while it is under way, as the members below.
    pub kind: Option<Kind>,
    /// `OK`, the reason of the failure, or `CANCELLED`.
    pub outcome: Option<String>,
    /// AWS's request id.
    pub aws_request_id: Option<String>,
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
    /// What it cost, by its kind.
    pub cost: Option<i64>,
}

/// Which attempts are looked for; what is `None` holds for all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of the call of this id.
    pub request_id: Option<String>,
    /// With this label.
    pub label: Option<String>,
    /// Whose label has this value.
    pub value: Option<String>,
    /// Ended so.
    pub outcome: Option<String>,
}

/// Where a page ends. As text, it is the token of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    at: i64,
    attempt: Uuid,
}

#[derive(Serialize)]
struct Asked<'a> {
    tenant: &'a str,
    since: i64,
    until: i64,
    before_at: Option<i64>,
    before: Option<Uuid>,
    request_id: Option<&'a str>,
    label: Option<&'a str>,
    value: Option<&'a str>,
    outcome: Option<&'a str>,
    most: usize,
}

#[derive(Serialize)]
struct Named<'a> {
    tenant: &'a str,
    request_id: &'a str,
}

impl Row {
    /// When it was reserved.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        Moment::at(self.at).time()
    }

    /// When it was settled.
    #[must_use]
    pub fn ended(&self) -> Option<SystemTime> {
        self.ended.map(|ended| Moment::at(ended).time())
    }

    /// Where a page ends whose last row this is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { at: self.at, attempt: self.attempt }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}.{}", self.at, self.attempt.simple())
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, attempt) = text.split_once('.').ok_or(())?;
        let at = i64::from_str_radix(at, 16).map_err(drop)?;
        Ok(Self { at, attempt: attempt.parse().map_err(drop)? })
    }
}

impl Ledger {
    /// Some of a tenant's attempts that began in a time, the newest first, behind this place. What begins meanwhile
    /// changes no page.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn calls(
        &self,
        tenant: &TenantId,
        span: Span,
        filter: &Filter,
        behind: Option<Place>,
        most: usize,
    ) -> Result<Vec<Row>, Unreadable> {
        let (mut since, mut until) = span.micros();
        if let Some(request_id) = &filter.request_id {
            let named = Named { tenant: tenant.as_str(), request_id };
            let spans: Vec<(i64, i64)> = self.read(SPAN_OF, &named).await?;
            let Some((first, last)) = spans.first() else { return Ok(Vec::new()) };
            (since, until) = (since.max(*first), until.min(last.saturating_add(1)));
        }
        if let Some(behind) = behind {
            until = until.min(behind.at.saturating_add(1));
        }
        let asked = Asked {
            tenant: tenant.as_str(),
            since,
            until,
            before_at: behind.map(|place| place.at),
            before: behind.map(|place| place.attempt),
            request_id: filter.request_id.as_deref(),
            label: filter.label.as_deref(),
            value: filter.value.as_deref(),
            outcome: filter.outcome.as_deref(),
            most,
        };
        self.read(CALLS, &asked).await
    }
}
