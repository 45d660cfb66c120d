//! Which service is asked, and how it is reached.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::cli::{Failure, program};
use crate::config::API_KEY;

/// Which service is asked.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Service {
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
    /// API key, where the service knows tenants; better in the environment than on the command line
    #[arg(long, value_name = "KEY", env = API_KEY, hide_env_values = true)]
    api_key: Option<Secret>,
}

/// An API key as it was given.
#[derive(Clone)]
struct Secret(MetadataValue<Ascii>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let mut value = MetadataValue::from_str(&format!("Bearer {key}")).map_err(|_| "no API key")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// A channel whose calls bring the API key along.
pub(in crate::cli) type Connection = InterceptedService<Channel, Credential>;

/// Puts the API key into each call, where there is one.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Credential(Option<Secret>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(Secret(key)) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

impl Service {
    /// Opens a channel to it.
    pub(in crate::cli) async fn connect(&self) -> Result<Connection, Failure> {
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
        let channel = url.tcp_nodelay(true).connect().await.map_err(|error| {
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let cause = causes.last().map(ToString::to_string).unwrap_or_default();
            Failure::run(format!(
                "nobody answers at {endpoint} ({cause}); start one with `{} serve --upstream emulator`",
                program()
            ))
        })?;
        Ok(InterceptedService::new(channel, Credential(self.api_key.clone())))
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
