//! The corridor: every layer of a call, outermost first, each with its reason.

use std::sync::Arc;

use tower::ServiceBuilder;

use crate::call::{CallService, Clocks};
use crate::catalog::{Catalog, Home};
use crate::config::{RetrySettings, RouteSetting};
use crate::invoke::invoke;
use crate::layers::{
    Admission, Flights, admission, first_content, flight, idle, record, resolve, retry, total, validate,
};
use crate::upstream::Bedrock;

/// What the corridor is built from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is known of every model.
    pub catalog: Arc<Catalog>,
    /// Where the service stands.
    pub home: Home,
    /// Which side of Bedrock's API conversations take.
    pub route: RouteSetting,
    /// The clocks of a call.
    pub clocks: Clocks,
    /// Attempts that a call may have.
    pub retry: RetrySettings,
    /// Who may run.
    pub admission: Admission,
    /// The tasks that run upstream calls.
    pub flights: Flights,
    /// Bedrock.
    pub bedrock: Arc<dyn Bedrock>,
}

/// Builds the corridor. Names in brackets mark the places of layers that are still to come.
#[must_use]
pub fn corridor(parts: Parts) -> CallService {
    ServiceBuilder::new()
        // A full house costs those nothing whom it turns away; the permit goes on into the flight.
        .layer(admission(parts.admission))
        // A model that nobody knows must not reach anything that is paid or stored.
        .layer(resolve(parts.catalog, parts.home))
        // What Bedrock is known to refuse must not begin anything; the rules ask for the model, so it comes first.
        .layer(validate())
        // [policy]: the tenant's models, caps and defaults, before the request becomes a key.
        // [cache]: looks up by what policy left; shares the flight below.
        // Everything from here on is paid work, and must not die with the request's future.
        .layer(flight(parts.flights, parts.clocks.clone()))
        // [quota], [failover], [hedge]: they choose between targets, so they stand outside what is done with one.
        // Another attempt at the same target, where the last one failed before its first content.
        .layer(retry(parts.retry))
        // Each attempt has its row, whether it is answered, refused or dropped. [ledger] goes here too.
        .layer(record())
        // An attempt that never ends, though it may speak; inside its row, which tells so.
        .layer(total(parts.clocks.clone()))
        // Silence after the first content; outside the clock that only runs until then.
        .layer(idle(parts.clocks.clone()))
        // Innermost, so that every layer above sees early failures as errors, not as broken streams.
        .layer(first_content(parts.clocks))
        .service(invoke(parts.bedrock, parts.route))
}
