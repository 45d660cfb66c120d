//! Tokens: JSON Web Tokens of the configured issuers, and which tenant each of them names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use super::Principal;
use super::jwks::KeySet;
use crate::config::{IssuerSettings, Settings};

/// The longest token that is looked at, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// How far the clocks of an issuer and of this machine may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// Who may issue tokens, by the `iss` that stands in them.
#[derive(Debug, Default)]
pub(super) struct Issuers(HashMap<String, Issuer>);

#[derive(Debug)]
struct Issuer {
    /// Its name in the configuration.
    name: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    max_lifetime: Duration,
    named: Named,
    keys: KeySet,
}

/// How a token names its tenant.
#[derive(Debug)]
enum Named {
    /// By a claim with the tenant's name.
    Claim(String, BTreeMap<String, Principal>),
    /// By its subject, or the beginning of it: what fits best first.
    Subjects(Vec<(String, Principal)>),
}

/// What a token says.
type Claims = Map<String, Value>;

impl Issuers {
    /// The issuers of these settings. Keys that the former ones have are not lost.
    ///
    /// # Errors
    /// An issuer whose keys are nowhere.
    pub(super) fn new(
        settings: &Settings,
        principals: &BTreeMap<String, Principal>,
        former: Option<&Self>,
    ) -> Result<Self, String> {
        let mut issuers = HashMap::new();
        for (name, of) in &settings.issuers {
            let former = former.into_iter().flat_map(|former| former.0.values()).map(|issuer| &issuer.keys);
            let keys = KeySet::new(name, of, former).map_err(|what| format!("issuers.{name:?}.{what}"))?;
            let issuer = Issuer {
                name: name.clone(),
                audience: of.audience.clone(),
                algorithms: of.algorithms.clone(),
                max_lifetime: of.max_lifetime,
                named: Named::new(name, of, settings, principals),
                keys,
            };
            issuers.insert(of.issuer.clone(), issuer);
        }
        Ok(Self(issuers))
    }

    /// Whose token this is; `None` for every kind of bad.
    pub(super) fn find(&self, token: &str, now: SystemTime) -> Option<&Principal> {
        let found = self.check(token, now);
        found.inspect_err(|why| tracing::debug!(why, "a token is refused")).ok()
    }

    fn check(&self, token: &str, now: SystemTime) -> Result<&Principal, &'static str> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| "it is no signed token")?;
        let claims: Claims =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| "no claims")?;
        let issuer = text(&claims, "iss").and_then(|iss| self.0.get(iss)).ok_or("no issuer of ours")?;
        if !issuer.algorithms.contains(&header.alg) {
            return Err("its algorithm is not accepted");
        }
        if header.crit.is_some() {
            return Err("it asks for what is not known here");
        }
        let id = header.kid.as_deref().ok_or("it names no key")?;
        let keys = issuer.keys.find(id, header.alg);
        // All that is looked at below are claims: by itself, and by a clock that tests can set.
        let mut signature = Validation::new(header.alg);
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_aud) = (false, false);
        let mut verified = keys.iter().filter_map(|key| jsonwebtoken::decode(token, key, &signature).ok());
        let claims: Claims = verified.next().ok_or("no key of its id has signed it")?.claims;
        issuer.accepts(&claims, now)?;
        issuer.named.find(&claims).ok_or("it names no tenant")
    }

    /// Keeps the keys of all up to date, for as long as it is polled.
    pub(super) async fn keep_keys(&self) -> Infallible {
        join_all(self.0.values().map(|issuer| issuer.keys.keep())).await;
        pending().await
    }

    /// Waits until there has been an attempt to read the keys of each.
    pub(super) async fn tried(&self) {
        join_all(self.0.values().map(|issuer| issuer.keys.tried())).await;
    }

    /// Reads the keys of each once, and tells how many there are.
    ///
    /// # Errors
    /// Which cannot be used, and why.
    pub(super) async fn check_keys(&self) -> Result<String, String> {
        let mut told = Vec::new();
        for issuer in self.0.values() {
            let keys =
                issuer.keys.check().await.map_err(|what| format!("issuers.{:?}: {what}", issuer.name))?;
            told.push(format!("{} has {keys}", issuer.name));
        }
        told.sort();
        Ok(if told.is_empty() { "none".to_owned() } else { told.join(", ") })
    }
}

impl Issuer {
    /// Whether a token with these claims is good now, and for us.
    fn accepts(&self, claims: &Claims, now: SystemTime) -> Result<(), &'static str> {
        let here = match claims.get("aud") {
            Some(Value::String(one)) => *one == self.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&self.audience)),
            _ => false,
        };
        let ends = moment(claims, "exp")?.ok_or("it has no end")?;
        let begins = moment(claims, "nbf")?;
        let issued = moment(claims, "iat")?;
        let future = |moment: SystemTime| now + LEEWAY < moment;
        if !here {
            Err("it is for another audience")
        } else if ends <= now - LEEWAY {
            Err("it has ended")
        } else if begins.is_some_and(future) || issued.is_some_and(future) {
            Err("it is not good yet")
        } else if ends > issued.unwrap_or(now) + self.max_lifetime + LEEWAY {
            Err("it is good for too long")
        } else {
            Ok(())
        }
    }
}

impl Named {
    fn new(
        name: &String,
        issuer: &IssuerSettings,
        settings: &Settings,
        principals: &BTreeMap<String, Principal>,
    ) -> Self {
        if let Some(claim) = &issuer.tenant_claim {
            return Self::Claim(claim.clone(), principals.clone());
        }
        let mut subjects = Vec::new();
        for (tenant, principal) in principals {
            let own = settings.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.subjects);
            let own = own.filter(|subject| subject.issuer == *name);
            subjects.extend(own.map(|subject| (subject.subject.clone(), principal.clone())));
        }
        subjects.sort_by_key(|(pattern, _)| (pattern.ends_with('*'), Reverse(pattern.len())));
        Self::Subjects(subjects)
    }

    fn find(&self, claims: &Claims) -> Option<&Principal> {
        match self {
            Self::Claim(claim, principals) => principals.get(text(claims, claim)?),
            Self::Subjects(subjects) => {
                let subject = text(claims, "sub")?;
                let fits = |pattern: &str| match pattern.strip_suffix('*') {
                    Some(start) => subject.starts_with(start),
                    None => subject == pattern,
                };
                subjects.iter().find(|(pattern, _)| fits(pattern)).map(|(_, principal)| principal)
            }
        }
    }
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// A time of a token: seconds since 1970, perhaps with a fraction.
fn moment(claims: &Claims, name: &str) -> Result<Option<SystemTime>, &'static str> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let since = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let moment = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    moment.map(Some).ok_or("one of its times is none")
}
