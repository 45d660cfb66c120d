//! Breaker: a target whose calls fail is left alone for a while, then one call tries it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::BreakerSettings;
use crate::error::{Error, Reason};

/// The share of failures and throttled calls together that opens a breaker: a target that throttles some of its
/// calls serves at its quota, and one that throttles all of them serves nobody.
const THROTTLED_SHARE: f64 = 0.9;

/// How much sooner a target is tried again that did nothing but throttle: quota comes back by itself.
const THROTTLED_SOONER: f64 = 0.2;

/// By how much the times of open breakers differ, so that replicas do not try at once.
const JITTER: f64 = 0.2;

/// Parts of the window.
const SLICES: u128 = 10;

/// The breaker of one target.
#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    gate: Gate,
    window: Window,
}

#[derive(Debug, Clone, Copy)]
enum Gate {
    Closed,
    /// No call until then, for this reason.
    Open(Instant, Reason),
    /// One call is trying since then.
    Trying(Instant, Reason),
}

/// Why no call may go there, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shut {
    pub(super) reason: Reason,
    pub(super) wait: Duration,
}

/// Leave to call the target once. Dropped without a word, it says nothing of the target.
#[derive(Debug)]
pub(super) struct Pass {
    breaker: Breaker,
    settings: BreakerSettings,
    trying: bool,
}

/// What an end says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Good,
    Throttled,
    Bad,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { gate: Gate::Closed, window: Window::new(Instant::now()) })))
    }
}

impl Breaker {
    /// Leave to call the target, or why there is none.
    pub(super) fn pass(&self, settings: BreakerSettings) -> Result<Pass, Shut> {
        let (mut state, now) = (self.state(), Instant::now());
        let (until, reason) = match state.gate {
            _ if settings.open.is_zero() => (now, None),
            Gate::Closed => (now, None),
            Gate::Open(until, reason) => (until, Some(reason)),
            // One that takes so long says nothing; the next one may.
            Gate::Trying(since, reason) => (since + settings.open, Some(reason)),
        };
        let trying = match reason {
            Some(reason) if now < until => return Err(Shut { reason, wait: until - now }),
            Some(reason) => {
                state.gate = Gate::Trying(now, reason);
                true
            }
            None => false,
        };
        Ok(Pass { breaker: self.clone(), settings, trying })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The target has answered.
    pub(super) fn answered(self) {
        self.end(Sign::Good, Reason::UpstreamUnavailable);
    }

    /// The target was silent for so long that another one has answered first, though it was called later.
    pub(super) fn overtaken(self) {
        self.end(Sign::Bad, Reason::UpstreamFirstEventTimeout);
    }

    /// The call has failed, which may say something of the target.
    pub(super) fn failed(self, error: &Error) {
        if let Some(sign) = sign(error.reason) {
            self.end(sign, error.reason);
        }
    }

    fn end(mut self, sign: Sign, reason: Reason) {
        let trying = std::mem::take(&mut self.trying);
        let (mut state, now) = (self.breaker.state(), Instant::now());
        state.window.count(sign, now, self.settings.window);
        match (trying, sign) {
            (true, Sign::Good) => {
                state.gate = Gate::Closed;
                state.window = Window::new(now);
            }
            (false, _) if !matches!(state.gate, Gate::Closed) => {}
            (true, _) => state.gate = Gate::Open(now + self.open(sign), reason),
            (false, _) if state.window.is_bad(&self.settings) && !self.settings.open.is_zero() => {
                let sign = state.window.worst();
                state.gate = Gate::Open(now + self.open(sign), reason);
            }
            (false, _) => {}
        }
    }

    fn open(&self, sign: Sign) -> Duration {
        let jitter = 1.0 + JITTER * (fastrand::f64() * 2.0 - 1.0);
        let sooner = if sign == Sign::Throttled { THROTTLED_SOONER } else { 1.0 };
        self.settings.open.mul_f64(jitter * sooner)
    }
}

/// A call that was to try, and never heard: another one may.
impl Drop for Pass {
    fn drop(&mut self) {
        if self.trying {
            let mut state = self.breaker.state();
            if let Gate::Trying(_, reason) = state.gate {
                state.gate = Gate::Open(Instant::now(), reason);
            }
        }
    }
}

/// What a failure says of its target. A refusal of the request, or a model that fails over it, says nothing bad:
/// callers could close it to others. What never reached it says nothing at all.
fn sign(reason: Reason) -> Option<Sign> {
    match reason {
        Reason::InvalidRequest
        | Reason::ClientBug
        | Reason::Panic
        | Reason::ClientDeadline
        | Reason::CostCapExceeded
        | Reason::TenantBudgetExceeded
        | Reason::LedgerUnavailable => None,
        Reason::UpstreamThrottled => Some(Sign::Throttled),
        Reason::UpstreamUnavailable
        | Reason::UpstreamUnreachable
        | Reason::UpstreamConnectionLost
        | Reason::UpstreamInternal
        | Reason::UpstreamModelNotReady
        | Reason::UpstreamQuota
        | Reason::UpstreamCredentials
        | Reason::UpstreamFirstEventTimeout
        | Reason::UpstreamTotalTimeout
        | Reason::UpstreamStreamTruncated => Some(Sign::Bad),
        _ => Some(Sign::Good),
    }
}

/// Ends of the last calls, counted in slices of time.
#[derive(Debug)]
struct Window {
    began: Instant,
    /// How far back it reaches; other settings begin another one.
    length: Duration,
    slices: VecDeque<Slice>,
}

/// The ends of one slice.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: u128,
    good: u32,
    throttled: u32,
    bad: u32,
}

impl Window {
    fn new(began: Instant) -> Self {
        Self { began, length: Duration::ZERO, slices: VecDeque::with_capacity(2) }
    }

    fn count(&mut self, sign: Sign, now: Instant, length: Duration) {
        if self.length != length {
            *self = Self { length, ..Self::new(now) };
        }
        let number = now.saturating_duration_since(self.began).as_nanos() * SLICES / length.as_nanos().max(1);
        while self.slices.front().is_some_and(|oldest| oldest.number + SLICES <= number) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|newest| newest.number < number) {
            self.slices.push_back(Slice { number, ..Slice::default() });
        }
        let Some(slice) = self.slices.back_mut() else { return };
        let counted = match sign {
            Sign::Good => &mut slice.good,
            Sign::Throttled => &mut slice.throttled,
            Sign::Bad => &mut slice.bad,
        };
        *counted = counted.saturating_add(1);
    }

    fn sum(&self) -> Slice {
        self.slices.iter().fold(Slice::default(), |sum, slice| Slice {
            number: slice.number,
            good: sum.good.saturating_add(slice.good),
            throttled: sum.throttled.saturating_add(slice.throttled),
            bad: sum.bad.saturating_add(slice.bad),
        })
    }

    fn is_bad(&self, settings: &BreakerSettings) -> bool {
        let Slice { good, throttled, bad, .. } = self.sum();
        let all = f64::from(good) + f64::from(throttled) + f64::from(bad);
        all >= f64::from(settings.calls)
            && (f64::from(bad) >= all * settings.share
                || f64::from(bad) + f64::from(throttled) >= all * settings.share.max(THROTTLED_SHARE))
    }

    fn worst(&self) -> Sign {
        let Slice { throttled, bad, .. } = self.sum();
        if throttled > bad { Sign::Throttled } else { Sign::Bad }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        share: 0.5,
        calls: 20,
        window: Duration::from_secs(10),
        open: Duration::from_secs(5),
    };

    fn error(reason: Reason) -> Error {
        Error::new(reason, "")
    }

    /// Lets so many calls end so; gives how many were let through.
    fn calls(breaker: &Breaker, count: usize, reason: Option<Reason>) -> usize {
        let ended = (0..count).filter_map(|_| breaker.pass(SETTINGS).ok()).map(|pass| match reason {
            Some(reason) => pass.failed(&error(reason)),
            None => pass.answered(),
        });
        ended.count()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_its_share_and_one_call_tries() -> Result<(), Shut> {
        let breaker = Breaker::default();
        assert_eq!(calls(&breaker, 12, None), 12);
        assert_eq!(calls(&breaker, 50, Some(Reason::UpstreamUnavailable)), 12, "12 of 24 open it");
        assert!(matches!(breaker.pass(SETTINGS), Err(Shut { reason: Reason::UpstreamUnavailable, .. })));
        advance(SETTINGS.open.mul_f64(1.0 + JITTER)).await;
        let trying = breaker.pass(SETTINGS);
        assert!(trying.is_ok() && breaker.pass(SETTINGS).is_err(), "one call tries");
        drop(trying);
        // One that never heard holds nobody up.
        let trying = breaker.pass(SETTINGS)?;
        trying.failed(&error(Reason::UpstreamUnreachable));
        assert_eq!(calls(&breaker, 9, None), 0, "it has failed again");
        advance(SETTINGS.open.mul_f64(1.0 + JITTER)).await;
        assert_eq!(calls(&breaker, 9, None), 9, "the one that tried has closed it");
        assert_eq!(calls(&breaker, 10, Some(Reason::UpstreamInternal)), 10, "and what was is forgotten");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn too_few_calls_and_old_ones_open_nothing() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            assert_eq!(calls(&breaker, 19, Some(Reason::UpstreamInternal)), 19);
            advance(SETTINGS.window).await;
        }
        assert_eq!(calls(&breaker, 99, Some(Reason::UpstreamValidation)), 99, "requests are to blame");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_opens_it_only_where_nearly_nothing_else_happens() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            assert_eq!(calls(&breaker, 2, None) + calls(&breaker, 8, Some(Reason::UpstreamThrottled)), 10);
        }
        advance(SETTINGS.window).await;
        assert_eq!(calls(&breaker, 99, Some(Reason::UpstreamThrottled)), 20);
        advance(SETTINGS.open.mul_f64(THROTTLED_SOONER * (1.0 + JITTER))).await;
        assert_eq!(calls(&breaker, 5, None), 5, "quota is back sooner than a region");
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_hangs_holds_nobody_up() -> Result<(), Shut> {
        let breaker = Breaker::default();
        calls(&breaker, 20, Some(Reason::UpstreamUnavailable));
        advance(SETTINGS.open.mul_f64(1.0 + JITTER)).await;
        let hanging = breaker.pass(SETTINGS)?;
        assert_eq!(calls(&breaker, 9, None), 0);
        advance(SETTINGS.open).await;
        breaker.pass(SETTINGS)?.answered();
        assert_eq!(calls(&breaker, 9, None), 9);
        drop(hanging);
        assert_eq!(calls(&breaker, 9, None), 9, "it has nothing to say any more");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn new_settings_hold_at_once() -> Result<(), Shut> {
        let breaker = Breaker::default();
        calls(&breaker, 20, Some(Reason::UpstreamUnavailable));
        assert!(breaker.pass(SETTINGS).is_err());
        let never = BreakerSettings { open: Duration::ZERO, ..SETTINGS };
        drop((breaker.pass(never)?, breaker.pass(never)?));
        let breaker = Breaker::default();
        advance(Duration::from_secs(3_600)).await;
        let short = BreakerSettings { window: Duration::from_millis(100), ..SETTINGS };
        for _ in 0..10 {
            breaker.pass(short)?.failed(&error(Reason::UpstreamUnavailable));
        }
        assert_eq!(calls(&breaker, 19, Some(Reason::UpstreamUnavailable)), 19, "a longer window begins anew");
        Ok(())
    }

    #[test]
    fn each_reason_says_what_it_says() {
        use Reason::*;
        let of = |wanted| Reason::ALL.iter().copied().filter(move |reason| sign(*reason) == wanted);
        let bad = [
            UpstreamModelNotReady,
            UpstreamUnavailable,
            UpstreamInternal,
            UpstreamCredentials,
            UpstreamQuota,
            UpstreamUnreachable,
            UpstreamConnectionLost,
            UpstreamFirstEventTimeout,
            UpstreamTotalTimeout,
            UpstreamStreamTruncated,
        ];
        assert_eq!(of(Some(Sign::Bad)).collect::<Vec<_>>(), bad);
        assert_eq!(of(Some(Sign::Throttled)).collect::<Vec<_>>(), [UpstreamThrottled]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_opens_counts_all_the_same() -> Result<(), Shut> {
        let settings = BreakerSettings { open: Duration::ZERO, ..SETTINGS };
        let breaker = Breaker::default();
        for _ in 0..100 {
            breaker.pass(settings)?.failed(&error(Reason::UpstreamUnavailable));
        }
        Ok(())
    }
}
