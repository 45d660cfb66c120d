//! Who calls. A [`Principal`] can only be made by a successful check.

mod callers;
mod failures;
mod fetch;
mod jwks;
mod key;
mod peer;
mod policy;
mod token;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use tokio::sync::{Notify, SetOnce};

use crate::config::{EVERYONE, Settings};
use crate::error::{Error, Reason};

pub use callers::Callers;
pub use key::ApiKey;
pub use peer::Peer;
pub use policy::Policy;

use failures::{Answer, Failures};

/// Where an API key stands that is not in `authorization`.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Somebody whose identity has been checked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal {
    tenant: TenantId,
    policy: Arc<Policy>,
}

/// Whose budget, cache and policy apply. Only authentication makes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(Arc<str>);

impl Principal {
    /// The tenant it belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What it may do, as it was when it was known who it is.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Everyone, where nobody is asked.
    fn everyone() -> Self {
        Self { tenant: TenantId(EVERYONE.into()), policy: Arc::default() }
    }
}

impl TenantId {
    /// Somebody whom no one has checked.
    #[cfg(test)]
    pub(crate) fn of_test(name: &str) -> Self {
        Self(name.into())
    }

    /// The tenant's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks who calls. Clones check alike, and count failures together.
#[derive(Debug, Clone)]
pub struct Authenticator(Arc<Door>);

#[derive(Debug)]
struct Door {
    listener: SocketAddr,
    callers: ArcSwap<Callers>,
    /// There are new callers.
    renewed: Notify,
    /// The keys of every issuer have been asked for.
    asked: SetOnce<()>,
    failures: Failures,
}

impl Authenticator {
    /// Lets in whom these settings let in through this listener.
    ///
    /// # Errors
    /// The listener can be reached from other machines, and nobody is asked who they are or keys would travel in
    /// plain text, and the operator has not said `--insecure`.
    pub fn new(settings: &Settings, listener: SocketAddr) -> Result<Self, String> {
        let callers = ArcSwap::from_pointee(Callers::new(settings, listener, None)?);
        let (renewed, asked, failures) = (Notify::new(), SetOnce::new(), Failures::default());
        Ok(Self(Arc::new(Door { listener, callers, renewed, asked, failures })))
    }

    /// Those whom new settings let in; nothing is changed by making it.
    ///
    /// # Errors
    /// Those of [`Authenticator::new`], and settings without any tenant in a service that has some: half of a file
    /// must not open the door to everyone.
    pub fn prepared(&self, settings: &Settings) -> Result<Callers, String> {
        let former = self.0.callers.load();
        let callers = Callers::new(settings, self.0.listener, Some(&former))?;
        if callers.are_everyone() && !former.are_everyone() {
            return Err(
                "tenants: there are none any more, and everyone could call; that needs a restart".to_owned()
            );
        }
        Ok(callers)
    }

    /// Lets in these from now on. Calls under way go on.
    pub fn renew(&self, callers: Callers) {
        self.0.callers.store(Arc::new(callers));
        self.0.renewed.notify_one();
    }

    /// Keeps the keys of issuers up to date, for as long as it is polled.
    pub async fn keep_keys(&self) -> Infallible {
        loop {
            let callers = self.0.callers.load_full();
            let asked = async {
                callers.keys_tried().await;
                // Only the first time is news.
                let _ = self.0.asked.set(());
                pending::<Infallible>().await
            };
            tokio::select! {
                () = self.0.renewed.notified() => {}
                never = callers.keep_keys() => match never {},
                never = asked => match never {},
            }
        }
    }

    /// Waits until [`Authenticator::keep_keys`] has tried to read the keys of each issuer, whatever came of it.
    pub async fn keys_asked(&self) {
        self.0.asked.wait().await;
    }

    /// Reads the keys of each issuer once, and tells which there are; nothing is changed by it.
    ///
    /// # Errors
    /// Which cannot be read, and why.
    pub async fn check_keys(&self) -> Result<String, String> {
        self.0.callers.load_full().check_keys().await
    }

    /// Who sent these headers over the connection of this peer. Credentials are taken out of the headers.
    ///
    /// What is wrong is answered alike, and after the same work, for a key that nobody has, one that is wrong and
    /// one that has ended; alike too for a token, whatever is wrong with it. Nothing is waited for: a token whose key
    /// is not known here is refused, and its issuer asked behind the call.
    ///
    /// # Errors
    /// `CREDENTIALS_MISSING`, `CREDENTIALS_INVALID`; `TOO_MANY_FAILURES` in their place for an address with many.
    pub fn authenticate(&self, headers: &mut HeaderMap, peer: &Peer) -> Result<Principal, Error> {
        let sent = sent(headers);
        let found = self.0.callers.load().find(sent, peer.names(), SystemTime::now());
        found.map_err(|error| self.judged(error, peer))
    }

    /// A failure as it is answered.
    fn judged(&self, error: Error, peer: &Peer) -> Error {
        let Some(address) = peer.address() else { return error };
        let answer = self.0.failures.count(address);
        if answer == Answer::Plain {
            return error;
        }
        if answer == Answer::Slower {
            tracing::warn!(client.address = %address, "many calls with missing or bad credentials");
        }
        Error::new(
            Reason::TooManyFailures,
            "too many calls with missing or bad credentials came from this address",
        )
    }
}

/// What somebody sent to be known by.
enum Sent {
    Nothing,
    Key(ApiKey),
    /// What may be a token: whatever follows `Bearer` and does not begin like a key.
    Token(String),
    /// Something that is neither, or more than one.
    Other,
}

impl Sent {
    fn key(text: &str) -> Self {
        ApiKey::read(text).map_or(Self::Other, Self::Key)
    }

    fn bearer(text: &str) -> Self {
        match text {
            key if key.starts_with(key::PREFIX) => Self::key(key),
            token if token.len() <= token::LONGEST => Self::Token(token.to_owned()),
            _ => Self::Other,
        }
    }
}

/// Takes the credentials out of the headers: nobody further in needs them.
fn sent(headers: &mut HeaderMap) -> Sent {
    let mut found = Vec::new();
    for value in headers.get_all(AUTHORIZATION) {
        found.push(value.to_str().ok().and_then(bearer).map_or(Sent::Other, Sent::bearer));
    }
    for value in headers.get_all(X_API_KEY) {
        found.push(value.to_str().map_or(Sent::Other, Sent::key));
    }
    headers.remove(AUTHORIZATION);
    headers.remove(X_API_KEY);
    match (found.pop(), found.is_empty()) {
        (None, _) => Sent::Nothing,
        (Some(one), true) => one,
        (Some(_), false) => Sent::Other,
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The principal that the edge has put into the request.
///
/// # Errors
/// The edge has not run: a bug of ours.
pub fn of(extensions: &http::Extensions) -> Result<Principal, Error> {
    let missing = || Error::new(Reason::Panic, "the request reached a handler without a principal");
    extensions.get::<Principal>().cloned().ok_or_else(missing)
}

#[cfg(test)]
mod tests;
