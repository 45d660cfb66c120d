//! Reload: the configuration read again, on SIGHUP and when its file or the overlay has changed.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::Failure;
use super::Serve;
use crate::config::Settings;

/// How long a changed file must stay as it is before it is read as meant: its writer may not be done.
const SETTLED: Duration = Duration::from_millis(500);

/// What stands in the configuration file, nothing where none is named; and the settings that it makes, with the
/// environment on top and the overlay as it stood then.
#[derive(Clone)]
pub(super) struct Text {
    path: Option<PathBuf>,
    read: Option<Result<String, String>>,
    settings: Result<Settings, String>,
}

impl Text {
    /// Reads the files. The paths are followed anew each time, so that a link to another file is a change.
    pub(super) async fn read(path: Option<&Path>) -> Self {
        let read = match path {
            Some(path) => Some(tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())),
            None => None,
        };
        let text = read.as_ref().map(|read| read.as_deref().map_err(Clone::clone));
        let settings = text.transpose().and_then(Settings::parse).map_err(|mistake| match path {
            Some(path) => format!("{}: {mistake}", path.display()),
            None => mistake,
        });
        Self { path: path.map(Path::to_owned), read, settings }
    }

    /// The settings that it makes.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub(super) fn parsed(&self) -> Result<Settings, String> {
        self.settings.clone()
    }

    async fn again(&self) -> Self {
        Self::read(self.path.as_deref()).await
    }

    /// Whether both files say what they said then: nothing else changes while a service runs.
    fn says(&self, other: &Self) -> bool {
        let overlay = |text: &Self| text.settings.as_ref().ok().and_then(|settings| settings.overlay.clone());
        self.read == other.read && overlay(self) == overlay(other)
    }
}

/// Reads the configuration again and again, and sends on what is whole.
pub(super) struct Reload {
    flags: Serve,
    every: Duration,
    hangups: Signal,
    /// What was last read, and what was last sent on or refused.
    read: Text,
    judged: Text,
    renewed: watch::Sender<Settings>,
}

impl Reload {
    /// Begins with these settings, made of this text; SIGHUP is caught from here on.
    pub(super) fn begin(
        flags: Serve,
        text: Text,
        settings: Settings,
    ) -> Result<(Self, watch::Receiver<Settings>), Failure> {
        let hangups = signal(SignalKind::hangup()).map_err(Failure::run)?;
        let every = settings.reload;
        let (renewed, receiver) = watch::channel(settings);
        Ok((Self { flags, every, hangups, read: text.clone(), judged: text, renewed }, receiver))
    }

    /// Whoever sends SIGHUP is always answered; a changed file is judged once.
    pub(super) async fn run(&mut self) -> Infallible {
        loop {
            let pause = if self.read.says(&self.judged) { self.every } else { self.every.min(SETTLED) };
            let asked = tokio::select! {
                _ = self.hangups.recv() => true,
                () = sleep(pause) => false,
            };
            let read = self.read.again().await;
            let settled = read.says(&self.read);
            self.read = read;
            if asked || (settled && !self.read.says(&self.judged)) {
                self.judge();
            }
        }
    }

    fn judge(&mut self) {
        self.judged = self.read.clone();
        match self.flags.settings(&self.judged) {
            Ok(settings) => {
                self.renewed.send_replace(settings);
            }
            Err(mistake) => {
                tracing::error!(mistake, "the configuration cannot be used; the old one is kept");
            }
        }
    }
}
