//! Who calls. A [`Principal`] can only be made by a successful check.

use std::net::SocketAddr;

use crate::error::{Error, Reason};

/// Somebody whose identity has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    tenant: TenantId,
}

/// Whose budget, cache and policy apply. Only authentication makes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl Principal {
    /// The tenant it belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl TenantId {
    /// The tenant's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks who calls.
///
/// Until keys exist everyone is the tenant `local`, which is why it can only be made for a listener that
/// others cannot reach, or where the operator insists.
#[derive(Debug, Clone)]
pub struct Authenticator(());

impl Authenticator {
    /// Trusts everyone who reaches this listener.
    ///
    /// # Errors
    /// The listener can be reached from outside, and the operator has not said `--insecure`.
    pub fn trusting(listener: SocketAddr, trusted: bool) -> Result<Self, String> {
        if listener.ip().is_loopback() || trusted {
            return Ok(Self(()));
        }
        Err(format!(
            "{listener} can be reached from other machines and nobody is authenticated; \
             listen on a loopback address such as 127.0.0.1:50051, or pass --insecure"
        ))
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// None yet; with keys, UNAUTHENTICATED.
    pub fn authenticate(&self, _headers: &http::HeaderMap) -> Result<Principal, Error> {
        Ok(Principal { tenant: TenantId("local".to_owned()) })
    }
}

/// The principal that the edge has put into the request.
///
/// # Errors
/// The edge has not run: a bug of ours.
pub fn of(extensions: &http::Extensions) -> Result<Principal, Error> {
    let missing = || Error::new(Reason::Panic, "the request reached a handler without a principal");
    extensions.get::<Principal>().cloned().ok_or_else(missing)
}
