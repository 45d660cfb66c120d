//! Logs and spans.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::thread;

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
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
    tracing::trace!(filter = settings.filter, "logging starts");
    Ok(())
}

/// Logs where something panicked, and not what it said: a slice out of bounds quotes the text it cuts, which may
/// be a prompt.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = matches!(backtrace.status(), BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = thread::current();
    tracing::error!(place, thread = thread.name(), backtrace, "panicked");
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
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing::Level;

    use super::*;

    /// Lines that a subscriber has written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_its_words() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(panicked));
        let caught = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| {
                let prompt = String::from("a secret wörd");
                prompt[..11].len()
            })
        });
        std::panic::set_hook(before);
        let said = caught.err().and_then(|said| said.downcast::<String>().ok()).unwrap_or_default();
        assert!(said.contains("secret"), "the premise: {said}");
        let logged = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let logged = String::from_utf8_lossy(&logged);
        assert!(logged.contains("panicked") && logged.contains("src/telemetry.rs:"), "{logged}");
        assert!(logged.contains("thread=\"telemetry::tests::a_panic"), "{logged}");
        assert!(!logged.contains("secret"), "{logged}");
    }

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
