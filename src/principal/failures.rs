//! Failures: who fails too often is told to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures of one address are answered as what they are.
const MOST: u32 = 20;

/// Counted within this time.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered at a time; further ones are not counted until the window ends.
const ADDRESSES: usize = 4096;

/// Failed attempts by address, within one window.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    counts: HashMap<IpAddr, u32>,
}

/// What becomes of a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is answered as what it is.
    Plain,
    /// It is the first one too many.
    Slower,
    /// The address has been told already.
    SlowerAgain,
}

impl Failures {
    /// Counts a failure of this address.
    pub(super) fn count(&self, address: IpAddr) -> Answer {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if window.began.is_none_or(|began| now - began >= WINDOW) {
            *window = Window { began: Some(now), counts: HashMap::new() };
        }
        if window.counts.len() >= ADDRESSES && !window.counts.contains_key(&address) {
            return Answer::Plain;
        }
        let count = window.counts.entry(address).or_default();
        *count = count.saturating_add(1);
        match *count {
            count if count <= MOST => Answer::Plain,
            count if count == MOST + 1 => Answer::Slower,
            _ => Answer::SlowerAgain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_address_has_its_own_count_and_a_new_one_each_minute() {
        let failures = Failures::default();
        let (one, other) = (IpAddr::from([1; 4]), IpAddr::from([2; 4]));
        for _ in 0..2 {
            assert!((0..MOST).all(|_| failures.count(one) == Answer::Plain));
            assert_eq!(failures.count(one), Answer::Slower);
            assert!((0..50).all(|_| failures.count(one) == Answer::SlowerAgain));
            assert_eq!(failures.count(other), Answer::Plain);
            tokio::time::advance(WINDOW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_addresses_take_no_more_room_than_some_thousand() {
        let failures = Failures::default();
        for address in 0..1_000_000_u32 {
            failures.count(IpAddr::from(address.to_be_bytes()));
        }
        let window = failures.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(window.counts.len(), ADDRESSES);
    }
}
