//! `check`: what would keep the service from starting, without starting it.

use super::serve::start_upstream;
use super::{ConfigFile, Failure, show};
use crate::app;
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
        let (upstream, region) = upstream(&settings).await;
        let authenticator = Authenticator::new(&settings, settings.listen);
        let issuers = match &authenticator {
            Ok(authenticator) => authenticator.check_keys().await,
            Err(_) => Ok("not asked, since the listener may not be served".to_owned()),
        };
        let checks = [
            ("listener", authenticator.map(|_| format!("{} may be served", settings.listen))),
            ("issuers", issuers),
            (
                "gRPC-Web",
                edge::web(&settings.server.cors_origins)
                    .map(|_| format!("{} origins", settings.server.cors_origins.len())),
            ),
            ("TLS", tls(&settings.server.tls).await),
            ("models", models(&settings, &region)),
            ("log", telemetry::filter(&settings.log).map(|filter| format!("filter {filter}"))),
            ("upstream", upstream),
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

/// The catalogue as it is seen from this region.
fn models(settings: &Settings, region: &str) -> Result<String, String> {
    let catalog = app::catalog(settings, &app::home(settings, region))?;
    let (models, aliases) = (catalog.models().count(), catalog.aliases().count());
    let own = settings.models.len();
    let overlay = settings.overlay.as_ref().map(|overlay| {
        let arns = catalog.arns().count();
        format!(", {} taken, {arns} ARNs", overlay.path().display())
    });
    let overlay = overlay.unwrap_or_default();
    Ok(format!("{models} in the catalogue, {own} with settings of their own, {aliases} aliases{overlay}"))
}

async fn tls(settings: &TlsSettings) -> Result<String, String> {
    let found = match (Certificates::load(settings).await?, &settings.client_ca) {
        (None, _) => "none: the listener speaks plain text",
        (Some(_), None) => "certificate and key fit",
        (Some(_), Some(_)) => "certificate and key fit; clients must show a certificate",
    };
    Ok(found.to_owned())
}

/// Whether Bedrock can be called, and the home region: where none is found, one from which the rest can be checked.
async fn upstream(settings: &Settings) -> (Result<String, String>, String) {
    let (started, emulator) = match start_upstream(settings).await {
        Ok(started) => started,
        Err(failure) => return (Err(failure.message), "us-east-1".to_owned()),
    };
    let found = match (emulator, started.credentials.check().await) {
        (Some(emulator), _) => {
            emulator.shutdown().await;
            Ok("the emulator starts".to_owned())
        }
        (None, Ok(())) => Ok(format!("region {}, credentials found", started.region)),
        (None, Err(Some(error))) => Err(error.to_string()),
        (None, Err(None)) => Err("a credentials provider is configured but cannot be reached now".to_owned()),
    };
    (found, started.region)
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
