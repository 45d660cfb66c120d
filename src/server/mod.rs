//! The server: connections accepted, bounded, watched, and let go in order.

mod caps;
mod connection;
mod flood;
mod tls;
mod watch;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::edge::HttpService;
use crate::memory::Pressure;

use caps::Caps;
use connection::Host;

pub use connection::Rules;
pub use tls::Certificates;

/// How long to wait after the system has refused to accept: it is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves on `listener` until `closing`; returns when every connection has ended. Dropped, it cuts them.
///
/// tonic's own server is not used: its timer answers CANCELLED for DEADLINE_EXCEEDED, it has neither a
/// clock for handshakes nor a cap on connections, and its grace for old connections kills them.
pub async fn serve(
    listener: TcpListener,
    certificates: Option<&Certificates>,
    service: HttpService,
    rules: Rules,
    pressure: Pressure,
    closing: CancellationToken,
) {
    let caps = Caps::new(rules.max_connections, rules.max_connections_per_address);
    let host = Arc::new(Host::new(service, rules, pressure, closing.clone()));
    let (mut connections, mut refusals) = (JoinSet::new(), Refusals::default());
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
            // Reaps those that have ended.
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client was gone before it was accepted.
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = caps.seat(peer.ip()) else {
            refusals.tell(peer.ip());
            continue;
        };
        let (host, tls) = (Arc::clone(&host), certificates.map(Certificates::current));
        connections.spawn(async move {
            immediate(&stream);
            host.serve(stream, peer.ip(), tls).await;
            drop(seat);
        });
    }
    // Whoever connects now must be refused at once, not left waiting.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Connections that were refused since it was last told.
#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    told: Option<Instant>,
}

impl Refusals {
    /// Tells of a refusal; of many, once a second.
    fn tell(&mut self, address: IpAddr) {
        self.count += 1;
        if self.told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1)) {
            tracing::warn!(client.address = %address, count = self.count, "too many connections: refused");
            *self = Self { count: 0, told: Some(Instant::now()) };
        }
    }
}

/// Small frames go out at once: waiting for the acknowledgement of others costs 40 ms a message.
fn immediate(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
