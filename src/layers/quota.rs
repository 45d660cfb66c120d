//! Quota: how many tokens a tenant may use in a minute, reserved and settled the way Bedrock does with its own quota.

use bedrock_inference_proto::v1::CallReport;
use tower::{Layer, ServiceExt};

use super::layer;
use super::requests::beyond;
use crate::call::{Call, CallService, Report, Request};
use crate::error::{Billed, Error};
use crate::limits::{Counted, Limits, Taken};

/// Reserves the tokens that a call most likely takes in and the most that it can give, and settles them at its end by
/// what was used: input, cache writes, and output as often as it counts for the model. Cache reads are free.
///
/// What failed without being billed gives all back; where nobody knows what was used, the reservation stays. A call
/// beyond the rate is refused as `TENANT_RATE_LIMITED`, one that needs more than a whole minute's worth as
/// `INVALID_REQUEST`.
pub fn quota(limits: Limits) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, call| {
        let limits = limits.clone();
        async move {
            let Some(mut reserved) = reserve(&limits, &call).await? else {
                return inside.oneshot(call).await;
            };
            match inside.oneshot(call).await {
                Ok(reply) => Ok(reply.on_end(move |_| drop(reserved))),
                Err(error) => {
                    reserved.unbilled = error.billed == Billed::Nothing;
                    Err(error)
                }
            }
        }
    })
}

async fn reserve(limits: &Limits, call: &Call) -> Result<Option<Reserved>, Error> {
    let Some(most) = call.principal.policy().tokens_per_minute() else { return Ok(None) };
    if !matches!(*call.request, Request::Converse(_) | Request::Invoke(_)) {
        return Ok(None);
    }
    let need = call.targets.iter().map(|target| {
        let bound = call.bound(target);
        bound.likely_input.saturating_add(bound.output.unwrap_or(0))
    });
    let need = need.max().unwrap_or(0);
    if need > i64::from(most) {
        return Err(too_large(call, need, most));
    }
    let taken = limits.take(call.principal.tenant(), Counted::Tokens, most, need).await;
    let taken = taken.map_err(|denied| {
        beyond(denied.wait, format!("the tenant may use {most} tokens a minute, and this call needs {need}"))
    })?;
    let burndown = call.targets.iter().filter_map(|target| {
        let model = &target.entry.as_ref()?.model;
        Some((model.id.clone(), model.limits.output_tpm_burndown?))
    });
    let burndown = burndown.collect();
    Ok(Some(Reserved { taken: Some(taken), report: call.report.clone(), burndown, unbilled: false }))
}

/// To come back later would not help.
fn too_large(call: &Call, need: i64, most: u32) -> Error {
    let path = match *call.request {
        Request::Converse(_) => "inferenceConfig.maxTokens",
        _ => "body",
    };
    let description = format!(
        "with what the input most likely counts, the call needs {need} tokens, and the tenant may use {most} in a \
         minute; ask for fewer output tokens, or send less"
    );
    Error::invalid(path, description)
}

/// Tokens that a call may use; settled when the last of its work is dropped, whoever has left until then.
struct Reserved {
    taken: Option<Taken>,
    report: Report,
    /// How often an output token counts, by base id; once for all others.
    burndown: Vec<(String, i64)>,
    /// The call failed so that nothing was billed.
    unbilled: bool,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        if self.unbilled || !self.report.was_dispatched() {
            return taken.settle(0);
        }
        match self.used(&self.report.finish()) {
            Some(used) => taken.settle(used),
            None => taken.keep(),
        }
    }
}

impl Reserved {
    /// What Bedrock takes from its quota for the call; `None` where it has not told what was used.
    fn used(&self, report: &CallReport) -> Option<i64> {
        let tokens = report.tokens.as_ref()?;
        let burndown =
            self.burndown.iter().find(|(model, _)| *model == report.model).map_or(1, |(_, rate)| *rate);
        let input = tokens.input + tokens.cache_write_5m + tokens.cache_write_1h;
        Some(input.saturating_add(tokens.output.saturating_mul(burndown)))
    }
}
