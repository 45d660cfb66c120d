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
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
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

fn cap() -> Targets {
    let capped = TALKATIVE.map(|name| (name, LevelFilter::INFO));
    Targets::new().with_default(LevelFilter::TRACE).with_targets(capped)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

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
}
