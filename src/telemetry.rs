//! Logs and spans.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, LogSettings};

/// Crates that print prompts and answers at DEBUG or TRACE; they never get below INFO, whatever the filter
/// says.
const TALKATIVE: [&str; 12] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_bedrockruntime",
    "aws_sigv4",
    "aws_smithy_eventstream",
    "aws_smithy_http",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "h2",
    "hyper",
    "hyper_util",
    "tonic",
];

/// Starts logging to standard error. A second call does nothing.
///
/// # Errors
/// The filter is not of the form `info,bedrock_inference=debug`.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = filter(settings)?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(filter).with_filter(cap());
    // Another subscriber is already there: a test's, or an earlier call's.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}

/// The filter that the settings ask for.
///
/// # Errors
/// It is not of the form `info,bedrock_inference=debug`.
pub fn filter(settings: &LogSettings) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&settings.filter)
        .map_err(|error| format!("log.filter = {:?}: {error}", settings.filter))
}

fn cap() -> Targets {
    let capped = TALKATIVE.map(|name| (name, LevelFilter::INFO));
    Targets::new().with_default(LevelFilter::TRACE).with_targets(capped)
}
