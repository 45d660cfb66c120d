//! Where an issuer's keys are, and how they are read from there: a file, or one GET without redirects.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::IssuerSettings;

/// The longest that a read may take, from its beginning to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest JWK set, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Where an issuer's keys are.
#[derive(Debug)]
pub(super) struct Source {
    place: Place,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

/// What is read there. The same place has the same keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// The answer to a GET.
    Url(Uri),
}

impl Source {
    /// # Errors
    /// The settings name no place: they have not been checked.
    pub(super) fn new(settings: &IssuerSettings) -> Result<Self, String> {
        let place = match (&settings.jwks_url, &settings.jwks_file) {
            (Some(url), _) => Place::Url(url.parse().map_err(|error| format!("jwks_url: {error}"))?),
            (None, Some(path)) => Place::File(path.clone()),
            (None, None) => return Err("jwks_url: this or jwks_file is accepted".to_owned()),
        };
        Ok(Self { place, ca_file: settings.ca_file.clone(), token_file: settings.token_file.clone() })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// What stands there now. The files that belong to a URL are read each time: tokens and authorities are renewed.
    ///
    /// # Errors
    /// What went wrong, without anything of the answer.
    pub(super) async fn read(&self) -> Result<Bytes, String> {
        let read = async {
            match &self.place {
                Place::File(path) => file(path).await.map(Bytes::from),
                Place::Url(url) => self.get(url).await,
            }
        };
        let late = |_| Err(format!("there was no whole answer within {PATIENCE:?}"));
        timeout(PATIENCE, read).await.unwrap_or_else(late)
    }

    async fn get(&self, url: &Uri) -> Result<Bytes, String> {
        let client = Client::builder(TokioExecutor::new()).build(self.connector(url).await?);
        let mut request = Request::get(url).header(ACCEPT, "application/json");
        if let Some(path) = &self.token_file {
            request = request.header(AUTHORIZATION, bearer(path).await?);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = client.request(request).await.map_err(|error| told(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}, and 200 is accepted", response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok(body.map_err(|error| told(&*error))?.to_bytes())
    }

    async fn connector(&self, url: &Uri) -> Result<HttpsConnector<HttpConnector>, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let config = match &self.ca_file {
            Some(path) => config.with_root_certificates(authorities(path, &file(path).await?)?),
            // Where nothing is encrypted nobody needs the system to have authorities.
            None if url.scheme_str() == Some("http") => config.with_root_certificates(RootCertStore::empty()),
            None => {
                config.with_native_roots().map_err(|error| format!("the system's authorities: {error}"))?
            }
        };
        let config = config.with_no_client_auth();
        Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
    }
}

async fn file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let length = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if usize::try_from(length).map_or(true, |length| length > LARGEST) {
        return Err(format!("{}: {length} bytes, and {LARGEST} are accepted", path.display()));
    }
    tokio::fs::read(path).await.map_err(failed)
}

async fn bearer(path: &Path) -> Result<HeaderValue, String> {
    let token = file(path).await?;
    let text = [b"Bearer ", token.trim_ascii()].concat();
    let mut value =
        HeaderValue::from_bytes(&text).map_err(|_| format!("{}: no token in one line", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn authorities(path: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let mistake = |what: String| format!("{}: {what}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| mistake(format!("not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| mistake(error.to_string()))?;
    }
    if roots.is_empty() { Err(mistake("no certificate in PEM".to_owned())) } else { Ok(roots) }
}

/// An error with its causes: the client's own words say little.
fn told(error: &(dyn StdError + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
