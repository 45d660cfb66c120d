//! What is known of the other end of a connection.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The other end of a connection; an extension of each of its requests. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    address: Option<IpAddr>,
    names: Option<Arc<[String]>>,
}

impl Peer {
    /// A client at this address (one for all that one owner may have), with the certificate that the TLS handshake
    /// has verified, if it showed one.
    #[must_use]
    pub fn new(address: IpAddr, verified: Option<&CertificateDer<'_>>) -> Self {
        Self { address: Some(address), names: verified.map(names) }
    }

    /// Where it calls from.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The names in its certificate, as the configuration writes them; `None` where it showed none.
    pub(super) fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }
}

/// The SPIFFE ids and DNS names among a certificate's subject alternative names. Nothing else names a tenant: a common
/// name least of all.
fn names(certificate: &CertificateDer<'_>) -> Arc<[String]> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Arc::new([]) };
    // A URI of another scheme, such as `dns:`, would be taken for what it is not.
    let uris = certificate.valid_uri_names().filter(|uri| uri.starts_with("spiffe://")).map(str::to_owned);
    uris.chain(certificate.valid_dns_names().map(|name| format!("dns:{}", name.to_ascii_lowercase())))
        .collect()
}
