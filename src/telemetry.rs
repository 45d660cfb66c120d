//! Logs and spans.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, LogSettings};

/// What the targets of our own crates begin with. They print no content at any level.
const OURS: &str = "bedrock_inference";

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
    tracing::trace!(filter = settings.filter, "logging starts");
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

/// Other crates never get below INFO, whatever the filter says: at DEBUG and TRACE the AWS SDK prints requests,
/// replies and what it signs, h2 prints headers, rustls prints handshakes.
fn cap() -> Targets {
    Targets::new().with_default(LevelFilter::INFO).with_target(OURS, LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn only_our_own_crates_go_below_info() {
        let cap = cap();
        for target in ["bedrock_inference", "bedrock_inference::grpc::ending", "bedrock_inference_adapters"] {
            assert!(cap.would_enable(target, &Level::TRACE), "{target}");
        }
        for target in
            ["aws_smithy_runtime::client::orchestrator", "aws_sdk_sts", "h2", "rustls", "log", "a_new_one"]
        {
            assert!(cap.would_enable(target, &Level::INFO), "{target}");
            assert!(!cap.would_enable(target, &Level::DEBUG), "{target}");
        }
    }
}
