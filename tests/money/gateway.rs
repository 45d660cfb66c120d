//! The service as a process of its own, in front of the emulator of the test.

use std::path::Path;
use std::time::{Duration, Instant};

use bedrock_inference::app;
use bedrock_inference_emulator::Emulator;
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use tonic::transport::Channel;

use crate::process::{Running, program};

/// Far longer than a start takes.
const SOON: Duration = Duration::from_secs(30);

/// One process.
pub struct Gateway {
    pub service: Running,
    /// From its start until it served.
    pub started_in: Duration,
    channel: Channel,
}

impl Gateway {
    /// One that serves what this file says.
    pub async fn start(emulator: &Emulator, file: &Path) -> Self {
        let mut command = program(&["serve", "--listen", "127.0.0.1:0", "--config"]);
        command
            .arg(file)
            .env_remove("BEDROCK_INFERENCE_LEDGER__URL")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "very-secret")
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator.url());
        let began = Instant::now();
        let service = Running::start(&mut command);
        let channel = app::wait_until_ready(service.addr, SOON).await.unwrap();
        Self { service, started_in: began.elapsed(), channel }
    }

    pub fn client(&self) -> InferenceClient<Channel> {
        InferenceClient::new(self.channel.clone())
    }

    /// A client over a connection of its own.
    pub async fn new_client(&self) -> InferenceClient<Channel> {
        InferenceClient::new(app::wait_until_ready(self.service.addr, SOON).await.unwrap())
    }
}
