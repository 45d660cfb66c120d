//! What the gateway adds to a call: p50 and CPU beside a direct SDK client, against a zero-latency emulator.
//!
//! `cargo bench --bench overhead`. Emulator and gateway run as processes of their own, so that their CPU time
//! can be told apart; direct and gateway rounds alternate, so that a drifting machine hits both alike. The
//! figures are ratios to read side by side, not promises.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench is a script"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_bedrockruntime::types::{ContentBlock as SdkBlock, ConversationRole, Message as SdkMessage};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseRequest, ConverseStreamRequest, Message, content_block,
};
use hdrhistogram::Histogram;
use tonic::transport::{Channel, Endpoint};

const MODEL: &str = "amazon.nova-lite-v1:0";
const PROMPT: &str = "Write a haiku about a gateway.";
const ROUNDS: usize = 10;
const CALLS_A_ROUND: usize = 300;

/// A process of ours, killed at the end.
struct Process(Child);

impl Process {
    /// Starts the program and reads its address from the first line of standard error that names one.
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bedrock-inference"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("127.0.0.1:"))).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let (_, port) = line.split_once("127.0.0.1:").unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        (Self(child), format!("http://127.0.0.1:{port}"))
    }

    fn cpu(&self) -> Duration {
        cpu(&self.0.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// User and system time of a process so far. The kernel counts hundredths of a second.
fn cpu(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// One way of making a call.
#[derive(Clone)]
enum Caller {
    Direct(Client),
    Gateway(InferenceClient<Channel>),
}

impl Caller {
    async fn unary(&mut self) {
        match self {
            Self::Direct(client) => {
                client.converse().model_id(MODEL).messages(sdk_message()).send().await.unwrap();
            }
            Self::Gateway(client) => {
                let request = ConverseRequest {
                    model_id: Some(MODEL.to_owned()),
                    messages: vec![message()],
                    ..ConverseRequest::default()
                };
                client.converse(request).await.unwrap();
            }
        }
    }

    async fn stream(&mut self) {
        match self {
            Self::Direct(client) => {
                let call = client.converse_stream().model_id(MODEL).messages(sdk_message());
                let mut reply = call.send().await.unwrap();
                while reply.stream.recv().await.unwrap().is_some() {}
            }
            Self::Gateway(client) => {
                let request = ConverseStreamRequest {
                    model_id: Some(MODEL.to_owned()),
                    messages: vec![message()],
                    ..ConverseStreamRequest::default()
                };
                let mut reply = client.converse_stream(request).await.unwrap().into_inner();
                while reply.message().await.unwrap().is_some() {}
            }
        }
    }
}

fn sdk_message() -> SdkMessage {
    let block = SdkBlock::Text(PROMPT.to_owned());
    SdkMessage::builder().role(ConversationRole::User).content(block).build().unwrap()
}

fn message() -> Message {
    let content = vec![ContentBlock { kind: Some(content_block::Kind::Text(PROMPT.to_owned())) }];
    Message { role: Some("user".to_owned()), content }
}

/// What one way cost.
struct Figures {
    latency: Histogram<u64>,
    client_cpu: Duration,
    gateway_cpu: Duration,
    calls: u32,
}

impl Figures {
    fn new() -> Self {
        let latency = Histogram::new(3).unwrap();
        Self { latency, client_cpu: Duration::ZERO, gateway_cpu: Duration::ZERO, calls: 0 }
    }

    fn print(&self, name: &str) {
        let quantile = |q| self.latency.value_at_quantile(q);
        println!(
            "{name:<28} p50 {:>6} us   p99 {:>6} us   CPU a call: client {:>6.0?}, gateway {:>6.0?}",
            quantile(0.5),
            quantile(0.99),
            self.client_cpu / self.calls,
            self.gateway_cpu / self.calls,
        );
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Unary,
    Stream,
}

/// One round: `CALLS_A_ROUND` calls over `workers` at a time.
async fn round(caller: &Caller, mode: Mode, workers: usize, gateway: &Process, figures: &mut Figures) {
    let (client_before, gateway_before) = (cpu("self"), gateway.cpu());
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let mut caller = caller.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..CALLS_A_ROUND / workers {
                    let began = Instant::now();
                    match mode {
                        Mode::Unary => caller.unary().await,
                        Mode::Stream => caller.stream().await,
                    }
                    taken.push(began.elapsed());
                }
                taken
            })
        })
        .collect();
    for task in tasks {
        for taken in task.await.unwrap() {
            figures.latency.record(u64::try_from(taken.as_micros()).unwrap()).unwrap();
            figures.calls += 1;
        }
    }
    figures.client_cpu += cpu("self") - client_before;
    figures.gateway_cpu += gateway.cpu() - gateway_before;
}

async fn compare(name: &str, mode: Mode, workers: usize, callers: &[Caller; 2], gateway: &Process) {
    let [direct, through] = callers;
    let (mut warm, mut alone, mut with) = (Figures::new(), Figures::new(), Figures::new());
    round(direct, mode, workers, gateway, &mut warm).await;
    round(through, mode, workers, gateway, &mut warm).await;
    for _ in 0..ROUNDS {
        round(direct, mode, workers, gateway, &mut alone).await;
        round(through, mode, workers, gateway, &mut with).await;
    }
    alone.print(&format!("{name}, direct SDK"));
    with.print(&format!("{name}, gateway"));
    let [a, w] = [&alone, &with].map(|figures| figures.latency.value_at_quantile(0.5));
    println!("{:<28} p50 +{} us", "", w.saturating_sub(a));
}

#[tokio::main]
async fn main() {
    let (_emulator, emulator_url) = Process::start(&["emulator", "--listen", "127.0.0.1:0"], &[]);
    let environment = [
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator_url.as_str()),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_REGION", "us-east-1"),
        ("BEDROCK_INFERENCE_LOG__FILTER", "warn"),
    ];
    let (gateway, gateway_url) = Process::start(&["serve", "--listen", "127.0.0.1:0"], &environment);

    let config = aws_sdk_bedrockruntime::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(&emulator_url)
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .build();
    let channel = Endpoint::from_shared(gateway_url).unwrap().tcp_nodelay(true).connect().await.unwrap();
    let callers = [Caller::Direct(Client::from_conf(config)), Caller::Gateway(InferenceClient::new(channel))];
    println!("{} calls each, alternating rounds of {CALLS_A_ROUND}", ROUNDS * CALLS_A_ROUND);
    for (name, mode) in [("Converse", Mode::Unary), ("ConverseStream", Mode::Stream)] {
        for workers in [1, 10] {
            compare(&format!("{name} x{workers}"), mode, workers, &callers, &gateway).await;
        }
    }
}
