//! Memory: how close the process is to what it may have, and what follows from it.

mod usage;

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use usage::Usage;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(250);

/// So many percent below its beginning a level ends, so that it does not come and go.
const HYSTERESIS: u64 = 2;

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is enough.
    Normal,
    /// What only saves time should be kept no longer.
    Elevated,
    /// Batch calls are turned away, and connections are asked to leave.
    High,
    /// Every new call is turned away.
    Critical,
}

impl Level {
    /// Every level, the lowest first.
    const ALL: [Self; 4] = [Self::Normal, Self::Elevated, Self::High, Self::Critical];

    /// From how many percent of what the process may have it holds.
    const fn begins(self) -> u64 {
        match self {
            Self::Normal => 0,
            Self::Elevated => 85,
            Self::High => 92,
            Self::Critical => 95,
        }
    }

    /// The level that follows on this one.
    fn after(self, usage: Usage) -> Self {
        let holds = |level: &Self| {
            let slack = if *level <= self { HYSTERESIS } else { 0 };
            usage.reaches(level.begins().saturating_sub(slack))
        };
        Self::ALL.into_iter().filter(holds).max().unwrap_or(Self::Normal)
    }
}

/// How short memory is, as it was seen last. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Pressure(Arc<AtomicU8>);

impl Pressure {
    /// The level now.
    #[must_use]
    pub fn level(&self) -> Level {
        let level = usize::from(self.0.load(Ordering::Relaxed));
        Level::ALL.get(level).copied().unwrap_or(Level::Normal)
    }

    /// Notes another level.
    pub(crate) fn set(&self, level: Level) {
        let at = Level::ALL.iter().position(|known| *known == level);
        self.0.store(at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Keeps the level up to date: what is resident against `limit`, or where that is unset what the control group
    /// uses against what it may. Nothing is done where there is no limit at all.
    pub async fn watch(&self, limit: Option<u64>) -> Infallible {
        if usage::now(Path::new("/"), limit).await.is_none() {
            tracing::debug!("the process has no memory limit, so nothing is done when memory grows");
            return pending().await;
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            // What cannot be read for once changes nothing.
            if let Some(usage) = usage::now(Path::new("/"), limit).await {
                self.follow(usage);
            }
        }
    }

    /// Takes the level that follows, and tells where it is another one.
    fn follow(&self, usage: Usage) {
        let (before, after) = (self.level(), self.level().after(usage));
        self.set(after);
        let Usage { used, limit } = usage;
        if after > before {
            tracing::warn!(memory.level = ?after, memory.used = used, memory.limit = limit, "memory is short");
        } else if after < before {
            tracing::info!(memory.level = ?after, memory.used = used, memory.limit = limit, "memory has been freed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_at_once_and_go_two_points_lower() {
        use Level::{Critical, Elevated, High, Normal};
        let pressure = Pressure::default();
        for (percent, level) in [
            (10, Normal),
            (84, Normal),
            (85, Elevated),
            (83, Elevated),
            (82, Normal),
            (92, High),
            (94, High),
            (95, Critical),
            (93, Critical),
            (92, High),
            (90, High),
            (89, Elevated),
            (99, Critical),
            (83, Elevated),
            (200, Critical),
            (0, Normal),
        ] {
            pressure.follow(Usage { used: percent, limit: 100 });
            assert_eq!(pressure.level(), level, "{percent}");
        }
    }

    #[test]
    fn whatever_was_noted_is_what_is_seen() {
        let pressure = Pressure::default();
        assert_eq!(pressure.level(), Level::Normal);
        for level in Level::ALL {
            pressure.set(level);
            assert_eq!(pressure.clone().level(), level);
        }
    }
}
