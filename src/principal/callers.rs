//! Callers: everyone, or the tenants of the configuration with their keys, certificates and tokens.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::token::Issuers;
use super::{ApiKey, Policy, Principal, Sent, TenantId};
use crate::config::Settings;
use crate::error::{Error, Reason};

/// Who may call.
#[derive(Debug)]
pub struct Callers(Kind);

#[derive(Debug)]
enum Kind {
    Everyone,
    Tenants {
        /// By the ids of their keys.
        keys: HashMap<String, Key>,
        /// By the names in their certificates.
        names: HashMap<String, Principal>,
        /// By their tokens.
        issuers: Issuers,
    },
}

/// What is kept of a key.
struct Key {
    hash: [u8; 32],
    expires: Option<SystemTime>,
    principal: Principal,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Callers {
    /// Those of these settings; `former` ones hand on what they know of issuers' keys.
    pub(super) fn new(
        settings: &Settings,
        listener: SocketAddr,
        former: Option<&Self>,
    ) -> Result<Self, String> {
        let tls = &settings.server.tls;
        let trusted = listener.ip().is_loopback() || settings.insecure;
        if settings.tenants.is_empty() {
            return if trusted || tls.client_ca.is_some() {
                Ok(Self(Kind::Everyone))
            } else {
                Err(format!(
                    "{listener} can be reached from other machines and nobody is authenticated; configure tenants, \
                     listen on a loopback address such as 127.0.0.1:50051, or pass --insecure"
                ))
            };
        }
        if !trusted && tls.certificate.is_none() {
            return Err(format!(
                "{listener} can be reached from other machines and API keys and tokens would travel in plain text; \
                 configure server.tls, or pass --insecure where something else encrypts"
            ));
        }
        let principals: BTreeMap<_, _> = settings
            .tenants
            .iter()
            .map(|(name, tenant)| {
                let policy = Arc::new(Policy::from(tenant));
                (name.clone(), Principal { tenant: TenantId(name.as_str().into()), policy })
            })
            .collect();
        let (mut keys, mut names) = (HashMap::new(), HashMap::new());
        for ((name, tenant), principal) in settings.tenants.iter().zip(principals.values()) {
            if !tenant.certificates.is_empty() && tls.client_ca.is_none() {
                return Err(format!(
                    "tenants.{name}.certificates: nobody is asked for one without server.tls.client_ca"
                ));
            }
            for key in &tenant.keys {
                let hash = key.hash().ok_or_else(|| format!("tenants.{name}.keys: a sha256 is none"))?;
                let kept = Key { hash, expires: key.expires, principal: principal.clone() };
                keys.insert(key.id.clone(), kept);
            }
            names.extend(tenant.certificates.iter().map(|name| (as_shown(name), principal.clone())));
        }
        let issuers = Issuers::new(settings, &principals, former.and_then(Self::issuers))?;
        Ok(Self(Kind::Tenants { keys, names, issuers }))
    }

    /// Whether nobody is asked who they are.
    pub(super) fn are_everyone(&self) -> bool {
        matches!(self.0, Kind::Everyone)
    }

    fn issuers(&self) -> Option<&Issuers> {
        match &self.0 {
            Kind::Everyone => None,
            Kind::Tenants { issuers, .. } => Some(issuers),
        }
    }

    /// Keeps the keys of their issuers up to date, for as long as it is polled.
    pub(super) async fn keep_keys(&self) -> Infallible {
        match self.issuers() {
            Some(issuers) => issuers.keep_keys().await,
            None => pending().await,
        }
    }

    /// Waits until there has been an attempt to read the keys of each issuer.
    pub(super) async fn keys_tried(&self) {
        if let Some(issuers) = self.issuers() {
            issuers.tried().await;
        }
    }

    /// Reads the keys of each issuer once; which there are.
    ///
    /// # Errors
    /// Which cannot be read, and why.
    pub(super) async fn check_keys(&self) -> Result<String, String> {
        match self.issuers() {
            Some(issuers) => issuers.check_keys().await,
            None => Ok("none".to_owned()),
        }
    }

    /// Who it is that sent this and showed a certificate with these names. Who does both is the same by both.
    pub(super) fn find(
        &self,
        sent: Sent,
        shown: Option<&[String]>,
        now: SystemTime,
    ) -> Result<Principal, Error> {
        let Kind::Tenants { keys, names, issuers } = &self.0 else { return Ok(Principal::everyone()) };
        let by_credential = match sent {
            Sent::Nothing => None,
            Sent::Key(key) => Some(by_key(keys, &key, now).ok_or_else(invalid)?),
            Sent::Token(token) => Some(issuers.find(&token, now).ok_or_else(invalid)?),
            Sent::Other => return Err(invalid()),
        };
        let by_certificate =
            shown.map(|shown| by_certificate(names, shown).ok_or_else(invalid)).transpose()?;
        match (by_credential, by_certificate) {
            (Some(one), Some(other)) if one.tenant != other.tenant => Err(invalid()),
            (Some(found), _) | (None, Some(found)) => Ok(found.clone()),
            (None, None) => Err(missing()),
        }
    }
}

/// The owner of a key. The work is the same whether there is such a key or not.
fn by_key<'k>(keys: &'k HashMap<String, Key>, sent: &ApiKey, now: SystemTime) -> Option<&'k Principal> {
    let kept = keys.get(sent.id());
    let nobodys = [0; 32];
    let hash = kept.map_or(&nobodys, |key| &key.hash);
    let same = verify_slices_are_equal(&sent.hash(), hash).is_ok();
    let kept = kept.filter(|key| key.expires.is_none_or(|end| now < end));
    kept.filter(|_| same).map(|key| &key.principal)
}

/// The one tenant that the names in a certificate stand for; names of nobody do no harm.
fn by_certificate<'n>(names: &'n HashMap<String, Principal>, shown: &[String]) -> Option<&'n Principal> {
    let mut owners = shown.iter().filter_map(|name| names.get(name));
    let first = owners.next()?;
    owners.all(|other| other.tenant == first.tenant).then_some(first)
}

/// A name as [`super::Peer`] tells it: DNS knows no capitals.
fn as_shown(name: &str) -> String {
    if name.starts_with("dns:") { name.to_ascii_lowercase() } else { name.to_owned() }
}

fn missing() -> Error {
    let context = "send an API key as metadata `authorization: Bearer bik_...` or `x-api-key: bik_...`, or a token of an \
                   issuer as the former, or show the certificate of a tenant";
    Error::new(Reason::CredentialsMissing, context)
}

fn invalid() -> Error {
    Error::new(Reason::CredentialsInvalid, "the credentials are not accepted here")
}
