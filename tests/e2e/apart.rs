//! A service in a process of its own, whose memory can be seen, on an emulator here; and callers whose luck is
//! noted.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bedrock_inference::app;
use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;

use crate::stage::{NOVA, ask, ask_stream};
use crate::the_command_line_works::process::{Running, program};

pub const MIB: u64 = 1024 * 1024;

/// Far longer than a start takes, also on a busy machine.
const SOON: Duration = Duration::from_secs(30);

pub struct Apart {
    pub emulator: Emulator,
    pub service: Running,
}

impl Apart {
    /// Serves by Converse, with these variables of the environment beside.
    pub async fn open(environment: &[(&str, &str)]) -> Self {
        let command = program(&["serve", "--listen", "127.0.0.1:0"]);
        Self::run(command, &[&[("BEDROCK_INFERENCE_ROUTE", "converse")], environment].concat()).await
    }

    /// Serves what this file says.
    pub async fn configured(file: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = program(&["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(file);
        Self::run(command, environment).await
    }

    async fn run(mut command: Command, environment: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start(EmulatorSettings::default()).await.unwrap();
        command
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "very-secret")
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator.url())
            .envs(environment.iter().copied());
        Self { emulator, service: Running::start(&mut command) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.service.addr
    }

    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        app::wait_until_ready(self.addr(), SOON).await.unwrap()
    }

    /// The resident bytes of the service.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// One unary call, and one stream read to its end.
async fn both(client: &mut InferenceClient<Channel>) -> Result<(), Status> {
    client.converse(ask(NOVA, "hello")).await?;
    let mut stream = client.converse_stream(ask_stream(NOVA, "hello")).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

/// Calls again and again until it is told to stop, on one connection.
pub struct Caller {
    stop: Arc<AtomicBool>,
    luck: Arc<Mutex<Luck>>,
    called: Arc<Notify>,
    task: JoinHandle<()>,
}

/// How pairs of calls went, unary and stream.
#[derive(Default)]
pub struct Luck {
    pub took: Vec<Duration>,
    pub failures: Vec<Status>,
}

impl Luck {
    pub fn p99(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() * 99 / 100]
    }
}

impl Caller {
    pub fn start(channel: Channel) -> Self {
        let (stop, luck) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Luck>>::default());
        let called = Arc::<Notify>::default();
        let (stopped, noted, told) = (Arc::clone(&stop), Arc::clone(&luck), Arc::clone(&called));
        let task = tokio::spawn(async move {
            let mut client = InferenceClient::new(channel);
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                match both(&mut client).await {
                    Ok(()) => noted.lock().unwrap().took.push(began.elapsed()),
                    Err(status) => noted.lock().unwrap().failures.push(status),
                }
                told.notify_one();
            }
        });
        Self { stop, luck, called, task }
    }

    /// How many pairs there were since the luck was last taken, good or bad.
    pub fn count(&self) -> usize {
        let luck = self.luck.lock().unwrap();
        luck.took.len() + luck.failures.len()
    }

    /// Waits for so many, and takes them.
    pub async fn luck_of(&self, pairs: usize) -> Luck {
        while self.count() < pairs {
            self.called.notified().await;
        }
        std::mem::take(&mut self.luck.lock().unwrap())
    }

    /// What has not been taken, once the last pair has ended.
    pub async fn stop(mut self) -> Luck {
        self.stop.store(true, Ordering::Relaxed);
        (&mut self.task).await.unwrap();
        std::mem::take(&mut self.luck.lock().unwrap())
    }
}

/// A caller that outlived its test would fail without a pause, since its connection ends before it: nothing of it
/// would ever yield.
impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
