//! Renewal: what new settings change in a running service, and what outlives them all.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use crate::call::Clocks;
use crate::config::Settings;
use crate::grpc::{Gateway, Live};
use crate::layers::{Admission, Flights, Tally, TargetHealth};
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::memory::Pressure;
use crate::price::Prices;
use crate::principal::Authenticator;
use crate::server::Rules;
use crate::stack::{Parts, corridor};
use crate::upstream::{Bedrock, Started};

/// What every configuration shares: connections to Bedrock, and all that counts or remembers.
#[derive(Debug)]
pub(super) struct Lasting {
    region: String,
    bedrock: Arc<dyn Bedrock>,
    authenticator: Authenticator,
    pub(super) pressure: Pressure,
    pub(super) flights: Flights,
    admission: Admission,
    pub(super) ledger: Ledger,
    pub(super) limits: Limits,
    pub(super) tally: Tally,
    health: TargetHealth,
}

impl Lasting {
    /// As these settings say, which only a restart can change.
    ///
    /// # Errors
    /// What is wrong with them, beside what [`Settings::load`] sees.
    pub(super) fn new(
        started: &Started,
        settings: &Settings,
        authenticator: Authenticator,
        ledger: Ledger,
    ) -> Result<Self, String> {
        let pressure = Pressure::default();
        Ok(Self {
            region: started.region.clone(),
            bedrock: Arc::clone(&started.bedrock),
            authenticator,
            admission: Admission::new(settings.admission, pressure.clone()),
            limits: Limits::new(&settings.redis)?,
            pressure,
            flights: Flights::new(settings.admission.drains),
            ledger,
            tally: Tally::default(),
            health: TargetHealth::default(),
        })
    }

    /// What these settings make, whole; nothing is changed by making it.
    ///
    /// # Errors
    /// What is wrong with them, beside what [`Settings::load`] sees.
    pub(super) fn live(&self, settings: &Settings) -> Result<Live, String> {
        let home = super::home(settings, &self.region);
        let catalog = Arc::new(super::catalog(settings, &home)?);
        let prices = Prices::new(&catalog);
        let corridor = corridor(Parts {
            catalog: Arc::clone(&catalog),
            prices: prices.clone(),
            unpriced: settings.unpriced_models,
            home: home.clone(),
            route: settings.route,
            clocks: clocks(settings),
            retry: settings.retry,
            breaker: settings.breaker,
            health: self.health.clone(),
            admission: self.admission.clone(),
            limits: self.limits.clone(),
            idempotency: settings.idempotency,
            flights: self.flights.clone(),
            ledger: self.ledger.clone(),
            tally: self.tally.clone(),
            bedrock: Arc::clone(&self.bedrock),
        });
        Ok(Live {
            corridor,
            catalog,
            prices,
            ledger: self.ledger.clone(),
            home,
            max_message_bytes: settings.server.max_message_bytes,
        })
    }

    /// Has calls that begin from now on served by the settings that come, as far as a running service can take
    /// them. Those that make no whole change nothing.
    pub(super) async fn renew(
        &self,
        start: &Settings,
        mut wanted: watch::Receiver<Settings>,
        gateway: &Gateway,
    ) -> Infallible {
        let mut running = start.clone();
        while wanted.changed().await.is_ok() {
            let wanted = wanted.borrow_and_update().clone();
            let taken = wanted.clone().while_running(start);
            let prepared =
                self.live(&taken).and_then(|live| Ok((live, self.authenticator.prepared(&taken)?)));
            match prepared {
                Err(mistake) => {
                    tracing::error!(mistake, "the new configuration is refused; the old one is kept")
                }
                Ok((live, callers)) => {
                    self.authenticator.renew(callers);
                    gateway.renew(live);
                    tell(start, &running, &taken, &wanted);
                    running = taken;
                }
            }
        }
        // Nobody can send any more.
        pending().await
    }
}

/// The clocks of calls that these settings make.
pub(super) fn clocks(settings: &Settings) -> Clocks {
    Clocks::new(settings.timeouts, &settings.models)
}

/// Says which keys are taken, and which wait for a restart.
fn tell(start: &Settings, running: &Settings, taken: &Settings, wanted: &Settings) {
    let changed = taken.changed_since(running).join(", ");
    tracing::info!(changed, "the configuration was read again");
    let mut waiting = wanted.changed_since(taken);
    if Rules::new(&start.server, &clocks(start)) != Rules::new(&start.server, &clocks(taken)) {
        // Calls have the new ones, their connections are held by the old.
        let of_connections = |key: &String| key.ends_with(".slow_reader") || key.ends_with(".total");
        waiting.extend(taken.changed_since(start).into_iter().filter(of_connections));
    }
    if !waiting.is_empty() {
        tracing::warn!(keys = waiting.join(", "), "a restart is needed for changes of the configuration");
    }
}
