//! A small stable hash, so that ids, signatures and cache keys are the same on every machine and release.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, 64 bits: no security, only sameness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Digest {
    /// An empty digest for one purpose; digests of different purposes differ.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut digest = Self(OFFSET);
        digest.add(purpose);
        digest
    }

    /// Adds one delimited part.
    pub(crate) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        for byte in part {
            self.step(*byte);
        }
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        for byte in part.len().to_le_bytes() {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    /// The hash of all parts so far.
    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    /// 22 characters of letters, digits, `-` and `_`, as in AWS's tool-use ids.
    pub(crate) fn id(&self) -> String {
        let mut second = *self;
        second.add("second half");
        let mut bytes = [0_u8; 16];
        let halves = self.0.to_le_bytes().into_iter().chain(second.0.to_le_bytes());
        bytes.iter_mut().zip(halves).for_each(|(slot, byte)| *slot = byte);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// 16 upper-case letters and digits, as behind the prefix of AWS's access key ids and role ids.
    pub(crate) fn key_id(&self) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut digest = *self;
        let letters = (0..16).filter_map(|_| {
            digest.add("letter");
            let index = usize::try_from(digest.0 >> 59).ok()?;
            LETTERS.get(index).copied().map(char::from)
        });
        letters.collect()
    }

    /// 40 characters of base64, as in a secret access key.
    pub(crate) fn secret(&self) -> String {
        let signature = self.signature();
        signature.chars().skip(signature.len().saturating_sub(40)).collect()
    }

    /// A base64 text of the look of a reasoning signature.
    pub(crate) fn signature(&self) -> String {
        let mut bytes = b"emulator-signature-1:".to_vec();
        let mut digest = *self;
        for _ in 0..6 {
            digest.add("next");
            bytes.extend_from_slice(&digest.0.to_le_bytes());
        }
        STANDARD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_delimited_and_ids_have_22_characters() {
        let (mut one, mut two) = (Digest::new("x"), Digest::new("x"));
        one.add("ab");
        one.add("c");
        two.add("a");
        two.add("bc");
        assert_ne!(one.value(), two.value());
        assert_eq!(one.id().len(), 22);
        assert_eq!(one.signature(), one.signature());
        assert_eq!((one.key_id().len(), one.secret().len()), (16, 40));
        assert_ne!((one.key_id(), one.secret()), (two.key_id(), two.secret()));
    }
}
