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
use tonic_health::server::HealthReporter;

use crate::catalog::{Catalog, Home};
use crate::config::Settings;
use crate::edge::{edge, web};
use crate::grpc::Gateway;
use crate::layers::Flights;
use crate::principal::Authenticator;
use crate::stack::{Parts, corridor};
use crate::upstream::{Credentials, StartError, Started};

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
    let addr = listener.local_addr()?;
    let authenticator = Authenticator::trusting(addr, settings.insecure).map_err(AppError::Config)?;
    let web = web(&settings.server.cors_origins).map_err(AppError::Config)?;
    let flights = Flights::default();
    let gateway = gateway(&settings, &started, flights.clone())?;
    let (health, health_service) = tonic_health::server::health_reporter();
    serving(&health, ServingStatus::NotServing).await;

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflected = |error| AppError::Config(format!("the descriptor set cannot be served: {error}"));
    let limit = settings.server.max_message_bytes;
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
        .add_service(open!(health_service))
        .add_service(open!(reflection().build_v1().map_err(reflected)?))
        .add_service(open!(reflection().build_v1alpha().map_err(reflected)?));

    let server = Server::builder()
        // gRPC-Web comes over HTTP/1.1 too.
        .accept_http1(true)
        // tonic passes on no limit where none is set, which is less than hyper's own default.
        .max_concurrent_streams(128)
        .http2_max_local_error_reset_streams(Some(128))
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_header_list_size(16 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .layer(web)
        .layer(edge(authenticator))
        .add_routes(routes.routes());
    // tonic ignores its own socket options for a listener that it did not open.
    let incoming =
        TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(Duration::from_secs(60)));
    let readiness = become_ready(&started.credentials, &health);
    let grace = settings.server.shutdown_grace;
    let closing = async {
        shutdown.cancelled().await;
        serving(&health, ServingStatus::NotServing).await;
    };
    let expired = async {
        shutdown.cancelled().await;
        sleep(grace).await;
    };
    let served = tokio::select! {
        served = server.serve_with_incoming_shutdown(incoming, closing) => served.map_err(AppError::from),
        () = expired => {
            tracing::warn!("connections were still open when the grace had passed");
            Ok(())
        }
        failed = readiness => Err(failed.into()),
    };
    flights.land(grace).await;
    served
}

fn gateway(settings: &Settings, started: &Started, flights: Flights) -> Result<Gateway, AppError> {
    let catalog = Arc::new(Catalog::built_in().map_err(AppError::Config)?);
    let home = Home { region: started.region.clone(), geography: settings.aws.geography.clone() };
    let corridor = corridor(Parts {
        catalog: Arc::clone(&catalog),
        home: home.clone(),
        timeouts: settings.timeouts,
        flights,
        bedrock: started.bedrock.clone(),
    });
    Ok(Gateway { corridor, catalog, home })
}

/// Reports the service ready once its requests can be signed. Only ends when they never can.
async fn become_ready(credentials: &Credentials, health: &HealthReporter) -> StartError {
    loop {
        match credentials.check().await {
            Ok(()) => {
                serving(health, ServingStatus::Serving).await;
                return std::future::pending().await;
            }
            Err(Some(error)) => return error,
            Err(None) => sleep(CREDENTIALS_RETRY).await,
        }
    }
}

async fn serving(health: &HealthReporter, status: ServingStatus) {
    for service in ["", InferenceServer::<Gateway>::NAME, ModelsServer::<Gateway>::NAME] {
        health.set_service_status(service, status).await;
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
