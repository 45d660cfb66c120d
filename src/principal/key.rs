//! API keys: `bik_<id>_<secret><crc>`.
//!
//! The id finds a key's hash, the secret has more than 250 bits of the system's own chance, and the end is a
//! checksum of the rest, so that a typo is told without a look-up and a scanner of leaked keys is sure of a find.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::config::is_key_id;

/// What every key begins with.
pub(super) const PREFIX: &str = "bik_";

/// Letters of an id that is made here: more than 70 bits, so that no two are alike.
const ID: usize = 12;

/// Letters of a secret, each of almost 6 bits.
const SECRET: usize = 43;

/// Letters of the checksum: 32 bits.
const CHECKSUM: usize = 6;

/// Longer tokens are no keys, and are not looked at.
const LONGEST: usize = PREFIX.len() + 16 + 1 + SECRET + CHECKSUM;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A whole key: a secret. Only who makes it or sends it ever sees it.
pub struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

impl ApiKey {
    /// A new one, of the system's own source of chance.
    ///
    /// # Errors
    /// The system has none.
    pub fn new() -> Result<Self, String> {
        let body = format!("{PREFIX}{}_{}", letters(ID)?, letters(SECRET)?);
        let checksum = checksum(&body);
        Ok(Self(body + &checksum))
    }

    /// Takes what somebody sent; `None` where it cannot be a key.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (body, given) = text.split_at_checked(text.len().checked_sub(CHECKSUM)?)?;
        let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
        let whole = is_key_id(id)
            && secret.len() == SECRET
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (whole && checksum(body) == given).then(|| Self(text.to_owned()))
    }

    /// The whole key, for whom it was made.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The part by which it is found. It is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.split('_').nth(1).unwrap_or_default()
    }

    /// The SHA-256 of the whole key: what the service keeps of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest(&SHA256, self.0.as_bytes()).as_ref()) {
            *to = *from;
        }
        hash
    }
}

/// The CRC32 of this text in six letters.
pub(super) fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'0'; CHECKSUM];
    for letter in letters.iter_mut().rev() {
        *letter = letter_of(rest % 62);
        rest /= 62;
    }
    letters.iter().copied().map(char::from).collect()
}

fn letter_of(number: u32) -> u8 {
    usize::try_from(number).ok().and_then(|at| LETTERS.get(at)).copied().unwrap_or(b'0')
}

/// So many letters by chance, each as likely as any other.
fn letters(count: usize) -> Result<String, String> {
    let (source, mut found) = (SystemRandom::new(), String::with_capacity(count));
    while found.len() < count {
        let mut bytes = [0; 64];
        source.fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
        // 248 is four times 62: what is above would favour the first letters.
        let even = bytes.into_iter().filter(|byte| *byte < 248);
        found.extend(even.take(count - found.len()).map(|byte| char::from(letter_of(u32::from(byte) % 62))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_new_key_is_read_again_and_no_two_are_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let key = ApiKey::new().unwrap();
            let read = ApiKey::read(key.reveal()).unwrap();
            assert_eq!((read.id(), read.hash()), (key.id(), key.hash()));
            assert!(is_key_id(key.id()) && key.reveal().len() == PREFIX.len() + ID + 1 + SECRET + CHECKSUM);
            assert!(seen.insert(key.reveal().to_owned()));
            assert_eq!(format!("{key:?}"), "ApiKey");
        }
    }

    #[test]
    fn every_typo_is_told_by_the_checksum() {
        let key = ApiKey::new().unwrap();
        let text = key.reveal();
        for at in 0..text.len() {
            for letter in ['a', 'Z', '0', '_', '-'] {
                let mut typo: Vec<char> = text.chars().collect();
                let old = std::mem::replace(typo.get_mut(at).unwrap(), letter);
                let typo: String = typo.into_iter().collect();
                assert!(old == letter || ApiKey::read(&typo).is_none(), "{at}");
            }
            assert!(
                ApiKey::read(text.get(..at).unwrap()).is_none()
                    && ApiKey::read(text.get(at + 1..).unwrap()).is_none()
            );
        }
        for strange in [
            "",
            "bik_",
            "bik__",
            "Bearer",
            "bik_abcdefgh_",
            "\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}",
            &"x".repeat(1 << 20),
        ] {
            assert!(ApiKey::read(strange).is_none());
        }
    }
}
