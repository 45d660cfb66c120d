//! `emulator`: Bedrock on this machine, for any AWS SDK.

use std::net::SocketAddr;
use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Pace, Settings};

use super::{Failure, Interrupts, show};

/// Run the Bedrock emulator alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Point any AWS SDK at it:\n  \
    export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4570\n  \
    export AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator\n  \
    export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1")]
pub(super) struct Emulate {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4570")]
    listen: SocketAddr,
    /// Time to the first token, such as 300ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Tokens a second after the first; unlimited where unset
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
}

impl Emulate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(Failure::usage("--rate must be above 0"));
        }
        let pace = Pace { first_token: self.latency, tokens_per_second: self.rate };
        let settings = Settings { listen: self.listen, pace, ..Settings::default() };
        let mut interrupts = Interrupts::caught()?;
        let emulator = Emulator::start(settings)
            .await
            .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", self.listen)))?;
        show::note(format!("the Bedrock emulator listens on {}; its answers are made up", emulator.url()));
        interrupts.next().await;
        emulator.shutdown().await;
        Ok(())
    }
}
