//! `ledger`: work on the ledger's database itself.

use std::time::SystemTime;

use super::{ConfigFile, Failure, show, time};
use crate::config::{EVERYONE, Settings, is_tenant};
use crate::ledger::Ledger;

/// Work on the ledger's database itself.
#[derive(Debug, clap::Args)]
pub(super) struct LedgerWork {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Take a tenant's ended attempts out; with SQLite while the service is stopped
    #[command(after_help = "Example:\n  bedrock-inference ledger purge team-a --before 2026-01-01")]
    Purge {
        /// Whose they are
        tenant: String,
        /// Only those that began before then: 2026-01-01, or RFC 3339
        #[arg(long, value_name = "TIME", value_parser = time)]
        before: Option<SystemTime>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl LedgerWork {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Command::Purge { tenant, before, config } = self.command;
        if !is_tenant(&tenant) && tenant != EVERYONE {
            return Err(Failure::usage(format!("{tenant:?} is not the name of a tenant")));
        }
        let settings = Settings::load(config.config.as_deref()).map_err(Failure::usage)?;
        let purged = Ledger::purge(&settings.ledger, settings.upstream, &tenant, before).await;
        let attempts = purged.map_err(Failure::run)?;
        show::line(format!("{attempts} attempts of {tenant} are taken out"));
        Ok(())
    }
}
