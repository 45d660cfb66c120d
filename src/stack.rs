//! The corridor: every layer of a call, outermost first, each with its reason.

use std::sync::Arc;

use tower::ServiceBuilder;

use crate::call::{CallService, Clocks};
use crate::catalog::{Catalog, Home};
use crate::config::{BreakerSettings, IdempotencySettings, RetrySettings, RouteSetting, UnpricedModels};
use crate::invoke::invoke;
use crate::layers::{
    Admission, Flights, Tally, TargetHealth, admission, attempts, first_content, flight, idle, ledger,
    policy, price, quota, record, requests, resolve, total, validate,
};
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::price::Prices;
use crate::upstream::Bedrock;

/// What the corridor is built from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is known of every model.
    pub catalog: Arc<Catalog>,
    /// What every model costs.
    pub prices: Prices,
    /// What becomes of calls without a known price.
    pub unpriced: UnpricedModels,
    /// Where the service stands.
    pub home: Home,
    /// Which side of Bedrock's API conversations take.
    pub route: RouteSetting,
    /// The clocks of a call.
    pub clocks: Clocks,
    /// Attempts that a call may have.
    pub retry: RetrySettings,
    /// When a target that fails is left alone.
    pub breaker: BreakerSettings,
    /// How every target does.
    pub health: TargetHealth,
    /// Who may run.
    pub admission: Admission,
    /// What every tenant may use in a minute.
    pub limits: Limits,
    /// How calls with an id of their caller's are made once.
    pub idempotency: IdempotencySettings,
    /// The tasks that run upstream calls.
    pub flights: Flights,
    /// What attempts may cost, and did.
    pub ledger: Ledger,
    /// The attempts so far.
    pub tally: Tally,
    /// Bedrock.
    pub bedrock: Arc<dyn Bedrock>,
}

/// Builds the corridor. Names in brackets mark the places of layers that are still to come.
#[must_use]
pub fn corridor(parts: Parts) -> CallService {
    ServiceBuilder::new()
        // A tenant that calls too often must not take the places of others, not even in the queue.
        .layer(requests(parts.limits.clone()))
        // A full house costs those nothing whom it turns away; the permit goes on into the flight.
        .layer(admission(parts.admission))
        // A model that nobody knows must not reach anything that is paid or stored.
        .layer(resolve(parts.catalog, parts.home))
        // The tenant's cap and guardrail: the targets' limits are known, and what it sets is validated like the rest.
        .layer(policy())
        // What Bedrock is known to refuse must not begin anything; the rules ask for the model, so it comes first.
        .layer(validate())
        // A call whose cost nobody could tell must not begin where the operator forbids it.
        .layer(price(parts.prices.clone(), parts.unpriced))
        // [cache]: looks up by what policy left; shares the flight below.
        // Everything from here on is paid work, and must not die with the request's future. The same call again reads what
        // the first one has; before whatever is counted or paid.
        .layer(flight(parts.flights, parts.clocks.clone(), parts.ledger.clone(), parts.idempotency))
        // The tenant's tokens, whatever target they are spent at; in the flight's task, so that they are settled when the
        // caller has left.
        .layer(quota(parts.limits))
        // Chooses between targets, and makes another attempt where one failed before its first content.
        .layer(attempts(parts.retry, parts.breaker, parts.health))
        // What an attempt can cost is durable before it begins; outside of its record, so that one that may not be made is
        // none. Each attempt for itself, since each is billed.
        .layer(ledger(parts.ledger, parts.prices.clone()))
        // Each attempt has its row in the report, whether it is answered, refused or dropped.
        .layer(record(parts.tally, parts.prices))
        // An attempt that never ends, though it may speak; inside its row, which tells so.
        .layer(total(parts.clocks.clone()))
        // Silence after the first content; outside the clock that only runs until then.
        .layer(idle(parts.clocks.clone()))
        // Innermost, so that every layer above sees early failures as errors, not as broken streams.
        .layer(first_content(parts.clocks))
        .service(invoke(parts.bedrock, parts.route))
}
