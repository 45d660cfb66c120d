//! The service as a whole: its parts put together, served, and taken down in order.

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
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use crate::catalog::{Catalog, Home};
use crate::config::Settings;
use crate::edge::{edge, web};
use crate::grpc::Gateway;
use crate::layers::Flights;
use crate::principal::Authenticator;
use crate::stack::{Parts, corridor};
use crate::upstream::{Credentials, StartError, Started};

/// How often a silent connection is probed, so that dead peers are noticed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

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
    /// The listener failed.
    #[error("the server stopped: {0}")]
    Server(#[from] tonic::transport::Error),
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
    let authenticator = Authenticator::trusting(listener.local_addr()?, settings.insecure);
    let authenticator = authenticator.map_err(AppError::Config)?;
    let web = web(&settings.server.cors_origins).map_err(AppError::Config)?;
    let flights = Flights::default();
    let gateway = gateway(&settings, &started, flights.clone())?;
    let (health, health_service) = tonic_health::server::health_reporter();
    serving(&health, ServingStatus::NotServing).await;
    let routes = routes(gateway, health_service, settings.server.max_message_bytes)?;
    let server = server().layer(web).layer(edge(authenticator)).add_routes(routes);

    // tonic ignores its own socket options for a listener that it did not open.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
    let closing = async {
        shutdown.cancelled().await;
        serving(&health, ServingStatus::NotServing).await;
        // Clients keep watches open for as long as they are connected, and would hold the whole grace.
        end_watches(health.clone()).await;
    };
    let served = async {
        tokio::select! {
            served = server.serve_with_incoming_shutdown(incoming, closing) => served.map_err(AppError::from),
            failed = become_ready(&started.credentials, &health, &shutdown) => Err(failed.into()),
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

/// A server with its limits set by hand: where tonic is told none, it passes on less than hyper's defaults.
fn server() -> Server {
    Server::builder()
        // gRPC-Web comes over HTTP/1.1 too.
        .accept_http1(true)
        .max_concurrent_streams(128)
        .http2_max_local_error_reset_streams(Some(128))
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_header_list_size(16 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
}

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
        ($service:expr) => {
            $service
                .accept_compressed(Gzip)
                .accept_compressed(Zstd)
                .send_compressed(Gzip)
                .send_compressed(Zstd)
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit)
        };
    }
    let mut routes = Routes::builder();
    routes
        .add_service(open!(InferenceServer::new(gateway.clone())))
        .add_service(open!(ModelsServer::new(gateway)))
        .add_service(open!(health))
        .add_service(open!(reflection().build_v1().map_err(broken)?))
        .add_service(open!(reflection().build_v1alpha().map_err(broken)?));
    Ok(routes.routes())
}

fn gateway(settings: &Settings, started: &Started, flights: Flights) -> Result<Gateway, AppError> {
    let catalog =
        Arc::new(Catalog::built_in().map_err(AppError::Config)?.with_unknown(settings.unknown_models));
    let home = Home { region: started.region.clone(), geography: settings.aws.geography.clone() };
    let corridor = corridor(Parts {
        catalog: Arc::clone(&catalog),
        home: home.clone(),
        route: settings.route,
        timeouts: settings.timeouts,
        flights,
        bedrock: started.bedrock.clone(),
    });
    Ok(Gateway { corridor, catalog, home })
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
    std::future::pending().await
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
