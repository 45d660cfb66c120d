//! Shutdown: the clocks from the first word of an end to the last.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::ServerSettings;

/// An end that is asked for, put off a while, awaited for a while, and cut short where that is asked for too.
#[derive(Debug)]
pub(super) struct Shutdown {
    asked: CancellationToken,
    at_once: CancellationToken,
    delay: Duration,
    grace: Duration,
}

impl Shutdown {
    pub(super) fn new(
        asked: CancellationToken,
        at_once: CancellationToken,
        settings: &ServerSettings,
    ) -> Self {
        Self { asked, at_once, delay: settings.shutdown_delay, grace: settings.shutdown_grace }
    }

    /// The first word.
    pub(super) fn asked(&self) -> &CancellationToken {
        &self.asked
    }

    /// How long new calls are still served, from now on.
    pub(super) async fn delayed(&self) {
        self.at_once.run_until_cancelled(sleep(self.delay)).await;
    }

    /// Resolves when running calls have had their time.
    pub(super) async fn expired(&self) {
        self.asked.cancelled().await;
        self.at_once.run_until_cancelled(sleep(self.delay.saturating_add(self.grace))).await;
    }
}
