//! A steady mix of faults: each call has its chance, drawn from a seed and the number of the call.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use crate::digest::Digest;
use crate::faults::Fault;

/// How far the shares may add up beyond 1, for those that have no exact binary form.
const TOLERANCE: f64 = 1e-9;

/// Faults with the share of calls that each hits; the rest is answered well.
///
/// A call that has a fault of its own, in its metadata or from the script, has that one instead. Draws
/// depend on nothing but the seed, the emulator's region and how many calls came since the mix was set: the
/// same calls in the same order get the same faults again, and two regions with one seed get different ones.
/// The default has no faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mix {
    seed: u64,
    /// Each fault with the end of its part of 0 to 1, ascending.
    parts: Vec<(f64, Fault)>,
}

/// Shares that are no mix.
#[derive(Clone, Debug, PartialEq)]
pub enum InvalidMix {
    /// A share that is not within 0 and 1, with its fault.
    Share(f64, Fault),
    /// All shares together are more than 1.
    Sum(f64),
}

impl fmt::Display for InvalidMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share, fault) => write!(f, "the share of `{fault}` is {share}: expected 0 to 1"),
            Self::Sum(sum) => write!(f, "the shares of all faults add up to {sum}: expected at most 1"),
        }
    }
}

impl std::error::Error for InvalidMix {}

impl Mix {
    /// A mix of these faults; a share of 1 hits every call, a share of 0 none.
    ///
    /// # Errors
    /// [`InvalidMix`] when a share is not within 0 and 1, or all together are more than 1.
    pub fn new(seed: u64, faults: impl IntoIterator<Item = (f64, Fault)>) -> Result<Self, InvalidMix> {
        let mut parts = Vec::new();
        let mut sum = 0.0;
        for (share, fault) in faults {
            if !(0.0..=1.0).contains(&share) {
                return Err(InvalidMix::Share(share, fault));
            }
            sum += share;
            parts.push((sum, fault));
        }
        if sum > 1.0 + TOLERANCE {
            return Err(InvalidMix::Sum(sum));
        }
        Ok(Self { seed, parts })
    }

    /// The fault of one call, if it is to have one.
    fn draw(&self, region: &str, number: u64) -> Option<Fault> {
        if self.parts.is_empty() {
            return None;
        }
        let chance = chance(self.seed, region, number);
        self.parts.iter().find(|(end, _)| chance < *end).map(|(_, fault)| fault.clone())
    }
}

/// A number from 0 to 1 - 2^-32: below 1 by so much that shares of ten tenths, a little less than 1, hit it.
fn chance(seed: u64, region: &str, number: u64) -> f64 {
    let mut digest = Digest::new("mix");
    digest.add(seed.to_le_bytes());
    digest.add(region);
    digest.add(number.to_le_bytes());
    // The digest alone spreads its last bytes badly; this is the finish of SplitMix64.
    let mut bits = digest.value();
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

/// The mix in force.
#[derive(Debug)]
pub(crate) struct MixSetting {
    region: String,
    setting: RwLock<Setting>,
}

#[derive(Debug, Default)]
struct Setting {
    mix: Mix,
    /// The number of the last call before the mix was set.
    since: u64,
}

impl MixSetting {
    /// No faults, for the emulator of this region.
    pub(crate) fn new(region: &str) -> Self {
        Self { region: region.to_owned(), setting: RwLock::default() }
    }

    /// Replaces the mix for the calls after this number.
    pub(crate) fn set(&self, mix: Mix, since: u64) {
        *self.setting.write().unwrap_or_else(PoisonError::into_inner) = Setting { mix, since };
    }

    /// The fault of the call with this number, if it is to have one.
    pub(crate) fn draw(&self, number: u64) -> Option<Fault> {
        let setting = self.setting.read().unwrap_or_else(PoisonError::into_inner);
        let count = number.checked_sub(setting.since).filter(|count| *count > 0)?;
        setting.mix.draw(&self.region, count)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::cast_precision_loss, clippy::as_conversions, reason = "tests")]
    use super::*;

    fn drawn(mix: &Mix, region: &str, calls: u64) -> Vec<Option<Fault>> {
        (1..=calls).map(|number| mix.draw(region, number)).collect()
    }

    #[test]
    fn every_fault_has_its_share() {
        for seed in 0..5 {
            let shares = [(0.08, Fault::Http(502)), (0.30, Fault::Garbage), (0.02, Fault::Stall(None))];
            let mix = Mix::new(seed, shares.clone()).unwrap();
            let drawn = drawn(&mix, "us-east-1", 20_000);
            for (share, fault) in shares {
                let hits = drawn.iter().flatten().filter(|hit| **hit == fault).count() as f64 / 20_000.0;
                assert!((hits - share).abs() < 0.012, "seed {seed}, {fault}: {hits} instead of {share}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_region_or_seed_others() {
        let mix = |seed| Mix::new(seed, [(0.5, Fault::Garbage)]).unwrap();
        assert_eq!(drawn(&mix(7), "us-east-1", 100), drawn(&mix(7), "us-east-1", 100));
        assert_ne!(drawn(&mix(7), "us-east-1", 100), drawn(&mix(8), "us-east-1", 100));
        assert_ne!(drawn(&mix(7), "us-east-1", 100), drawn(&mix(7), "us-west-2", 100));
    }

    #[test]
    fn a_share_of_one_hits_always_and_of_zero_never() {
        let always =
            Mix::new(1, [(0.0, Fault::Cut(1)), (1.0, Fault::Garbage), (0.0, Fault::Cut(2))]).unwrap();
        let tenths = Mix::new(1, (0..10).map(|status| (0.1, Fault::Http(500 + status)))).unwrap();
        let never = Mix::new(1, [(0.0, Fault::Garbage)]).unwrap();
        for number in 1..=10_000 {
            assert_eq!(always.draw("r", number), Some(Fault::Garbage));
            assert_eq!(never.draw("r", number), None);
            assert!(tenths.draw("r", number).is_some());
        }
    }

    #[test]
    fn a_mistake_is_told_with_what_was_found() {
        for (shares, told) in [
            ([0.7, 0.4], "the shares of all faults add up to 1.1: expected at most 1"),
            ([0.1, -0.5], "the share of `garbage` is -0.5: expected 0 to 1"),
            ([1.5, 0.0], "the share of `garbage` is 1.5: expected 0 to 1"),
            ([f64::NAN, 0.0], "the share of `garbage` is NaN: expected 0 to 1"),
        ] {
            let error = Mix::new(1, shares.map(|share| (share, Fault::Garbage))).unwrap_err();
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn calls_are_counted_from_when_the_mix_was_set() {
        let setting = MixSetting::new("us-east-1");
        assert_eq!(setting.draw(1), None);
        let mix = Mix::new(3, [(0.5, Fault::Garbage)]).unwrap();
        setting.set(mix.clone(), 0);
        let first: Vec<_> = (1..=50).map(|number| setting.draw(number)).collect();
        setting.set(mix, 1_000);
        let again: Vec<_> = (1_001..=1_050).map(|number| setting.draw(number)).collect();
        assert_eq!(first, again);
        assert_eq!(setting.draw(1_000), None);
    }
}
