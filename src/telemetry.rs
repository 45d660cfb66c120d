//! Logs and spans.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
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
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(filter).with_filter(cap());
    // Another subscriber may already be there: a test's, or an earlier call's. Then whoever put it there decides
    // about panics as well: a test that fails says why by its harness's own hook.
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(|panic| panicked(panic, &mut io::stderr())));
    }
    tracing::trace!(filter = settings.filter, "logging starts");
    Ok(())
}

/// Logs where something panicked, and not what it said: a slice out of bounds quotes the text it cuts, which may
/// be a prompt. A filter that turns our lines off does not turn this off: then the place goes to `otherwise`.
fn panicked(panic: &PanicHookInfo<'_>, otherwise: &mut dyn io::Write) {
    let place = panic.location().map(ToString::to_string);
    if !tracing::enabled!(tracing::Level::ERROR) {
        // Nobody is left to hear that this cannot be written.
        let _ = writeln!(otherwise, "panicked at {}", place.as_deref().unwrap_or("an unknown place"));
        return;
    }
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
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing::Level;

    use super::*;

    /// Lines that a subscriber has written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a panic leaves in the log, and beside it.
    fn panic_with(filter: &str) -> (String, String) {
        let (lines, beside) = (Lines::default(), Lines::default());
        let writer = lines.clone();
        let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(EnvFilter::new(filter)));
        let otherwise = beside.clone();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| panicked(panic, &mut otherwise.clone())));
        let caught = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| {
                let prompt = String::from("a secret wörd");
                prompt[..11].len()
            })
        });
        std::panic::set_hook(before);
        let said = caught.err().and_then(|said| said.downcast::<String>().ok()).unwrap_or_default();
        assert!(said.contains("secret"), "the premise: {said}");
        (lines.text(), beside.text())
    }

    /// One test, for the hook is the process's.
    #[test]
    fn a_panic_is_told_with_its_place_and_without_its_words() {
        let (logged, beside) = panic_with("info");
        assert!(logged.contains("panicked") && logged.contains("src/telemetry.rs:"), "{logged}");
        assert!(logged.contains("thread=\"telemetry::tests::a_panic"), "{logged}");
        assert!(!logged.contains("secret"), "{logged}");
        assert_eq!(beside, "");

        for filter in ["off", "info,bedrock_inference=off"] {
            let (logged, beside) = panic_with(filter);
            assert_eq!(logged, "");
            assert!(beside.starts_with("panicked at src/telemetry.rs:"), "{beside}");
            assert!(!beside.contains("secret"), "{beside}");
        }
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
