//! `demo`: an emulator, a service, and calls of eight kinds through a real gRPC client.

mod native;
mod scenes;

use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Pace, Settings as EmulatorSettings};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::{Failure, program, show};
use crate::app::{self, Orders};
use crate::config::{LogSettings, Settings, UpstreamKind};
use crate::{telemetry, upstream};

/// Start an emulator and a service, and make calls of eight kinds.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Answer as fast as possible instead of at a readable pace
    #[arg(long)]
    fast: bool,
}

/// How long the service may take to be ready.
const START: Duration = Duration::from_secs(10);

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut settings = Settings { upstream: UpstreamKind::Emulator, ..Settings::default() };
        settings.log = LogSettings { filter: "warn".to_owned(), ..LogSettings::default() };
        telemetry::start(&settings.log).map_err(Failure::usage)?;

        let pace = match self.fast {
            true => Pace::default(),
            false => Pace { first_token: Duration::from_millis(150), tokens_per_second: Some(80.0) },
        };
        let emulator = Emulator::start(EmulatorSettings { pace, ..EmulatorSettings::default() });
        let emulator = emulator.await.map_err(Failure::run)?;
        let started = upstream::start_on_emulator(&emulator.url(), &settings.aws, &settings.timeouts);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::run)?;
        let addr = listener.local_addr().map_err(Failure::run)?;
        show::line(format!("emulator  {}  (its answers are made up)", emulator.url()));
        show::line(format!("service   http://{addr}"));

        let shutdown = CancellationToken::new();
        let orders = Orders::fixed(settings, shutdown.clone());
        let started = started.map_err(Failure::usage)?;
        let service = tokio::join!(app::run(orders, started, listener), async {
            let played = match app::wait_until_ready(addr, START).await {
                Ok(channel) => play(channel, &emulator).await,
                Err(error) => Err(Failure::run(error)),
            };
            shutdown.cancel();
            played
        });
        emulator.shutdown().await;
        service.0.map_err(Failure::run)?;
        service.1?;
        let program = program();
        show::line(format!(
            "\nEvery call worked. Next: `{program} serve --upstream emulator`, and from another terminal\n\
             `{program} ask amazon.nova-lite-v1:0 'What is gRPC?'`."
        ));
        Ok(())
    }
}

async fn play(channel: Channel, emulator: &Emulator) -> Result<(), Failure> {
    let client = InferenceClient::new(channel);
    scenes::unary(client.clone()).await?;
    scenes::stream(client.clone()).await?;
    scenes::tool_round_trip(client.clone()).await?;
    scenes::image(client.clone()).await?;
    scenes::guardrail(client.clone()).await?;
    native::body(client.clone()).await?;
    native::count(client.clone()).await?;
    scenes::alias(client, emulator).await
}
