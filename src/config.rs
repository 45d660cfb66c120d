//! The configuration: a TOML file, then `BEDROCK_INFERENCE_*` environment variables, then flags.
//!
//! `docs/configuration.md` describes every key, `config.example.toml` shows every key with its default.

mod admission;
mod aws;
mod idempotency;
mod issuers;
mod ledger;
mod mistake;
mod overlay;
mod redis;
mod renewal;
mod routing;
mod server;
mod tenants;
mod timeouts;
mod usd;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

pub use admission::AdmissionSettings;
pub use aws::AwsSettings;
pub use idempotency::IdempotencySettings;
pub use issuers::{IssuerSettings, SubjectSettings};
pub use ledger::{LedgerPlace, LedgerSettings};
pub use overlay::OverlayFile;
pub use redis::RedisSettings;
pub use routing::{AliasSettings, BreakerSettings, TargetSettings};
pub use server::{ServerSettings, TlsSettings};
pub use tenants::{
    BudgetSettings, EVERYONE, GuardrailSettings, KeySettings, LABEL, TenantSettings, is_key_id, is_label,
    is_tenant,
};
pub use timeouts::{ModelSettings, ModelTimeouts, Timeouts};
pub use usd::Usd;

/// Where `ask` finds its API key; no key of the configuration.
pub const API_KEY: &str = "BEDROCK_INFERENCE_API_KEY";

/// What our environment variables begin with.
const PREFIX: &str = "BEDROCK_INFERENCE";

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the gRPC server listens.
    pub listen: SocketAddr,
    /// Whether a listener that other machines can reach may run without authentication.
    pub insecure: bool,
    /// How often the configuration file is looked at for changes.
    #[serde(with = "humantime_serde")]
    pub reload: Duration,
    /// Which Bedrock is called.
    pub upstream: UpstreamKind,
    /// Which side of Bedrock's API conversations take that insist on none.
    pub route: RouteSetting,
    /// What becomes of calls to models that the catalogue does not know.
    pub unknown_models: UnknownModels,
    /// What becomes of calls whose price the catalogue does not know.
    pub unpriced_models: UnpricedModels,
    /// What adds to the catalogue and corrects it; nothing where unset.
    pub overlay: Option<OverlayFile>,
    /// How Bedrock is reached.
    pub aws: AwsSettings,
    /// Where the ledger is kept.
    pub ledger: LedgerSettings,
    /// How calls with an id of their caller's are made once.
    pub idempotency: IdempotencySettings,
    /// The gRPC server.
    pub server: ServerSettings,
    /// How much the service takes on at a time.
    pub admission: AdmissionSettings,
    /// The Redis that several gateways share.
    pub redis: RedisSettings,
    /// The clocks of a call.
    pub timeouts: Timeouts,
    /// Attempts that a call may have.
    pub retry: RetrySettings,
    /// When a target that fails is left alone.
    pub breaker: BreakerSettings,
    /// Regions and geographies that calls may reach; empty for all.
    pub residency: Vec<String>,
    /// Names for several targets.
    pub aliases: BTreeMap<String, AliasSettings>,
    /// Who may call, by name; everyone who gets a connection where there is nobody.
    pub tenants: BTreeMap<String, TenantSettings>,
    /// Identity providers whose tokens name tenants, by name.
    pub issuers: BTreeMap<String, IssuerSettings>,
    /// What is different for some models, by base id.
    pub models: BTreeMap<String, ModelSettings>,
    /// What is logged.
    pub log: LogSettings,
}

/// Which Bedrock is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// Amazon Bedrock.
    Aws,
    /// The built-in emulator, which makes its answers up.
    Emulator,
}

/// Which side of Bedrock's API conversations take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteSetting {
    /// Native where the family's adapter has every member on its tested list, else Converse.
    Auto,
    /// InvokeModel with the family's native body.
    Native,
    /// Converse.
    Converse,
}

/// What becomes of calls to models that the catalogue does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownModels {
    /// They are refused.
    Refuse,
    /// They go by Converse, or as they stand, with warnings about what could not be checked.
    Warn,
}

/// What becomes of calls whose price the catalogue does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnpricedModels {
    /// They are refused.
    Refuse,
    /// They go on, with a warning in place of a cost.
    Warn,
}

/// Attempts that a call may have.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Attempts in all; 1 for no repeat.
    pub attempts: u32,
    /// Whether an attempt is also repeated that AWS may be answering, and billing, all the same.
    pub pay_twice: bool,
}

/// What is logged.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Levels by target, such as `info,bedrock_inference=debug`.
    pub filter: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
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
            reload: Duration::from_secs(10),
            upstream: UpstreamKind::Aws,
            route: RouteSetting::Auto,
            unknown_models: UnknownModels::Refuse,
            unpriced_models: UnpricedModels::Warn,
            overlay: None,
            aws: AwsSettings::default(),
            ledger: LedgerSettings::default(),
            idempotency: IdempotencySettings::default(),
            server: ServerSettings::default(),
            admission: AdmissionSettings::default(),
            redis: RedisSettings::default(),
            timeouts: Timeouts::default(),
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            residency: Vec::new(),
            aliases: BTreeMap::new(),
            tenants: BTreeMap::new(),
            issuers: BTreeMap::new(),
            models: BTreeMap::new(),
            log: LogSettings::default(),
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { attempts: 3, pay_twice: false }
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
        let text = file.map(|path| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        });
        Self::parse(text.transpose()?.as_deref())
    }

    /// Reads what stands in a file, if there is one, and the environment on top of it.
    ///
    /// # Errors
    /// The same; lines and keys are named, and what stands in them is not.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        let mut builder = config::Config::builder();
        if let Some(text) = text {
            builder = builder.add_source(config::File::from_str(text, config::FileFormat::Toml));
        }
        let environment = config::Environment::with_prefix(PREFIX)
            .source(Some(environment(variables())))
            .prefix_separator("_")
            .separator("__")
            .list_separator(",")
            .with_list_parse_key("server.cors_origins")
            .with_list_parse_key("residency")
            .try_parsing(true);
        let settings = builder.add_source(environment).build().and_then(config::Config::try_deserialize);
        let settings: Self = settings.map_err(|error| mistake::told(&error))?;
        settings.check().map(|()| settings)
    }

    /// Every mistake that the types cannot rule out, all at once.
    fn check(&self) -> Result<(), String> {
        let mut mistakes: Vec<_> = self
            .out_of_range()
            .into_iter()
            .map(|key| {
                format!("{key} is too small or too large: counts begin at 1, times go from 1ms to 10 years")
            })
            .collect();
        mistakes.extend(self.aws.mistakes());
        mistakes.extend(self.ledger.mistakes());
        mistakes.extend(self.server.tls.mistake().map(str::to_owned));
        mistakes.extend(self.redis.mistake().map(str::to_owned));
        mistakes.extend(self.breaker.mistake());
        mistakes.extend(self.overlay.as_ref().and_then(|overlay| overlay.text().err()));
        mistakes.extend(tenants::mistakes(&self.tenants, SystemTime::now()));
        mistakes.extend(issuers::mistakes(&self.issuers, &self.tenants));
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("\n")) }
    }

    /// The keys that are too small or too large.
    fn out_of_range(&self) -> Vec<String> {
        let own = self.models.iter().flat_map(|(id, model)| {
            let wrong = model.timeouts.out_of_range();
            wrong.map(move |key| format!("models.{id:?}.timeouts.{key}"))
        });
        let server = self.server.out_of_range().map(|key| format!("server.{key}"));
        let admission = self.admission.out_of_range().map(|key| format!("admission.{key}"));
        let redis = self.redis.out_of_range().map(|key| format!("redis.{key}"));
        let timeouts = self.timeouts.out_of_range().map(|key| format!("timeouts.{key}"));
        let ledger = self.ledger.out_of_range().map(|key| format!("ledger.{key}"));
        let idempotency = self.idempotency.out_of_range().map(|key| format!("idempotency.{key}"));
        let aws = (self.aws.connections == 0).then(|| "aws.connections".to_owned());
        let retry = (self.retry.attempts == 0).then(|| "retry.attempts".to_owned());
        let breaker = self.breaker.out_of_range().map(|key| format!("breaker.{key}"));
        let hedges = self.aliases.iter().filter(|(_, alias)| alias.out_of_range());
        let hedges = hedges.map(|(name, _)| format!("aliases.{name}.hedge_after"));
        let reload = timeouts::is_no_clock(self.reload).then(|| "reload".to_owned());
        let all = reload
            .into_iter()
            .chain(ledger)
            .chain(idempotency)
            .chain(aws)
            .chain(retry)
            .chain(breaker)
            .chain(hedges);
        all.chain(server).chain(admission).chain(redis).chain(timeouts).chain(own).collect()
    }
}

/// The environment; what is not text there is none of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Our variables. Kubernetes describes a Service called `bedrock-inference`, or `bedrock-inference-admin`, to every
/// pod beside it under the same prefix, so its names are left out.
fn environment(all: impl Iterator<Item = (String, String)>) -> config::Map<String, String> {
    all.filter(|(name, _)| !is_of_kubernetes(name) && name != API_KEY).collect()
}

/// `..._SERVICE_HOST`, `..._SERVICE_PORT`, `..._SERVICE_PORT_GRPC`, `..._PORT`, `..._PORT_50051_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    let port = |rest: &str| match rest.strip_prefix('_') {
        Some(number) => number.starts_with(|first: char| first.is_ascii_digit()),
        None => rest.is_empty(),
    };
    ["_SERVICE_HOST", "_SERVICE_PORT"].iter().any(|mark| name.contains(mark))
        || name.match_indices("_PORT").any(|(at, mark)| name.get(at + mark.len()..).is_some_and(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_are_not_ours() {
        let services = ["BEDROCK_INFERENCE", "BEDROCK_INFERENCE_ADMIN", "BEDROCK_INFERENCE_PORTAL_2"];
        let ends = [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_GRPC",
            "PORT",
            "PORT_50051_TCP",
            "PORT_50051_TCP_ADDR",
        ];
        let names = services.iter().flat_map(|service| ends.map(|end| format!("{service}_{end}")));
        assert!(environment(names.map(|name| (name, String::new()))).is_empty());
    }

    #[test]
    fn variables_that_look_like_those_of_kubernetes_are_ours() {
        let names =
            ["BEDROCK_INFERENCE_LISTEN", "BEDROCK_INFERENCE_SERVER__PORTS", "BEDROCK_INFERENCE_PORT_X"];
        let kept = environment(names.iter().map(|name| ((*name).to_owned(), String::new())));
        assert_eq!(kept.len(), names.len(), "{kept:?}");
    }

    #[test]
    fn the_defaults_pass_the_check() {
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
