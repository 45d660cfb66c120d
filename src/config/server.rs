//! Settings of the listener and its connections.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::{is_no_clock, is_too_long};

/// The gRPC server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The largest message in either direction, in bytes.
    pub max_message_bytes: usize,
    /// Web origins that may call through gRPC-Web; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// How long new calls are still served at shutdown, when the service has said that it is not ready any more.
    #[serde(with = "humantime_serde")]
    pub shutdown_delay: Duration,
    /// How long running calls may take to end after that.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections from one address.
    pub max_connections_per_address: usize,
    /// Calls at a time on one connection.
    pub max_streams: u32,
    /// From accepting a connection to the end of its TLS handshake and the first HTTP/2 frame; also the whole
    /// header of an HTTP/1.1 request.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// How long a request may take to come.
    #[serde(with = "humantime_serde")]
    pub upload_timeout: Duration,
    /// Bytes of requests that are coming, over all connections.
    pub upload_bytes: u64,
    /// How often a client is pinged.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// How long its answer may take.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// After that time, more or less a tenth, a connection takes no new calls.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// A connection without a call for so long is closed.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// TLS.
    pub tls: TlsSettings,
}

/// TLS of the listener; plain text where no certificate is named.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The listener's certificate and those between it and its authority, in PEM.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub key: Option<PathBuf>,
    /// Authorities of client certificates, in PEM. With it, a client without one is refused.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at for changes.
    #[serde(with = "humantime_serde")]
    pub reload: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_message_bytes: 32 * 1024 * 1024,
            cors_origins: Vec::new(),
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(30),
            max_connections: 2000,
            max_connections_per_address: 64,
            max_streams: 128,
            handshake_timeout: Duration::from_secs(5),
            upload_timeout: Duration::from_secs(120),
            upload_bytes: 256 * 1024 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: Duration::from_secs(30 * 60),
            idle_timeout: Duration::from_secs(10 * 60),
            tls: TlsSettings::default(),
        }
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { certificate: None, key: None, client_ca: None, reload: Duration::from_secs(10) }
    }
}

impl ServerSettings {
    /// The keys that are too small or too large.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [
            ("max_message_bytes", self.max_message_bytes == 0),
            ("max_connections", self.max_connections == 0),
            ("max_connections_per_address", self.max_connections_per_address == 0),
            ("max_streams", self.max_streams == 0),
            ("shutdown_delay", is_too_long(self.shutdown_delay)),
            ("shutdown_grace", is_too_long(self.shutdown_grace)),
            ("handshake_timeout", is_no_clock(self.handshake_timeout)),
            ("upload_timeout", is_no_clock(self.upload_timeout)),
            ("upload_bytes", self.upload_bytes == 0),
            ("keepalive_interval", is_no_clock(self.keepalive_interval)),
            ("keepalive_timeout", is_no_clock(self.keepalive_timeout)),
            ("max_connection_age", is_no_clock(self.max_connection_age)),
            ("idle_timeout", is_no_clock(self.idle_timeout)),
            ("tls.reload", is_no_clock(self.tls.reload)),
        ];
        keys.into_iter().filter(|(_, wrong)| *wrong).map(|(key, _)| key)
    }
}

impl TlsSettings {
    /// What contradicts itself.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match (&self.certificate, &self.key, &self.client_ca) {
            (Some(_), None, _) => Some("server.tls.certificate is set, and server.tls.key is not"),
            (None, Some(_), _) => Some("server.tls.key is set, and server.tls.certificate is not"),
            (None, None, Some(_)) => Some("server.tls.client_ca is set, and server.tls.certificate is not"),
            _ => None,
        }
    }
}
