//! Requests: how many calls a tenant may begin in a minute.

use std::time::Duration;

use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::CallService;
use crate::error::{Error, Reason, Repeat};
use crate::limits::{Counted, Denied, Limits};

/// Refuses calls beyond the tenant's rate as `TENANT_RATE_LIMITED`, with the time until the next one passes.
pub fn requests(limits: Limits) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let limits = limits.clone();
        async move {
            if let Some(most) = call.principal.policy().requests_per_minute() {
                let taken = limits.take(call.principal.tenant(), Counted::Requests, most, 1).await;
                let rule = || format!("the tenant may make {most} calls a minute");
                taken.map_err(|Denied { wait, .. }| beyond(wait, rule()))?.keep();
            }
            inside.oneshot(call).await
        }
    })
}

/// The refusal of what is beyond a rate. The wait is exact: the room is the tenant's own.
pub(super) fn beyond(wait: Duration, rule: String) -> Error {
    let mut error = Error::new(Reason::TenantRateLimited, rule);
    error.repeat = Repeat::After(wait, wait);
    error
}
