//! `check`: what would keep the service from starting, without starting it.

use super::serve::start_upstream;
use super::{ConfigFile, Failure, show};
use crate::app;
use crate::catalog::Catalog;
use crate::config::{Settings, TlsSettings};
use crate::edge;
use crate::principal::Authenticator;
use crate::server::Certificates;
use crate::telemetry;

/// Check configuration and credentials without serving.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let settings = Settings::load(self.file.config.as_deref());
        let settings = settings.inspect_err(|error| bad("configuration", error)).map_err(|_| failed(1))?;
        good("configuration", "every key is known");
        let checks = [
            (
                "listener",
                Authenticator::trusting(settings.listen, app::trusted(&settings))
                    .map(|_| format!("{} may be served", settings.listen)),
            ),
            (
                "gRPC-Web",
                edge::web(&settings.server.cors_origins)
                    .map(|_| format!("{} origins", settings.server.cors_origins.len())),
            ),
            ("TLS", tls(&settings.server.tls).await),
            ("models", models(&settings)),
            ("log", telemetry::filter(&settings.log).map(|filter| format!("filter {filter}"))),
            ("upstream", upstream(&settings).await),
        ];
        let mistakes = checks.iter().filter(|(_, result)| result.is_err()).count();
        for (name, result) in &checks {
            match result {
                Ok(found) => good(name, found),
                Err(error) => bad(name, error),
            }
        }
        if mistakes == 0 { Ok(()) } else { Err(failed(mistakes)) }
    }
}

fn models(settings: &Settings) -> Result<String, String> {
    let catalog = Catalog::built_in()?;
    app::known(settings, &catalog)?;
    let own = settings.models.len();
    Ok(format!("{} in the catalogue, {own} with settings of their own", catalog.models().count()))
}

async fn tls(settings: &TlsSettings) -> Result<String, String> {
    let found = match (Certificates::load(settings).await?, &settings.client_ca) {
        (None, _) => "none: the listener speaks plain text",
        (Some(_), None) => "certificate and key fit",
        (Some(_), Some(_)) => "certificate and key fit; clients must show a certificate",
    };
    Ok(found.to_owned())
}

async fn upstream(settings: &Settings) -> Result<String, String> {
    let (started, emulator) = start_upstream(settings).await.map_err(|failure| failure.message)?;
    if let Some(emulator) = emulator {
        emulator.shutdown().await;
        return Ok("the emulator starts".to_owned());
    }
    match started.credentials.check().await {
        Ok(()) => Ok(format!("region {}, credentials found", started.region)),
        Err(Some(error)) => Err(error.to_string()),
        Err(None) => Err("a credentials provider is configured but cannot be reached now".to_owned()),
    }
}

fn failed(mistakes: usize) -> Failure {
    Failure::usage(format!("{mistakes} of the checks failed"))
}

fn good(name: &str, found: &str) {
    show::line(format!("{} {name}: {found}", show::styled("ok    ", show::Style::Green)));
}

fn bad(name: &str, error: &str) {
    show::line(format!("{} {name}: {error}", show::styled("failed", show::Style::Red)));
}
