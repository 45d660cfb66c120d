//! Who signed a request and for which region, read from its `Authorization`; signatures are not computed.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The signature with symmetric keys, the only one whose scope names a region.
const SYMMETRIC: &str = "AWS4-HMAC-SHA256";

/// The signer that a Signature Version 4 names: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signer<'h> {
    pub(crate) access_key_id: &'h str,
    /// `None` where the scope names none.
    pub(crate) region: Option<&'h str>,
}

impl<'h> Signer<'h> {
    /// The signer; `None` where there is no such signature, as with bearer tokens.
    pub(crate) fn of(headers: &'h HeaderMap) -> Option<Self> {
        let (algorithm, fields) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !algorithm.starts_with("AWS4-") {
            return None;
        }
        let credential = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
        let mut parts = credential.split('/');
        let access_key_id = parts.next().filter(|id| !id.is_empty())?;
        let region = parts.nth(1).filter(|_| algorithm == SYMMETRIC);
        Some(Self { access_key_id, region })
    }
}

/// The access key ids that are refused.
#[derive(Debug, Default)]
pub(crate) struct RefusedKeys(Mutex<BTreeSet<String>>);

impl RefusedKeys {
    /// Refuses a key from now on.
    pub(crate) fn refuse(&self, access_key_id: &str) {
        self.keys().insert(access_key_id.to_owned());
    }

    /// Accepts a key again.
    pub(crate) fn accept(&self, access_key_id: &str) {
        self.keys().remove(access_key_id);
    }

    /// Whether a request was signed with a refused key.
    pub(crate) fn signed(&self, headers: &HeaderMap) -> bool {
        let keys = self.keys();
        !keys.is_empty() && Signer::of(headers).is_some_and(|signer| keys.contains(signer.access_key_id))
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_signer_is_read_out_of_the_credential_scope() {
        let signer = |access_key_id, region| Some(Signer { access_key_id, region });
        for (text, expected) in [
            (
                "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=0",
                signer("AKID", Some("eu-west-1")),
            ),
            (
                "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=AKID/20260101/eu-west-1/bedrock/aws4_request",
                signer("AKID", Some("eu-west-1")),
            ),
            (
                "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/bedrock/aws4_request, Signature=0",
                signer("AKID", None),
            ),
            ("AWS4-HMAC-SHA256 Credential=x", signer("x", None)),
            ("AWS4-HMAC-SHA256 Credential=/a/b", None),
            ("AWS4-HMAC-SHA256", None),
            ("Bearer Credential=x", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().unwrap());
            assert_eq!(Signer::of(&headers), expected, "{text}");
        }
        assert_eq!(Signer::of(&HeaderMap::new()), None);
    }
}
