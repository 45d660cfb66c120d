//! The running emulator: one listener, its connections, and the handle that scripts and observes them.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bill::Bill;
use crate::calls::{CallRecord, Calls, Counts};
use crate::faults::{Fault, Script};
use crate::invocation_log;
use crate::mix::{Mix, MixSetting};
use crate::models::Catalogue;
use crate::pace::{Pace, PaceSetting};
use crate::prices::Prices;
use crate::prompt_cache::PromptCache;
use crate::service;
use crate::signature::RefusedKeys;
use crate::sts::{AssumedRole, Sessions};

/// How long to wait after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// How to start an emulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. Default: `127.0.0.1:0`, a free port.
    pub listen: SocketAddr,
    /// How fast to answer. Default: as fast as possible.
    pub pace: Pace,
    /// The AWS region to pretend to be. Default: `us-east-1`.
    pub region: String,
    /// Whether a call that was signed for another region is refused, as Bedrock does. Default: no; of
    /// [`Regions`](crate::Regions) every one does.
    pub refuses_other_regions: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pace: Pace::default(),
            region: "us-east-1".to_owned(),
            refuses_other_regions: false,
        }
    }
}

/// A running emulator. Dropping it aborts every connection; [`Emulator::shutdown`] lets calls end first.
#[derive(Debug)]
pub struct Emulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    lifetime: Lifetime,
}

/// What every call can reach.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) catalogue: Catalogue,
    pub(crate) prices: Prices,
    pub(crate) pace: PaceSetting,
    pub(crate) script: Script,
    pub(crate) mix: MixSetting,
    pub(crate) calls: Arc<Calls>,
    pub(crate) prompt_cache: PromptCache,
    pub(crate) refused_keys: RefusedKeys,
    pub(crate) sessions: Sessions,
    pub(crate) region: String,
    pub(crate) refuses_other_regions: bool,
    /// Cancelled when the emulator shuts down: calls stalled on purpose end then.
    pub(crate) stopping: CancellationToken,
}

/// The tasks, and the two ways to end them.
#[derive(Clone, Debug)]
struct Lifetime {
    tasks: TaskTracker,
    /// No new connections and requests; calls under way go on.
    stopping: CancellationToken,
    /// Everything ends now.
    aborting: CancellationToken,
}

impl Shared {
    /// Sets the mix for the calls that come from now on.
    pub(crate) fn set_mix(&self, mix: Mix) {
        self.mix.set(mix, self.calls.last_number());
    }

    /// What the calls that have ended cost.
    pub(crate) fn bill(&self) -> Bill {
        Bill::of(&self.calls.charges(), &self.prices)
    }

    /// The calls that have ended as Bedrock logs them.
    pub(crate) fn invocation_logs(&self) -> String {
        invocation_log::lines(&self.calls.charges(), &self.sessions)
    }
}

impl Emulator {
    /// Starts an emulator; the listener is bound when this returns.
    ///
    /// # Errors
    /// When the address cannot be bound, or the embedded catalogue or prices cannot be read.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        Self::on(TcpListener::bind(settings.listen).await?, settings)
    }

    /// Starts an emulator on a listener that is there already.
    pub(crate) fn on(listener: TcpListener, settings: Settings) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let lifetime = Lifetime {
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            aborting: CancellationToken::new(),
        };
        let shared = Arc::new(Shared {
            catalogue: Catalogue::load()?,
            prices: Prices::load()?,
            pace: PaceSetting::new(settings.pace),
            script: Script::default(),
            mix: MixSetting::new(&settings.region),
            calls: Arc::new(Calls::default()),
            prompt_cache: PromptCache::default(),
            refused_keys: RefusedKeys::default(),
            sessions: Sessions::default(),
            region: settings.region,
            refuses_other_regions: settings.refuses_other_regions,
            stopping: lifetime.stopping.clone(),
        });
        lifetime.tasks.spawn(accept(listener, Arc::clone(&shared), lifetime.clone()));
        Ok(Self { addr, shared, lifetime })
    }

    /// The endpoint URL for an SDK, such as `http://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address in use.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Queues a fault for the next call that names none of its own.
    pub fn script(&self, fault: Fault) {
        self.shared.script.push(fault);
    }

    /// Answers calls of an id as those of a base id or a profile id: a model that is newer than this emulator, or
    /// an ARN of one's own account, such as that of an application inference profile.
    pub fn stand_for(&self, id: &str, other: &str) {
        self.shared.catalogue.stand_for(id, other);
    }

    /// Sets the steady mix of faults for the calls that come from now on; `Mix::default()` for none.
    pub fn set_mix(&self, mix: Mix) {
        self.shared.set_mix(mix);
    }

    /// Sets the pace of the calls that start from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.pace.set(pace);
    }

    /// The last calls, oldest first; at most 1,000.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.shared.calls.records()
    }

    /// How many calls started, finished and were aborted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.calls.counts()
    }

    /// What Bedrock would bill for the calls that have ended, of the last 100,000 that it would bill at all.
    ///
    /// It has every answer of a model or a guardrail: those given to their end, those whose client went away
    /// before, and those that a scripted fault spoiled half-way. It does not have CountTokens, which is free,
    /// calls that were refused, and what a fault gave, or kept back, in place of an answer.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.shared.bill()
    }

    /// The bill's calls of models as Bedrock's model invocation log has them, one JSON object a line, without
    /// bodies. Failed ones have an `errorCode` and no `output`.
    #[must_use]
    pub fn invocation_logs(&self) -> String {
        self.shared.invocation_logs()
    }

    /// Forgets all calls and counts, and with them the bill.
    pub fn reset_calls(&self) {
        self.shared.calls.reset();
    }

    /// Waits until the counts satisfy the condition. Returns at once when they already do; set a timeout
    /// around it where the condition may never hold.
    pub async fn wait_for(&self, condition: impl Fn(&Counts) -> bool) {
        self.shared.calls.wait_for(condition).await;
    }

    /// Refuses every call and every AssumeRole that is signed with this access key id, with
    /// `ExpiredTokenException` and `ExpiredToken`, until it is accepted again. A role assumed anew gets the same
    /// id again, so that it stays refused.
    pub fn refuse_key(&self, access_key_id: &str) {
        self.shared.refused_keys.refuse(access_key_id);
    }

    /// Accepts an access key id that was refused.
    pub fn accept_key(&self, access_key_id: &str) {
        self.shared.refused_keys.accept(access_key_id);
    }

    /// Sets the lifetime of the credentials that AssumeRole gives out from now on, 12 hours at most; `None`, as
    /// at the start, for what the request asks for, or 1 hour. SDKs renew credentials before they expire: those
    /// that live a few seconds mean a new AssumeRole for about every call.
    pub fn set_session_lifetime(&self, lifetime: Option<Duration>) {
        self.shared.sessions.set_lifetime(lifetime);
    }

    /// The roles that were assumed, oldest first; at most the last 1,000. AssumeRole is in no other record and
    /// no count.
    #[must_use]
    pub fn assumed_roles(&self) -> Vec<AssumedRole> {
        self.shared.sessions.assumed()
    }

    /// Stops accepting, lets the calls under way end, and returns when all tasks have. Stalled calls are
    /// broken off.
    pub async fn shutdown(self) {
        self.lifetime.stopping.cancel();
        self.lifetime.tasks.close();
        self.lifetime.tasks.wait().await;
    }

    /// Breaks every connection off at once, and returns when the listener is closed and all tasks have ended.
    pub async fn abort(self) {
        self.lifetime.aborting.cancel();
        self.shutdown().await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.lifetime.stopping.cancel();
        self.lifetime.aborting.cancel();
        self.lifetime.tasks.close();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, lifetime: Lifetime) {
    loop {
        let accepted = tokio::select! {
            () = lifetime.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                lifetime.tasks.spawn(serve(stream, Arc::clone(&shared), lifetime.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// Serves one connection, HTTP/1.1 or HTTP/2 with prior knowledge.
async fn serve(stream: TcpStream, shared: Arc<Shared>, lifetime: Lifetime) {
    // Small frames must leave at once, or Nagle and delayed acknowledgements add 40 ms to a token.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| service::handle(Arc::clone(&shared), request));
    let builder = auto::Builder::new(lifetime.clone());
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = lifetime.aborting.cancelled() => return,
        () = lifetime.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection.as_mut() => {}
        () = lifetime.aborting.cancelled() => {}
    }
}

/// HTTP/2 gives every stream a task of its own; these are tracked like the connections.
impl<F> hyper::rt::Executor<F> for Lifetime
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let aborting = self.aborting.clone();
        self.tasks.spawn(async move {
            aborting.run_until_cancelled(future).await;
        });
    }
}
