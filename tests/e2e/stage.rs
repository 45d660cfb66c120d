//! The stage of every test: an emulator, the service in front of it, and a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bedrock_inference::app::{self, AppError, Orders};
use bedrock_inference::config::{RouteSetting, Settings, UpstreamKind};
use bedrock_inference::error::{DOMAIN, MAX_DETAILS, Reason};
use bedrock_inference::upstream::{self, Bedrock};
use bedrock_inference_emulator::{Emulator, Fault, Settings as EmulatorSettings};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::models_client::ModelsClient;
use bedrock_inference_proto::v1::{
    CallReport, ContentBlock, ConverseRequest, ConverseStreamRequest, ConverseStreamResponse, Message,
    content_block, converse_stream_response::Event,
};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status, Streaming};
use tonic_types::{ErrorInfo, StatusExt};

pub const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
pub const NOVA: &str = "amazon.nova-lite-v1:0";

/// The HTTP client under [`Stage::clockless`].
pub type Clockless = hyper_util::client::legacy::Client<HttpConnector, tonic::body::Body>;

/// An emulator and the service in front of it.
pub struct Stage {
    pub emulator: Emulator,
    pub addr: SocketAddr,
    pub channel: Channel,
    /// New settings for the running service.
    pub settings: watch::Sender<Settings>,
    pub shutdown: CancellationToken,
    pub at_once: CancellationToken,
    pub service: JoinHandle<Result<(), AppError>>,
}

impl Stage {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// Every conversation goes by Converse: for what is said of Converse's own bodies and frames.
    pub async fn by_converse() -> Self {
        Self::open_with(|settings| settings.route = RouteSetting::Converse).await
    }

    /// Nobody listens where Bedrock should be.
    pub async fn with_upstream_gone() -> Self {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        Self::in_front_of(&format!("http://{closed}")).await
    }

    /// Something else stands where Bedrock should be.
    pub async fn in_front_of(url: &str) -> Self {
        Self::on(url, |_| {}, |bedrock| bedrock).await
    }

    /// The emulator with something around it.
    pub async fn over(around: impl FnOnce(Arc<dyn Bedrock>) -> Arc<dyn Bedrock>) -> Self {
        Self::on("", |_| {}, around).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on("", change, |bedrock| bedrock).await
    }

    /// The service asks for TLS; `channel` is not connected, and nobody waits until the service is ready.
    pub async fn behind_tls(change: impl FnOnce(&mut Settings)) -> Self {
        let raised = Raised::on("", change, |bedrock| bedrock).await;
        let channel = Endpoint::from_shared(format!("http://{}", raised.addr)).unwrap().connect_lazy();
        raised.with(channel)
    }

    /// Why the service does not start.
    pub async fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let service = Raised::on("", change, |bedrock| bedrock).await.service;
        let ended = timeout(Duration::from_secs(10), service).await.expect("it has started");
        ended.unwrap().unwrap_err().to_string()
    }

    /// On the upstream at this URL, or on the emulator where it is empty.
    pub async fn on(
        url: &str,
        change: impl FnOnce(&mut Settings),
        around: impl FnOnce(Arc<dyn Bedrock>) -> Arc<dyn Bedrock>,
    ) -> Self {
        let raised = Raised::on(url, change, around).await;
        let channel = app::wait_until_ready(raised.addr, Duration::from_secs(10)).await.unwrap();
        raised.with(channel)
    }

    pub fn inference(&self) -> InferenceClient<Channel> {
        InferenceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// A client without clocks of its own: what it hears of deadlines, the service said.
    pub fn clockless(&self) -> InferenceClient<Clockless> {
        let http =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        InferenceClient::with_origin(http, format!("http://{}", self.addr).parse().unwrap())
    }

    pub fn models(&self) -> ModelsClient<Channel> {
        ModelsClient::new(self.channel.clone())
    }

    /// Every message of a stream, and how it ended.
    pub async fn stream(&self, request: ConverseStreamRequest) -> Ending {
        let mut stream = match self.inference().converse_stream(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Ending { events: Vec::new(), opened: false, status },
        };
        let mut events = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(ConverseStreamResponse { event })) => events.push(event.unwrap()),
                Ok(None) => return Ending { events, opened: true, status: Status::ok("") },
                Err(status) => return Ending { events, opened: true, status },
            }
        }
    }
}

/// A stage that nobody has connected to.
struct Raised {
    emulator: Emulator,
    addr: SocketAddr,
    settings: watch::Sender<Settings>,
    shutdown: CancellationToken,
    at_once: CancellationToken,
    service: JoinHandle<Result<(), AppError>>,
}

impl Raised {
    fn with(self, channel: Channel) -> Stage {
        let Self { emulator, addr, settings, shutdown, at_once, service } = self;
        Stage { emulator, addr, channel, settings, shutdown, at_once, service }
    }

    async fn on(
        url: &str,
        change: impl FnOnce(&mut Settings),
        around: impl FnOnce(Arc<dyn Bedrock>) -> Arc<dyn Bedrock>,
    ) -> Self {
        let emulator = Emulator::start(EmulatorSettings::default()).await.unwrap();
        let url = if url.is_empty() { emulator.url() } else { url.to_owned() };
        let mut settings = Settings { upstream: UpstreamKind::Emulator, ..Settings::default() };
        // A scripted fault is for one attempt, and shall be seen.
        settings.retry.attempts = 1;
        // And for no other call.
        settings.breaker.open = Duration::ZERO;
        change(&mut settings);
        let mut started = upstream::start_on_emulator(&url, &settings.aws, &settings.timeouts).unwrap();
        started.bedrock = around(started.bedrock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (settings, wanted) = watch::channel(settings);
        let at_once = CancellationToken::new();
        let orders = Orders { settings: wanted, shutdown: shutdown.clone(), at_once: at_once.clone() };
        let service = tokio::spawn(app::run(orders, started, listener));
        Self { emulator, addr, settings, shutdown, at_once, service }
    }
}

/// How a stream fails that must not end well.
pub async fn failure<M>(response: Response<Streaming<M>>, what: &str) -> Status {
    let mut stream = response.into_inner();
    loop {
        match stream.message().await {
            Ok(message) => assert!(message.is_some(), "{what}: ended OK"),
            Err(status) => return status,
        }
    }
}

/// A whole answer of so many bytes.
pub fn answer_of(bytes: usize) -> Fault {
    Fault::Reply(json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "x".repeat(bytes)}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1}
    }))
}

/// How a stream ended.
pub struct Ending {
    pub events: Vec<Event>,
    /// Whether headers came before the status.
    pub opened: bool,
    pub status: Status,
}

impl Ending {
    pub fn code(&self) -> Code {
        self.status.code()
    }

    pub fn reports(&self) -> Vec<&CallReport> {
        let mut reports = Vec::new();
        for event in &self.events {
            if let Event::Call(report) = event {
                reports.push(report);
            }
        }
        reports
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(name).collect()
    }
}

pub fn name(event: &Event) -> &'static str {
    match event {
        Event::MessageStart(_) => "messageStart",
        Event::ContentBlockStart(_) => "contentBlockStart",
        Event::ContentBlockDelta(_) => "contentBlockDelta",
        Event::ContentBlockStop(_) => "contentBlockStop",
        Event::MessageStop(_) => "messageStop",
        Event::Metadata(_) => "metadata",
        Event::Call(_) => "call",
    }
}

/// The reason of a status: `ErrorInfo.reason`. Every status must be typed, and small enough for any proxy.
pub fn reason(status: &Status) -> String {
    let info = error_info(status);
    assert_eq!(info.domain, DOMAIN);
    let known =
        Reason::ALL.iter().any(|reason| [false, true].map(|late| reason.name(late)).contains(&info.reason));
    assert!(known, "{} is no reason", info.reason);
    for key in ["model", "region", "upstream_code", "upstream_request_id", "attempts", "retryable", "billed"]
    {
        assert!(info.metadata.contains_key(key), "{} without {key}: {info:?}", info.reason);
    }
    assert!(status.details().len() <= MAX_DETAILS, "{}: {} bytes", info.reason, status.details().len());
    let request = status.get_error_details().request_info().map(|info| info.request_id.clone());
    assert!(request.is_some_and(|id| !id.is_empty()), "{} without a request id", info.reason);
    info.reason
}

/// What `ErrorInfo.metadata` says under this key; empty where it is not there.
pub fn told(status: &Status, key: &str) -> String {
    error_info(status).metadata.get(key).cloned().unwrap_or_default()
}

fn error_info(status: &Status) -> ErrorInfo {
    let details = status.get_error_details();
    details.error_info().cloned().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"))
}

/// The call report among a status's details.
pub fn report(status: &Status) -> CallReport {
    use prost::Message as _;
    let full = tonic_types::pb::Status::decode(status.details()).unwrap();
    let detail = full.details.iter().find(|any| any.type_url.ends_with("bedrock.inference.v1.CallReport"));
    CallReport::decode(detail.expect("no CallReport among the details").value.as_slice()).unwrap()
}

pub fn user(text: &str) -> Message {
    let content = vec![ContentBlock { kind: Some(content_block::Kind::Text(text.to_owned())) }];
    Message { role: Some("user".to_owned()), content }
}

pub fn ask(model: &str, text: &str) -> ConverseRequest {
    ConverseRequest {
        model_id: Some(model.to_owned()),
        messages: vec![user(text)],
        ..ConverseRequest::default()
    }
}

pub fn ask_stream(model: &str, text: &str) -> ConverseStreamRequest {
    ConverseStreamRequest {
        model_id: Some(model.to_owned()),
        messages: vec![user(text)],
        ..ConverseStreamRequest::default()
    }
}
