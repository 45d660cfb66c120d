//! Where calls may go: aliases, residency, and when a target is left alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::{is_no_clock, is_too_long};

/// A name for several targets.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AliasSettings {
    /// What it stands for, the first choice first; by weight where they have one.
    pub targets: Vec<TargetSettings>,
    /// How long a target may be silent until a second one is called beside it; unset for never.
    #[serde(default, with = "humantime_serde")]
    pub hedge_after: Option<Duration>,
}

/// One target of an alias.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// A base model id, an inference profile id, or an ARN.
    pub model: String,
    /// The region to call; unset for the home region, or the ARN's own.
    pub region: Option<String>,
    /// The ARN of an IAM role to assume.
    pub role: Option<String>,
    /// Its share among the weights of all.
    pub weight: Option<u32>,
}

/// When a target that fails is left alone.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// The share of failures among a target's last calls that opens its breaker.
    pub share: f64,
    /// So many calls there must have been.
    pub calls: u32,
    /// How far back calls count.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How long an open breaker keeps calls away until one may try; `0s` for breakers that never open.
    #[serde(with = "humantime_serde")]
    pub open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { share: 0.5, calls: 20, window: Duration::from_secs(10), open: Duration::from_secs(5) }
    }
}

impl AliasSettings {
    /// Whether the hedge's wait is too small or too large.
    pub(super) fn out_of_range(&self) -> bool {
        self.hedge_after.is_some_and(is_no_clock)
    }
}

impl BreakerSettings {
    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [
            ("calls", self.calls == 0),
            ("window", is_no_clock(self.window)),
            ("open", is_too_long(self.open)),
        ];
        keys.into_iter().filter(|(_, small)| *small).map(|(key, _)| key)
    }

    /// What cannot be a share.
    pub(super) fn mistake(&self) -> Option<String> {
        let share = self.share;
        (!(share > 0.0 && share <= 1.0))
            .then(|| format!("breaker.share is {share}; above 0 and up to 1 is accepted"))
    }
}
