//! Finding region, endpoint and credentials, the way the AWS SDK does.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as StaticCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{Builder, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::pool::{ConnectionPool, DriverSpawner, Partition, PartitionId};
use aws_smithy_http_client::tls;
use tokio::runtime::Handle;

use super::identity::Identity;
use super::sources::{Chain, Identities};
use super::{AwsBedrock, Bedrock};
use crate::config::{AwsSettings, Timeouts};

/// Idle connections are closed before the load balancers on the way (350 s) forget them.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// The gateway's own identity, in logs.
const OWN: &str = "the gateway itself";

/// What the gateway needs to know before it can serve.
#[derive(Debug)]
pub struct Started {
    /// Bedrock.
    pub bedrock: Arc<dyn Bedrock>,
    /// The home region.
    pub region: String,
    /// Whether requests can be signed.
    pub credentials: Credentials,
}

/// Where signatures come from.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// They are there: a bearer token, or the emulator's.
    Present,
    /// A provider that has to be asked.
    Provider(SharedCredentialsProvider),
}

/// Why the service cannot start. These are the operator's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No region is configured anywhere.
    #[error(
        "no AWS region: set aws.region in the configuration, or AWS_REGION, or a region in the AWS profile; \
         without an AWS account use --upstream emulator"
    )]
    NoRegion,
    /// Every provider of the chain is empty.
    #[error(
        "no AWS credentials: the chain (environment, profile, web identity, container, instance) is empty and \
         AWS_BEARER_TOKEN_BEDROCK is unset; without an AWS account use --upstream emulator"
    )]
    NoCredentials,
    /// The TLS set-up failed.
    #[error("the HTTPS client could not be made: {0}")]
    Https(String),
}

/// Finds out how to reach Bedrock. Sends nothing to it.
///
/// # Errors
/// What is missing, in words for the operator.
pub async fn start(settings: &AwsSettings, timeouts: &Timeouts) -> Result<Started, StartError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    let shared = loader.load().await;
    let home = shared.region().ok_or(StartError::NoRegion)?.clone();
    let own = Identity::new(OWN, Chain { region: home.clone(), profile: settings.profile.clone() });
    let mut base = Builder::from(&shared);
    if let Some(endpoint) = &settings.endpoint {
        base = base.endpoint_url(endpoint);
    }
    let identities = Identities::new(own.clone(), shared);
    let bedrock = connect(base, identities, settings, timeouts)?;
    Ok(Started { bedrock, region: home.to_string(), credentials: credentials(own) })
}

/// The emulator at this URL, whatever the environment says of AWS: it is Bedrock in every region that has no
/// endpoint of its own in the settings, and STS.
///
/// # Errors
/// The HTTP client could not be made.
pub fn start_on_emulator(
    url: &str,
    settings: &AwsSettings,
    timeouts: &Timeouts,
) -> Result<Started, StartError> {
    let region = settings.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let base = Builder::new().behavior_version(BehaviorVersion::v2026_01_12()).endpoint_url(url);
    let sts = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.clone()))
        .time_source(SystemTimeSource::new())
        .endpoint_url(url);
    let own = Identity::new(OWN, StaticCredentials::new("emulator", "emulator", None, None, "emulator"));
    let bedrock = connect(base, Identities::new(own, sts.build()), settings, timeouts)?;
    Ok(Started { bedrock, region, credentials: Credentials::Present })
}

impl Credentials {
    /// Whether requests can be signed now.
    ///
    /// # Errors
    /// `NoCredentials` inside where the chain is empty, `None` where a provider could not be reached.
    pub async fn check(&self) -> Result<(), Option<StartError>> {
        let Self::Provider(provider) = self else { return Ok(()) };
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Err(Some(StartError::NoCredentials)),
            Err(error) => {
                tracing::warn!(%error, "AWS credentials cannot be had now");
                Err(None)
            }
        }
    }
}

/// A bearer token is taken from the environment by the SDK itself, which then prefers it to signing.
#[expect(clippy::disallowed_methods, reason = "the SDK does not tell whether it found a bearer token")]
fn credentials(own: Identity) -> Credentials {
    if std::env::var_os("AWS_BEARER_TOKEN_BEDROCK").is_some_and(|token| !token.is_empty()) {
        return Credentials::Present;
    }
    Credentials::Provider(SharedCredentialsProvider::new(own))
}

/// SDK retries are off: repeating a paid call is for one layer of ours to decide.
fn connect(
    base: Builder,
    identities: Identities,
    settings: &AwsSettings,
    timeouts: &Timeouts,
) -> Result<Arc<dyn Bedrock>, StartError> {
    let timeout = TimeoutConfig::builder().connect_timeout(timeouts.connect).build();
    let base = base
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeout)
        // Identities keep their own credentials.
        .identity_cache(IdentityCache::no_cache())
        // It covers unary bodies only, with an error of its own; the clocks of the corridor cover all.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let partition =
        |index| Partition::new(PartitionId::from_index(index), DriverSpawner::tokio(Handle::current()));
    let pool = ConnectionPool::builder()
        .idle_timeout(IDLE_CONNECTION)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .partitions((0..settings.connections).map(partition))
        .tls_provider(tls::Provider::rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_https()
        .map_err(|error| StartError::Https(error.to_string()))?;
    let endpoints = settings.endpoints.clone();
    Ok(Arc::new(AwsBedrock::new(base, endpoints, identities, pool, settings.connections)))
}
