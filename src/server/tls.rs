//! TLS: the listener's certificate, who must show one in return, and both renewed while it runs.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::config::TlsSettings;

/// What the listener shows and asks for. New connections use what was read last.
#[derive(Debug)]
pub struct Certificates {
    settings: TlsSettings,
    read: ArcSwap<Read>,
}

/// The files as they were read, and what they make.
#[derive(Debug)]
struct Read {
    files: Files,
    config: Arc<ServerConfig>,
}

/// The contents of the files. The key's is not printed.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

impl Certificates {
    /// Reads the files that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing of its kind, a key that is not the certificate's.
    pub async fn load(settings: &TlsSettings) -> Result<Option<Self>, String> {
        let Some(files) = read(settings).await? else { return Ok(None) };
        let config = config(settings, &files)?;
        let read = ArcSwap::from_pointee(Read { files, config });
        Ok(Some(Self { settings: settings.clone(), read }))
    }

    /// What a new connection uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.read.load().config)
    }

    /// Looks at the files again and again, and takes what has changed. Files that cannot be used change
    /// nothing: their writer may not be done.
    pub async fn renew(&self) -> std::convert::Infallible {
        let mut told = String::new();
        loop {
            sleep(self.settings.reload).await;
            match self.again().await {
                Ok(true) => {
                    told.clear();
                    tracing::info!("the TLS certificates were renewed");
                }
                Ok(false) => told.clear(),
                Err(mistake) if mistake == told => {}
                Err(mistake) => {
                    tracing::error!(mistake, "the TLS certificates cannot be renewed; the old ones are kept");
                    told = mistake;
                }
            }
        }
    }

    /// Reads the files again; whether they had changed.
    async fn again(&self) -> Result<bool, String> {
        let files = read(&self.settings).await?;
        let Some(files) = files.filter(|files| *files != self.read.load().files) else { return Ok(false) };
        let config = config(&self.settings, &files)?;
        self.read.store(Arc::new(Read { files, config }));
        Ok(true)
    }
}

async fn read(settings: &TlsSettings) -> Result<Option<Files>, String> {
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
    let client_ca = match &settings.client_ca {
        Some(path) => Some(file("client_ca", path).await?),
        None => None,
    };
    Ok(Some(Files {
        certificate: file("certificate", certificate).await?,
        key: file("key", key).await?,
        client_ca,
    }))
}

async fn file(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path).await.map_err(|error| format!("server.tls.{key}: {}: {error}", path.display()))
}

fn config(settings: &TlsSettings, files: &Files) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates("certificate", settings.certificate.as_deref(), &files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| {
        mistake("key", settings.key.as_deref(), &format!("no private key in PEM: {error}"))
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match &files.client_ca {
        Some(pem) => builder.with_client_cert_verifier(verifier(settings, pem, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| mistake("certificate", settings.certificate.as_deref(), &error.to_string()))?;
    if files.client_ca.is_some() {
        // A resumed session would not look at the client's certificate again, which may have expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Clients must show a certificate of one of these authorities.
fn verifier(
    settings: &TlsSettings,
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let path = settings.client_ca.as_deref();
    let mut roots = RootCertStore::empty();
    for authority in certificates("client_ca", path, pem)? {
        roots.add(authority).map_err(|error| mistake("client_ca", path, &error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| mistake("client_ca", path, &error.to_string()))
}

fn certificates(key: &str, path: Option<&Path>, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| mistake(key, path, &format!("not PEM: {error}")))?;
    if found.is_empty() { Err(mistake(key, path, "no certificate in PEM")) } else { Ok(found) }
}

fn mistake(key: &str, path: Option<&Path>, what: &str) -> String {
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    format!("server.tls.{key}: {path}: {what}")
}
