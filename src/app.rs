//! The service as a whole: its parts put together, served, and taken down in order.

mod renewal;
mod shutdown;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use bedrock_inference_proto::v1::inference_server::InferenceServer;
use bedrock_inference_proto::v1::models_server::ModelsServer;
use bedrock_inference_proto::v1::usage_server::UsageServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use tower::Layer;

use crate::call::Clocks;
use crate::catalog::{Catalog, Home, Residency};
use crate::config::Settings;
use crate::edge::{HttpService, Uploads, edge, web};
use crate::grpc::Gateway;
use crate::layers::Attempts;
use crate::ledger::Ledger;
use crate::principal::Authenticator;
use crate::server::{Certificates, Rules, serve};
use crate::upstream::{Credentials, StartError, Started};

use renewal::Lasting;
use shutdown::Shutdown;

/// How long callers have to read that their calls were given up.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long to wait before credentials are asked for again.
const CREDENTIALS_RETRY: Duration = Duration::from_secs(5);

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Bedrock cannot be reached as configured.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration contradicts itself.
    #[error("{0}")]
    Config(String),
    /// The listener has no address.
    #[error("the listener has no address: {0}")]
    Listener(#[from] std::io::Error),
}

/// What a service is told from outside, at its start and later.
#[derive(Debug)]
pub struct Orders {
    /// The settings. Later ones are taken as they come, as far as a running service can.
    pub settings: watch::Receiver<Settings>,
    /// Ends the service in order.
    pub shutdown: CancellationToken,
    /// Ends an ordered end early: what still runs is given up.
    pub at_once: CancellationToken,
}

impl Orders {
    /// These settings for ever, and an ordered end.
    #[must_use]
    pub fn fixed(settings: Settings, shutdown: CancellationToken) -> Self {
        Self { settings: watch::channel(settings).1, shutdown, at_once: CancellationToken::new() }
    }
}

/// Serves on `listener` until it is told to end, then lets running calls end within the grace.
///
/// # Errors
/// What is wrong with the first settings, at once; a failing listener, later. Mistakes in later settings are
/// logged and change nothing.
pub async fn run(orders: Orders, started: Started, listener: TcpListener) -> Result<(), AppError> {
    let Orders { settings: mut renewed, shutdown, at_once } = orders;
    let settings = renewed.borrow_and_update().clone();
    let shutdown = Shutdown::new(shutdown, at_once, &settings.server);
    let authenticator = Authenticator::new(&settings, listener.local_addr()?).map_err(AppError::Config)?;
    let certificates = Certificates::load(&settings.server.tls).await.map_err(AppError::Config)?;
    let ledger = Ledger::open(&settings.ledger, settings.upstream).await.map_err(AppError::Config)?;
    let lasting = Lasting::new(&started, &settings, authenticator.clone(), ledger.clone());
    let lasting = lasting.map_err(AppError::Config)?;
    let gateway = Gateway::new(lasting.live(&settings).map_err(AppError::Config)?);
    let (health, health_service) = tonic_health::server::health_reporter();
    serving(&health, ServingStatus::NotServing).await;
    let routes = routes(gateway.clone(), health_service, settings.server.max_message_bytes)?;
    let web = web(&settings.server.cors_origins).map_err(AppError::Config)?;
    let uploads = Uploads::new(&settings.server);
    let service = HttpService::of(web.layer(edge(authenticator.clone(), uploads).layer(routes)));

    let rules = Rules::new(&settings.server, &Clocks::new(settings.timeouts, &settings.models));
    let closing = CancellationToken::new();
    let served = async {
        tokio::select! {
            () = serve(listener, certificates.as_ref(), service, rules, lasting.pressure.clone(), closing.clone()) => Ok(()),
            failed = become_ready(&started.credentials, (&authenticator, &ledger), &health, shutdown.asked()) => Err(failed.into()),
            never = fresh(certificates.as_ref()) => match never {},
            never = authenticator.keep_keys() => match never {},
            never = lasting.pressure.watch(settings.admission.memory_limit) => match never {},
            never = lasting.renew(&settings, renewed, &gateway) => match never {},
            never = close(&shutdown, &health, &closing) => match never {},
        }
    };
    let served = async {
        let served = served.await;
        lasting.flights.land().await;
        lasting.limits.settled().await;
        served
    };
    tokio::pin!(served);
    let served = tokio::select! {
        served = &mut served => served,
        () = shutdown.expired() => {
            tracing::warn!(flights = lasting.flights.count(), "calls still run, and are given up");
            lasting.flights.give_up();
            timeout(FAREWELL, served).await.unwrap_or(Ok(()))
        }
    };
    ledger.close().await;
    let Attempts { begun, complete, failed, dropped } = lasting.tally.attempts();
    tracing::info!(begun, complete, failed, dropped, "the service has ended; attempts at calls of Bedrock");
    served
}

/// Where a service of these settings stands, in this region.
#[must_use]
pub fn home(settings: &Settings, region: &str) -> Home {
    Home { region: region.to_owned(), geography: settings.aws.geography.clone() }
}

/// Every model that is known with these settings: those that are built in, as the overlay has them.
///
/// # Errors
/// Every mistake of the overlay, a line each.
pub fn known(settings: &Settings) -> Result<Catalog, String> {
    let catalog = Catalog::built_in()?;
    match &settings.overlay {
        Some(overlay) => catalog.with_overlay(overlay),
        None => Ok(catalog),
    }
}

/// The catalogue as these settings make it, seen from `home`.
///
/// # Errors
/// Mistakes of the overlay; models, aliases or places of the settings that are not there.
pub fn catalog(settings: &Settings, home: &Home) -> Result<Catalog, String> {
    let catalog = known(settings)?
        .with_unknown(settings.unknown_models)
        .within(Residency::new(&settings.residency)?)
        .with_aliases(&settings.aliases, home)?;
    if let Some(id) = settings.models.keys().find(|id| !catalog.has(id)) {
        return Err(format!(
            "models.{id:?}: the catalogue has no such base id; `bedrock-inference models` lists them"
        ));
    }
    let sold = |wanted: &String| catalog.models().any(|entry| entry.model.profiles.contains(wanted));
    match settings.aws.geography.as_ref().filter(|wanted| !sold(wanted)) {
        None => Ok(catalog),
        Some(wanted) => Err(format!("aws.geography: no model has an inference profile of {wanted:?}")),
    }
}

/// The largest request of gRPC's own services, in bytes: a name.
const SMALL: usize = 64 * 1024;

/// Every gRPC service, each with the same compression and message limit.
fn routes<H: Health>(gateway: Gateway, health: HealthServer<H>, limit: usize) -> Result<Routes, AppError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Each version knows only of itself, and both are served.
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            .include_reflection_service(false)
    };
    let broken = |error| AppError::Config(format!("the descriptor set cannot be served: {error}"));
    macro_rules! open {
        ($service:expr, $limit:expr) => {
            $service
                .accept_compressed(Gzip)
                .accept_compressed(Zstd)
                .send_compressed(Gzip)
                .send_compressed(Zstd)
                .max_decoding_message_size($limit)
                // Ours is checked before anything is sent, by grpc/ending.rs.
                .max_encoding_message_size(usize::MAX)
        };
    }
    let mut routes = Routes::builder();
    routes
        .add_service(open!(InferenceServer::new(gateway.clone()), limit))
        .add_service(open!(ModelsServer::new(gateway.clone()), limit))
        .add_service(open!(UsageServer::new(gateway), limit))
        .add_service(open!(health, SMALL))
        .add_service(open!(reflection().build_v1().map_err(broken)?, SMALL))
        .add_service(open!(reflection().build_v1alpha().map_err(broken)?, SMALL));
    Ok(routes.routes())
}

/// Once the end is asked for: no new calls are wanted; a while later nobody can connect any more, and connections
/// end behind their last call.
async fn close(shutdown: &Shutdown, health: &HealthReporter, closing: &CancellationToken) -> Infallible {
    shutdown.asked().cancelled().await;
    serving(health, ServingStatus::NotServing).await;
    shutdown.delayed().await;
    // Clients keep watches open for as long as they are connected, and would hold the whole grace.
    end_watches(health.clone()).await;
    closing.cancel();
    pending().await
}

/// Keeps the certificates up to date, where there are any.
async fn fresh(certificates: Option<&Certificates>) -> Infallible {
    match certificates {
        Some(certificates) => certificates.renew().await,
        None => pending().await,
    }
}

/// Reports the service ready once its requests can be signed and written down, and issuers have been asked for their
/// keys, with or without an answer. Only ends when requests never can be signed.
async fn become_ready(
    credentials: &Credentials,
    (authenticator, ledger): (&Authenticator, &Ledger),
    health: &HealthReporter,
    shutdown: &CancellationToken,
) -> StartError {
    let checks = async {
        ledger.ready().await;
        authenticator.keys_asked().await;
        loop {
            match credentials.check().await {
                Ok(()) => return None,
                Err(Some(error)) => return Some(error),
                Err(None) => sleep(CREDENTIALS_RETRY).await,
            }
        }
    };
    // A service that goes down does not become ready any more.
    match shutdown.run_until_cancelled(checks).await {
        Some(Some(error)) => return error,
        Some(None) => serving(health, ServingStatus::Serving).await,
        None => {}
    }
    pending().await
}

/// What health is reported of: the server as a whole, and each of its services.
const REPORTED: [&str; 4] =
    ["", InferenceServer::<Gateway>::NAME, ModelsServer::<Gateway>::NAME, UsageServer::<Gateway>::NAME];

async fn serving(health: &HealthReporter, status: ServingStatus) {
    for service in REPORTED {
        health.set_service_status(service, status).await;
    }
}

/// Ends every watch behind the last status that was set.
async fn end_watches(mut health: HealthReporter) {
    for service in REPORTED {
        health.clear_service_status(service).await;
    }
}

/// Waits until a listener at this address reports itself ready, at most for `limit`.
///
/// # Errors
/// Why the last try failed.
pub async fn wait_until_ready(
    addr: SocketAddr,
    limit: Duration,
) -> Result<tonic::transport::Channel, String> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}"))
        .map_err(|error| error.to_string())?
        .tcp_nodelay(true);
    let ready = async {
        let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
        let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
        let mut updates = health.watch(request).await.map_err(|s| s.to_string())?.into_inner();
        while let Some(update) = updates.message().await.map_err(|s| s.to_string())? {
            if update.status() == tonic_health::pb::health_check_response::ServingStatus::Serving {
                return Ok(channel);
            }
        }
        Err("the health service went away".to_owned())
    };
    timeout(limit, ready).await.unwrap_or_else(|_| Err(format!("{addr} was not ready in time")))
}
