//! One connection: its handshake, its HTTP, its life.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::ServiceExt;

use super::caps::one_owner;
use super::flood::Metered;
use super::watch::{Verdict, Watch};
use crate::call::Clocks;
use crate::config::ServerSettings;
use crate::edge::HttpService;
use crate::memory::{Level, Pressure};
use crate::principal::Peer;

/// Bytes of an HTTP/2 stream that a client may send ahead.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all streams of a connection. h2 also derives from it how many small DATA frames it bears.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of headers; a model's id has at most 2 KiB, and gRPC's other headers are short.
const HEADERS: u32 = 16 * 1024;

/// Bytes of answers that wait in h2 for each stream; our bodies come in pieces of this size.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a client resets before they are begun (rapid reset).
const RESETS: usize = 20;

/// Streams that a client makes us reset in the life of a connection. h2 counts those that it refuses too; a client
/// that has heard how many it may open has none.
const PROVOKED_RESETS: usize = 128;

/// How often a connection is looked at, at the rarest.
const LOOK: Duration = Duration::from_secs(5);

/// How long a client without a call may take to leave that was asked to.
const FAREWELL: Duration = Duration::from_millis(100);

/// By how much the ages of connections differ, so that they do not all come back at once.
const AGE_JITTER: f64 = 0.1;

/// While memory is short, one connection in so many is asked to leave each time that it is looked at: not all come
/// back at once.
const ONE_LEAVES_OF: u8 = 4;

/// How connections are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Connections in all.
    pub(super) max_connections: usize,
    /// Connections from one address.
    pub(super) max_connections_per_address: usize,
    max_streams: u32,
    handshake: Duration,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    max_age: Duration,
    idle: Duration,
    slow_reader: Duration,
    longest_call: Duration,
}

impl Rules {
    /// The rules that the settings make. A connection carries calls of every model, so the longest clocks hold.
    #[must_use]
    pub fn new(settings: &ServerSettings, clocks: &Clocks) -> Self {
        Self {
            max_connections: settings.max_connections,
            max_connections_per_address: settings.max_connections_per_address,
            max_streams: settings.max_streams,
            handshake: settings.handshake_timeout,
            keepalive_interval: settings.keepalive_interval,
            keepalive_timeout: settings.keepalive_timeout,
            max_age: settings.max_connection_age,
            idle: settings.idle_timeout,
            slow_reader: clocks.longest(|clocks| clocks.slow_reader),
            longest_call: clocks.longest(|clocks| clocks.total + clocks.slow_reader),
        }
    }
}

/// What every connection of a listener shares.
#[derive(Debug)]
pub(super) struct Host {
    service: HttpService,
    http: auto::Builder<TokioExecutor>,
    rules: Rules,
    pressure: Pressure,
    closing: CancellationToken,
}

/// Why a connection was cut.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("nothing was said in time")]
    Silent,
    #[error("the TLS handshake took too long")]
    Handshake,
    #[error("the TLS handshake failed: {0}")]
    Tls(std::io::Error),
    #[error("a flood of frames")]
    Flood,
    #[error("its streams are not read")]
    Stuck,
    #[error("it was asked to leave, and stayed")]
    Stayed,
    #[error("{0}")]
    Http(Box<dyn std::error::Error + Send + Sync>),
}

impl Host {
    pub(super) fn new(
        service: HttpService,
        rules: Rules,
        pressure: Pressure,
        closing: CancellationToken,
    ) -> Self {
        Self { service, http: http(&rules), rules, pressure, closing }
    }

    /// Whether a connection should leave because memory is short; drawn anew each time.
    fn is_pressed(&self) -> bool {
        self.pressure.level() >= Level::High && fastrand::u8(..ONE_LEAVES_OF) == 0
    }

    /// Serves one connection to its end.
    ///
    /// Its requests carry who is at the other end: the address, and the certificate that TLS has verified.
    pub(super) async fn serve(&self, stream: TcpStream, client: IpAddr, tls: Option<Arc<ServerConfig>>) {
        let open_by = Instant::now() + self.rules.handshake;
        let served = match tls {
            None => self.speak(stream, Peer::new(one_owner(client), None), open_by).await,
            Some(config) => match timeout_at(open_by, TlsAcceptor::from(config).accept(stream)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let peer = Peer::new(one_owner(client), shown);
                    self.speak(stream, peer, open_by).await
                }
                Ok(Err(error)) => Err(Cut::Tls(error)),
                Err(_) => Err(Cut::Handshake),
            },
        };
        match served {
            Ok(()) => tracing::debug!(client.address = %client, "connection closed"),
            Err(cut @ (Cut::Flood | Cut::Stuck)) => {
                tracing::warn!(client.address = %client, reason = %cut, "connection cut");
            }
            Err(cut) => tracing::debug!(client.address = %client, reason = %cut, "connection cut"),
        }
    }

    /// Speaks HTTP over a stream that has been shaken hands over.
    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        open_by: Instant,
    ) -> Result<(), Cut> {
        let watch = Watch::new();
        let io = TokioIo::new(Metered::new(stream, Arc::clone(&watch)));
        let (service, watched) = (self.service.clone(), Arc::clone(&watch));
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let stream = watched.stream();
            let answer = service.clone().oneshot(request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await?.map(|body| stream.body(body))) }
        });
        let connection = pin!(self.http.serve_connection(io, service));
        self.drive(connection, &watch, open_by).await
    }

    /// Runs a connection until it ends, is too old, is idle, or must be cut.
    async fn drive<C>(&self, mut connection: Pin<&mut C>, watch: &Watch, open_by: Instant) -> Result<(), Cut>
    where
        C: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Graceful,
    {
        let rules = &self.rules;
        let mut opening = pin!(sleep_until(open_by));
        let mut aging = pin!(sleep(jittered(rules.max_age)));
        let looks = (rules.idle.min(rules.slow_reader) / 4).min(LOOK);
        let mut look = interval_at(Instant::now() + looks, looks);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut opened = false;
        let mut left: Option<Instant> = None;
        loop {
            let leave = tokio::select! {
                ended = connection.as_mut() => return match ended {
                    Err(_) if watch.was_flooded() => Err(Cut::Flood),
                    ended => ended.map_err(Cut::Http),
                },
                () = &mut opening, if !opened => {
                    opened = watch.has_opened();
                    if !opened {
                        return Err(Cut::Silent);
                    }
                    false
                }
                () = self.closing.cancelled(), if left.is_none() => true,
                () = &mut aging, if left.is_none() => true,
                _ = look.tick() => match (watch.verdict(rules.idle, rules.slow_reader), left) {
                    (Verdict::Stuck, _) => return Err(Cut::Stuck),
                    // h2 stays for what it has not sent of answers that we gave it whole.
                    (Verdict::Idle, Some(left)) if left.elapsed() >= FAREWELL => return Err(Cut::Stayed),
                    // Every call has ended by then; watches have not, and a client may never read.
                    (_, Some(left)) if left.elapsed() >= rules.longest_call => return Err(Cut::Stayed),
                    (Verdict::Idle, None) => true,
                    (Verdict::Fine, None) => self.is_pressed(),
                    _ => false,
                },
            };
            if leave && left.is_none() {
                left = Some(Instant::now());
                connection.as_mut().leave();
            }
        }
    }
}

/// A connection that can be asked to end behind its last stream.
trait Graceful {
    /// GOAWAY, or `connection: close`.
    fn leave(self: Pin<&mut Self>);
}

impl<Io, S, B> Graceful for auto::Connection<'_, Io, S, TokioExecutor>
where
    Io: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: 'static,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// HTTP/2, and HTTP/1.1 for gRPC-Web, with every limit set by hand.
fn http(rules: &Rules) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(rules.max_streams)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(PROVOKED_RESETS)
        .keep_alive_interval(rules.keepalive_interval)
        .keep_alive_timeout(rules.keepalive_timeout);
    // Without a timer, hyper has no clock for slow headers.
    http.http1().timer(TokioTimer::new()).header_read_timeout(rules.handshake).max_buf_size(SEND_BUFFER);
    http
}

fn jittered(age: Duration) -> Duration {
    age.mul_f64(1.0 + AGE_JITTER * (fastrand::f64() * 2.0 - 1.0))
}
