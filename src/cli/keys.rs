//! `keys`: API keys for tenants.

use std::time::{Duration, SystemTime};

use super::{Failure, show};
use crate::config::is_tenant;
use crate::principal::ApiKey;

/// Make API keys for tenants.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key: it is printed once, and nothing keeps it; the lines for the configuration go to standard error.
    #[command(after_help = "Example:\n  bedrock-inference keys new team-a --expires 90d")]
    New {
        /// Whose key it is
        tenant: String,
        /// How long it is good, such as 90d [default: for ever]
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Command::New { tenant, expires } = self.command;
        if !is_tenant(&tenant) {
            let what = "1 to 64 of a-z, 0-9, - and _ are accepted as a tenant's name, and not \"local\"";
            return Err(Failure::usage(what));
        }
        let end = expires.map(|time| SystemTime::now().checked_add(time)).map(|end| {
            end.map(humantime::format_rfc3339_seconds).ok_or_else(|| Failure::usage("--expires is too long"))
        });
        let end = end.transpose()?.map(|end| format!(", expires = \"{end}\"")).unwrap_or_default();
        let key = ApiKey::new().map_err(Failure::run)?;
        let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        show::line(key.reveal());
        show::note(format!(
            "# The key is not shown again. The configuration knows it by its hash:\n[tenants.{tenant}]\n\
             keys = [{{ id = \"{}\", sha256 = \"{hash}\"{end} }}]",
            key.id()
        ));
        Ok(())
    }
}
