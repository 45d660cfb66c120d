//! The command line: one file a command.

mod ask;
mod check;
mod demo;
mod emulator;
mod keys;
mod ledger;
mod models;
mod serve;
mod show;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A gRPC gateway to Amazon Bedrock.
#[derive(Debug, Parser)]
#[command(
    name = "bedrock-inference",
    version,
    about,
    after_help = "Examples:\n  \
        bedrock-inference demo                          see it work, without an AWS account\n  \
        bedrock-inference serve --upstream emulator     serve made-up answers on 127.0.0.1:50051\n  \
        bedrock-inference serve                         serve Amazon Bedrock with the AWS credentials at hand\n  \
        bedrock-inference ask amazon.nova-pro-v1:0 'What is gRPC?'\n  \
        bedrock-inference check --config gateway.toml   say what is wrong with a configuration"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API.
    Serve(serve::Serve),
    /// Start an emulator and a service, and make calls of eight kinds.
    Demo(demo::Demo),
    /// Ask a model through a running service, and stream its answer.
    Ask(ask::Ask),
    /// List the models that can be called.
    Models(models::Models),
    /// Check configuration and credentials without serving.
    Check(check::Check),
    /// Make API keys for tenants.
    Keys(keys::Keys),
    /// Tell what a tenant's calls have used and cost.
    Usage(usage::Usage),
    /// Work on the ledger's database itself.
    Ledger(ledger::LedgerWork),
    /// Run the Bedrock emulator alone.
    Emulator(emulator::Emulate),
}

/// Where the configuration file is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command failed: the message for the terminal, and the exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
    /// Whether the message has been logged, and is not to be told again.
    logged: bool,
}

impl Failure {
    /// The operator must change something before another try can succeed.
    fn usage(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: 2, logged: false }
    }

    /// It went wrong this time.
    fn run(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: 1, logged: false }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit(Err(Failure::run(error))),
    };
    let result = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Ask(ask) => ask.run().await,
            Command::Models(models) => models.run(),
            Command::Check(check) => check.run().await,
            Command::Keys(keys) => keys.run(),
            Command::Usage(usage) => usage.run().await,
            Command::Ledger(work) => work.run().await,
            Command::Emulator(emulate) => emulate.run().await,
        }
    });
    exit(result)
}

/// A time of an argument: a day of UTC, or RFC 3339.
fn time(text: &str) -> Result<SystemTime, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339(&whole)
        .map_err(|_| "a day such as 2026-11-01, or 2026-11-01T00:00:00Z, is accepted".to_owned())
}

/// This program as it was started, for commands that are to be copied.
fn program() -> String {
    let started = std::env::args_os().next().filter(|name| !name.is_empty());
    let name =
        started.map_or_else(|| env!("CARGO_PKG_NAME").into(), |name| name.to_string_lossy().into_owned());
    if name.contains(' ') { format!("'{name}'") } else { name }
}

fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.logged {
                show::error(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// SIGINT and SIGTERM, caught from the moment this is made.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn caught() -> Result<Self, Failure> {
        let caught = |kind| signal(kind).map_err(Failure::run);
        Ok(Self { interrupt: caught(SignalKind::interrupt())?, terminate: caught(SignalKind::terminate())? })
    }

    /// Resolves on the next of them.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
