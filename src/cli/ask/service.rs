//! Which service is asked, and how it is reached.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::cli::{Failure, program};

/// Which service is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Service {
    /// The service; https for one that serves TLS
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    endpoint: String,
    /// Authorities to trust (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate to show (PEM), where the service asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Service {
    /// Opens a channel to it.
    pub(super) async fn connect(&self) -> Result<Channel, Failure> {
        let endpoint = &self.endpoint;
        let url = Endpoint::from_shared(endpoint.clone()).ok();
        let url = url.map(|url| (url.uri().scheme_str().map(str::to_owned), url));
        let url = match url {
            Some((Some(scheme), url)) if scheme == "http" => url,
            Some((Some(scheme), url)) if scheme == "https" => {
                url.tls_config(self.tls()?).map_err(Failure::usage)?
            }
            _ => {
                let what = "is not of the form http://127.0.0.1:50051 or https://host:port";
                return Err(Failure::usage(format!("--endpoint {endpoint:?} {what}")));
            }
        };
        url.tcp_nodelay(true).connect().await.map_err(|error| {
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let cause = causes.last().map(ToString::to_string).unwrap_or_default();
            Failure::run(format!(
                "nobody answers at {endpoint} ({cause}); start one with `{} serve --upstream emulator`",
                program()
            ))
        })
    }

    fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let tls = ClientTlsConfig::new();
        let tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
            None => tls.with_native_roots(),
        };
        Ok(match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => tls.identity(Identity::from_pem(read(cert)?, read(key)?)),
            _ => tls,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
