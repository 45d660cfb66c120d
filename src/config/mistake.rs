//! What is wrong with a configuration, in words that name lines and keys and quote nobody's values.

use config::ConfigError;

/// The mistake. A line of the file may hold a secret, so TOML's picture of it is left out.
pub(super) fn told(error: &ConfigError) -> String {
    match error {
        ConfigError::FileParse { cause, .. } => {
            let picture = cause.to_string();
            let mut lines = picture.lines().filter(|line| !line.trim().is_empty());
            match (lines.next(), lines.next_back()) {
                (Some(place), Some(what)) => format!("{place}: {what}"),
                _ => picture,
            }
        }
        _ => error.to_string(),
    }
}
