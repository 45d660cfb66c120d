//! Retry: another attempt where the last one failed before its first content and is worth it.

mod backoff;
mod budget;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::CallService;
use crate::config::RetrySettings;
use crate::error::{Billed, Error, Repeat, Retry};

use budget::Budgets;

/// Repeats an attempt whose failure is marked for it, as long as the target's budget, the caller's deadline and
/// the caller last. Every attempt has its row in the report.
///
/// Of several failures the one that may have cost the most is told: a caller must not take for free what an
/// earlier attempt may have spent.
pub fn retry(settings: RetrySettings) -> impl Layer<CallService, Service = CallService> + Clone {
    let budgets = Budgets::default();
    layer(move |inside, call| {
        let budgets = budgets.clone();
        async move {
            let budget = budgets.of(call.target()?);
            let mut attempts = Attempts { settings, made: 0, once: false };
            let (mut told, mut spent) = (None, 0);
            loop {
                let error = match inside.clone().oneshot(call.clone()).await {
                    Ok(reply) => {
                        budget.refund(spent);
                        return Ok(reply);
                    }
                    Err(error) => error,
                };
                let (wait, cost) = (attempts.another(&error), backoff::cost(error.reason));
                let error = dearer(told.take(), error);
                let in_time =
                    |wait: &Duration| call.deadline.is_none_or(|deadline| Instant::now() + *wait < deadline);
                let Some(wait) = wait.filter(in_time).filter(|_| budget.spend(cost)) else {
                    return Err(error);
                };
                tokio::select! {
                    () = sleep(wait) => {}
                    // Nothing is begun for somebody who has gone.
                    () = call.left.cancelled() => return Err(error),
                }
                (told, spent) = (Some(error), cost);
            }
        }
    })
}

/// What has been tried of one call.
#[derive(Debug)]
struct Attempts {
    settings: RetrySettings,
    made: u32,
    /// Whether the repeat that a call has only one of has been made.
    once: bool,
}

impl Attempts {
    /// How long to wait for another one after this failure; `None` where there is none.
    fn another(&mut self, error: &Error) -> Option<Duration> {
        self.made += 1;
        let allowed = match error.reason.retry() {
            Retry::Never => false,
            Retry::Freely => true,
            Retry::Once => !self.once,
            Retry::IfPaidTwice => self.settings.pay_twice && !self.once,
        };
        if !allowed || error.repeat == Repeat::Futile || self.made >= self.settings.attempts {
            return None;
        }
        self.once |= error.reason.retry() != Retry::Freely;
        Some(backoff::after(error, self.made))
    }
}

/// The failure that may have cost more; the later one of two alike.
fn dearer(earlier: Option<Error>, later: Error) -> Error {
    match earlier {
        Some(earlier) if earlier.billed != Billed::Nothing && later.billed == Billed::Nothing => earlier,
        _ => later,
    }
}
