//! Reload: the configuration read again, on SIGHUP and when its file has changed.

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

/// What stands in the configuration file; nothing where none is named.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    path: Option<PathBuf>,
    read: Option<Result<String, String>>,
}

impl Text {
    /// Reads the file. The path is followed anew each time, so that a link to another file is a change.
    pub(super) async fn read(path: Option<&Path>) -> Self {
        let read = match path {
            Some(path) => Some(tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())),
            None => None,
        };
        Self { path: path.map(Path::to_owned), read }
    }

    /// The settings that it makes, with the environment on top.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub(super) fn parse(&self) -> Result<Settings, String> {
        let text = self.read.as_ref().map(|read| read.as_deref().map_err(Clone::clone));
        text.transpose().and_then(Settings::parse).map_err(|mistake| match &self.path {
            Some(path) => format!("{}: {mistake}", path.display()),
            None => mistake,
        })
    }

    async fn again(&self) -> Self {
        Self::read(self.path.as_deref()).await
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
            let pause = if self.read == self.judged { self.every } else { self.every.min(SETTLED) };
            let asked = tokio::select! {
                _ = self.hangups.recv() => true,
                () = sleep(pause) => false,
            };
            let read = self.read.again().await;
            let settled = read == self.read;
            self.read = read;
            if asked || (settled && self.read != self.judged) {
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
