//! The configuration: a TOML file, then `BEDROCK_INFERENCE_*` environment variables, then flags.
//!
//! `docs/configuration.md` describes every key, `config.example.toml` shows every key with its default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// What our environment variables begin with.
const PREFIX: &str = "BEDROCK_INFERENCE";

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the gRPC server listens.
    pub listen: SocketAddr,
    /// Whether a listener that other machines can reach may run without authentication.
    pub insecure: bool,
    /// Which Bedrock is called.
    pub upstream: UpstreamKind,
    /// How Bedrock is reached.
    pub aws: AwsSettings,
    /// The gRPC server.
    pub server: ServerSettings,
    /// The clocks of a call.
    pub timeouts: Timeouts,
    /// What is logged.
    pub log: LogSettings,
}

/// Which Bedrock is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// Amazon Bedrock.
    Aws,
    /// The built-in emulator, which makes its answers up.
    Emulator,
}

/// How Bedrock is reached. What is unset comes from where the AWS SDK looks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSettings {
    /// The region to call.
    pub region: Option<String>,
    /// Geography whose inference profile completes a bare model id. Default: the region's own.
    pub geography: Option<String>,
    /// Another endpoint than the region's own.
    pub endpoint: Option<String>,
    /// The profile of AWS's configuration files.
    pub profile: Option<String>,
    /// HTTP/2 connections to each region.
    pub connections: usize,
}

/// The gRPC server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The largest message in either direction, in bytes.
    pub max_message_bytes: usize,
    /// Web origins that may call through gRPC-Web; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// How long running calls may take to end at shutdown.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
}

/// The clocks of a call.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Opening a connection to Bedrock.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From sending a request to its first content.
    #[serde(with = "humantime_serde")]
    pub attempt: Duration,
    /// Between two events of a stream.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Reading an answer to its end after its caller has gone.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

/// What is logged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Levels by target, such as `info,bedrock_inference=debug`.
    pub filter: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            insecure: false,
            upstream: UpstreamKind::Aws,
            aws: AwsSettings::default(),
            server: ServerSettings::default(),
            timeouts: Timeouts::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self { region: None, geography: None, endpoint: None, profile: None, connections: 4 }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_message_bytes: 32 * 1024 * 1024,
            cors_origins: Vec::new(),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(3100),
            attempt: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(120),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Settings {
    /// Reads the file, if there is one, and the environment on top of it.
    ///
    /// # Errors
    /// What cannot be read, with the key and what would be accepted.
    pub fn load(file: Option<&Path>) -> Result<Self, String> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let environment = config::Environment::with_prefix(PREFIX)
            .source(Some(environment(std::env::vars())))
            .prefix_separator("_")
            .separator("__")
            .list_separator(",")
            .with_list_parse_key("server.cors_origins")
            .try_parsing(true);
        let settings = builder.add_source(environment).build().and_then(config::Config::try_deserialize);
        let settings: Self = settings.map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    /// Every mistake that the types cannot rule out, all at once.
    fn check(&self) -> Result<(), String> {
        let positive = [
            ("timeouts.connect", !self.timeouts.connect.is_zero()),
            ("timeouts.attempt", !self.timeouts.attempt.is_zero()),
            ("timeouts.idle", !self.timeouts.idle.is_zero()),
            ("server.max_message_bytes", self.server.max_message_bytes > 0),
            ("aws.connections", self.aws.connections > 0),
        ];
        let mistakes: Vec<_> = positive
            .iter()
            .filter(|(_, good)| !good)
            .map(|(key, _)| format!("{key} is 0; it must be above"))
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("\n")) }
    }
}

/// Our variables. Kubernetes describes a Service called `bedrock-inference` to every pod beside it under the
/// same prefix, so those (`..._SERVICE_HOST`, `..._PORT_50051_TCP`) are left out.
fn environment(all: impl Iterator<Item = (String, String)>) -> config::Map<String, String> {
    let links = [format!("{PREFIX}_SERVICE_"), format!("{PREFIX}_PORT")];
    all.filter(|(name, _)| !links.iter().any(|link| name.starts_with(link))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_are_not_ours() {
        let names = [
            "BEDROCK_INFERENCE_LISTEN",
            "BEDROCK_INFERENCE_SERVICE_HOST",
            "BEDROCK_INFERENCE_SERVICE_PORT_GRPC",
            "BEDROCK_INFERENCE_PORT",
            "BEDROCK_INFERENCE_PORT_50051_TCP_ADDR",
        ];
        let kept = environment(names.map(|name| (name.to_owned(), String::new())).into_iter());
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["BEDROCK_INFERENCE_LISTEN"]);
    }

    #[test]
    fn the_defaults_pass_the_check() {
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
