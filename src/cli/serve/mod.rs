//! `serve`: the service, until it is told to stop.

mod reload;
mod voice;

use std::net::SocketAddr;

use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{ConfigFile, Failure, Interrupts};
use crate::app::{self, AppError, Orders};
use crate::config::{Settings, UpstreamKind};
use crate::principal::Authenticator;
use crate::server::Certificates;
use crate::telemetry;
use crate::upstream::{self, Started};

use reload::{Reload, Text};
use voice::Voice;

/// Serve the API.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Address to listen on [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Which Bedrock to call [default: aws]
    #[arg(long, value_enum)]
    upstream: Option<UpstreamKind>,
    /// AWS region to call
    #[arg(long)]
    region: Option<String>,
    /// Let everyone in who reaches the listener
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let text = Text::read(self.file.config.as_deref()).await;
        let settings = self.settings(&text).map_err(Failure::usage)?;
        telemetry::start(&settings.log).map_err(Failure::usage)?;
        let voice = Voice::of(settings.log.format);
        serve(self, text, settings, voice).await.map_err(|failure| voice.failed(failure))
    }

    /// The settings that this text makes, with the flags on top.
    fn settings(&self, text: &Text) -> Result<Settings, String> {
        let mut settings = text.parsed()?;
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.upstream = self.upstream.unwrap_or(settings.upstream);
        settings.aws.region = self.region.clone().or(settings.aws.region);
        settings.insecure |= self.insecure;
        Ok(settings)
    }
}

/// Serves until a signal comes.
async fn serve(flags: Serve, text: Text, settings: Settings, voice: Voice) -> Result<(), Failure> {
    let (started, emulator) = start_upstream(&settings).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", settings.listen)))?;
    let addr = listener.local_addr().map_err(Failure::run)?;
    // Nothing is announced that would not be kept.
    Authenticator::new(&settings, addr).map_err(Failure::usage)?;
    Certificates::load(&settings.server.tls).await.map_err(Failure::usage)?;
    app::catalog(&settings, &app::home(&settings, &started.region)).map_err(Failure::usage)?;
    if let Err(Some(error)) = started.credentials.check().await {
        return Err(Failure::usage(error));
    }
    // Caught before the greeting, which tells others that they may send one.
    let interrupts = Interrupts::caught()?;
    let (mut reload, renewed) = Reload::begin(flags, text, settings.clone())?;
    voice.greet(addr, &settings, &started.region, emulator.as_ref());
    let (shutdown, at_once) = (CancellationToken::new(), CancellationToken::new());
    let orders = Orders { settings: renewed, shutdown: shutdown.clone(), at_once: at_once.clone() };
    let served = tokio::select! {
        served = app::run(orders, started, listener) => served,
        () = stopped(interrupts, &shutdown, &at_once, voice) => Ok(()),
        never = reload.run() => match never {},
    };
    if let Some(emulator) = emulator {
        emulator.shutdown().await;
    }
    served.map_err(|error| match error {
        AppError::Listener(_) => Failure::run(error),
        AppError::Start(_) | AppError::Config(_) => Failure::usage(error),
    })
}

/// Finds Bedrock, or starts the emulator that stands in for it.
pub(super) async fn start_upstream(settings: &Settings) -> Result<(Started, Option<Emulator>), Failure> {
    match settings.upstream {
        UpstreamKind::Aws => {
            let started = upstream::start(&settings.aws, &settings.timeouts).await;
            Ok((started.map_err(Failure::usage)?, None))
        }
        UpstreamKind::Emulator => {
            let emulator = Emulator::start(EmulatorSettings::default()).await.map_err(Failure::run)?;
            let started = upstream::start_on_emulator(&emulator.url(), &settings.aws, &settings.timeouts);
            Ok((started.map_err(Failure::usage)?, Some(emulator)))
        }
    }
}

/// The first signal asks the service to stop, the second to give up what still runs; resolves on a third.
async fn stopped(
    mut interrupts: Interrupts,
    shutdown: &CancellationToken,
    at_once: &CancellationToken,
    voice: Voice,
) {
    interrupts.next().await;
    voice.note("stopping: running calls may end; interrupt again to stop at once");
    shutdown.cancel();
    interrupts.next().await;
    at_once.cancel();
    interrupts.next().await;
}
