//! The service as a whole: its parts put together, served, and taken down in order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use bedrock_inference_proto::v1::inference_server::InferenceServer;
use bedrock_inference_proto::v1::models_server::ModelsServer;
use tokio::net::TcpListener;
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
use crate::catalog::{Catalog, Home};
use crate::config::{ModelSettings, Settings};
use crate::edge::{HttpService, Uploads, edge, web};
use crate::grpc::Gateway;
use crate::layers::{Admission, Flights};
use crate::memory::Pressure;
use crate::principal::Authenticator;
use crate::server::{Certificates, Rules, serve};
use crate::stack::{Parts, corridor};
use crate::upstream::{Credentials, StartError, Started};

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

/// Serves on `listener` until `shutdown`, then lets running calls end within the grace.
///
/// # Errors
/// What is wrong with the configuration, at once; a failing listener, later.
pub async fn run(
    settings: Settings,
    started: Started,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), AppError> {
    let authenticator = Authenticator::trusting(listener.local_addr()?, trusted(&settings));
    let authenticator = authenticator.map_err(AppError::Config)?;
    let certificates = Certificates::load(&settings.server.tls).await.map_err(AppError::Config)?;
    let flights = Flights::new(settings.admission.drains);
    let pressure = Pressure::default();
    let admission = Admission::new(settings.admission, pressure.clone());
    let clocks = Clocks::new(settings.timeouts, &settings.models);
    let gateway = gateway(&settings, &started, clocks.clone(), admission, flights.clone())?;
    let (health, health_service) = tonic_health::server::health_reporter();
    serving(&health, ServingStatus::NotServing).await;
    let routes = routes(gateway, health_service, settings.server.max_message_bytes)?;
    let web = web(&settings.server.cors_origins).map_err(AppError::Config)?;
    let uploads = Uploads::new(&settings.server);
    let service = HttpService::of(web.layer(edge(authenticator, uploads).layer(routes)));

    let rules = Rules::new(&settings.server, &clocks, pressure.clone());
    let closing = CancellationToken::new();
    let served = async {
        tokio::select! {
            () = serve(listener, certificates.as_ref(), service, rules, closing.clone()) => Ok(()),
            failed = become_ready(&started.credentials, &health, &shutdown) => Err(failed.into()),
            never = renewed(certificates.as_ref()) => match never {},
            never = pressure.watch(settings.admission.memory_limit) => match never {},
            never = close(&shutdown, &health, &closing) => match never {},
        }
    };
    let expired = async {
        shutdown.cancelled().await;
        sleep(settings.server.shutdown_grace).await;
    };
    let served = async {
        let served = served.await;
        flights.land().await;
        served
    };
    tokio::pin!(served);
    tokio::select! {
        served = &mut served => return served,
        () = expired => {}
    }
    tracing::warn!(flights = flights.count(), "calls were still running when the grace had passed");
    flights.give_up();
    timeout(FAREWELL, served).await.unwrap_or(Ok(()))
}

/// Whether the catalogue has every model that the settings name.
///
/// # Errors
/// The first that it has not.
pub fn known(models: &BTreeMap<String, ModelSettings>, catalog: &Catalog) -> Result<(), String> {
    match models.keys().find(|id| !catalog.has(id)) {
        None => Ok(()),
        Some(id) => Err(format!(
            "models.{id:?}: the catalogue has no such base id; `bedrock-inference models` lists them"
        )),
    }
}

/// Whether everyone may call who gets a connection: the operator says so, or TLS asks for a certificate.
#[must_use]
pub fn trusted(settings: &Settings) -> bool {
    settings.insecure || settings.server.tls.client_ca.is_some()
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
        .add_service(open!(ModelsServer::new(gateway), limit))
        .add_service(open!(health, SMALL))
        .add_service(open!(reflection().build_v1().map_err(broken)?, SMALL))
        .add_service(open!(reflection().build_v1alpha().map_err(broken)?, SMALL));
    Ok(routes.routes())
}

fn gateway(
    settings: &Settings,
    started: &Started,
    clocks: Clocks,
    admission: Admission,
    flights: Flights,
) -> Result<Gateway, AppError> {
    let catalog = Catalog::built_in().map_err(AppError::Config)?.with_unknown(settings.unknown_models);
    known(&settings.models, &catalog).map_err(AppError::Config)?;
    let catalog = Arc::new(catalog);
    let home = Home { region: started.region.clone(), geography: settings.aws.geography.clone() };
    let corridor = corridor(Parts {
        catalog: Arc::clone(&catalog),
        home: home.clone(),
        route: settings.route,
        clocks,
        retry: settings.retry,
        admission,
        flights,
        bedrock: started.bedrock.clone(),
    });
    Ok(Gateway { corridor, catalog, home, max_message_bytes: settings.server.max_message_bytes })
}

/// Once `shutdown` comes: no new calls are asked for, and connections end behind their last one.
async fn close(
    shutdown: &CancellationToken,
    health: &HealthReporter,
    closing: &CancellationToken,
) -> Infallible {
    shutdown.cancelled().await;
    serving(health, ServingStatus::NotServing).await;
    // Clients keep watches open for as long as they are connected, and would hold the whole grace.
    end_watches(health.clone()).await;
    closing.cancel();
    pending().await
}

/// Keeps the certificates up to date, where there are any.
async fn renewed(certificates: Option<&Certificates>) -> Infallible {
    match certificates {
        Some(certificates) => certificates.renew().await,
        None => pending().await,
    }
}

/// Reports the service ready once its requests can be signed. Only ends when they never can.
async fn become_ready(
    credentials: &Credentials,
    health: &HealthReporter,
    shutdown: &CancellationToken,
) -> StartError {
    let checks = async {
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
const REPORTED: [&str; 3] = ["", InferenceServer::<Gateway>::NAME, ModelsServer::<Gateway>::NAME];

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
