//! What `serve` says of itself: lines for people, or log lines where those are JSON.

use std::net::SocketAddr;

use bedrock_inference_emulator::Emulator;

use super::super::{Failure, program, show};
use crate::config::{LogFormat, Settings, TlsSettings};

/// How the service speaks. With JSON nothing else stands on standard error once logging has started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice(LogFormat);

impl Voice {
    /// The voice that goes with this format of log lines.
    pub(super) fn of(format: LogFormat) -> Self {
        Self(format)
    }

    /// Says something.
    pub(super) fn note(self, text: &str) {
        match self.0 {
            LogFormat::Text => show::note(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Says why the service ends, where the terminal is not to be told.
    pub(super) fn failed(self, failure: Failure) -> Failure {
        if self.0 == LogFormat::Text {
            return failure;
        }
        tracing::error!("{}", failure.message);
        Failure { logged: true, ..failure }
    }

    /// Says where the service listens, whom it calls, and who may call it.
    pub(super) fn greet(
        self,
        addr: SocketAddr,
        settings: &Settings,
        region: &str,
        emulator: Option<&Emulator>,
    ) {
        self.note(&format!("bedrock-inference {} listens on {addr}", env!("CARGO_PKG_VERSION")));
        self.note(&upstream(settings, region, emulator));
        let public = !addr.ip().is_loopback() && settings.server.tls.certificate.is_none();
        if public && !settings.tenants.is_empty() {
            self.note("WARNING: API keys travel in plain text, and whoever is between reads them: configure server.tls");
        }
        let who = match (&settings.server.tls.client_ca, addr.ip().is_loopback()) {
            (Some(_), _) => "everyone with a certificate of the client authority",
            (None, true) => "every process on this machine",
            (None, false) => "everyone who reaches it",
        };
        match settings.tenants.len() {
            0 => self.note(&format!("no tenants are configured: {who} calls as tenant `local`")),
            1 => self.note("1 tenant may call"),
            count => self.note(&format!("{count} tenants may call")),
        }
        if self.0 == LogFormat::Text {
            self.note(&examples(addr, &settings.server.tls));
        }
    }
}

fn upstream(settings: &Settings, region: &str, emulator: Option<&Emulator>) -> String {
    if let Some(emulator) = emulator {
        return format!("upstream: the built-in emulator at {}; its answers are made up", emulator.url());
    }
    let endpoint = settings.aws.named_endpoint();
    let endpoint = endpoint.as_deref().unwrap_or("as the AWS SDK finds it");
    let others = settings.aws.endpoints.iter().map(|(region, endpoint)| format!("; {region} at {endpoint}"));
    format!("upstream: Amazon Bedrock, region {region}, endpoint {endpoint}{}", others.collect::<String>())
}

fn examples(addr: SocketAddr, tls: &TlsSettings) -> String {
    let program = program();
    let (endpoint, flags, grpcurl) = match (&tls.certificate, &tls.client_ca) {
        (None, _) => (format!("http://{addr}"), "", "-plaintext"),
        (Some(_), None) => (format!("https://HOST:{}", addr.port()), " --ca ca.crt", "-cacert ca.crt"),
        (Some(_), Some(_)) => (
            format!("https://HOST:{}", addr.port()),
            " --ca ca.crt --cert me.crt --key me.key",
            "-cacert ca.crt -cert me.crt -key me.key",
        ),
    };
    let host = endpoint.rsplit('/').next().unwrap_or_default();
    format!(
        "try it:\n  {program} ask --endpoint {endpoint}{flags} amazon.nova-lite-v1:0 'What is gRPC?'\n  \
         grpcurl {grpcurl} -d '{{\"modelId\":\"amazon.nova-lite-v1:0\",\"messages\":[{{\"role\":\"user\",\"content\":[{{\"text\":\"hi\"}}]}}]}}' \\\n    \
         {host} bedrock.inference.v1.Inference/Converse"
    )
}
