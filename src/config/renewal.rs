//! What a running service can take of new settings, and the names of the keys that differ.

use serde_json::Value;

use super::{AwsSettings, Settings, Timeouts};

impl Settings {
    /// These, with all that only a restart can change as it is in a service that started with those.
    #[must_use]
    pub fn while_running(self, start: &Self) -> Self {
        Self {
            listen: start.listen,
            insecure: start.insecure,
            reload: start.reload,
            upstream: start.upstream,
            aws: AwsSettings { geography: self.aws.geography, ..start.aws.clone() },
            ledger: start.ledger.clone(),
            server: start.server.clone(),
            admission: start.admission,
            redis: start.redis.clone(),
            timeouts: Timeouts { connect: start.timeouts.connect, ..self.timeouts },
            log: start.log.clone(),
            ..self
        }
    }

    /// The keys whose values are not those of the others, by name: `timeouts.idle`.
    #[must_use]
    pub fn changed_since(&self, others: &Self) -> Vec<String> {
        let values = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let mut keys = Vec::new();
        differing("", &values(others), &values(self), &mut keys);
        keys
    }
}

/// Adds the names of what differs between two values under this name.
fn differing(name: &str, one: &Value, other: &Value, keys: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let added = other.keys().filter(|key| !one.contains_key(*key));
            for key in one.keys().chain(added) {
                let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or_default();
                differing(&below(name, key), &value(one), &value(other), keys);
            }
        }
        _ if one == other => {}
        _ => keys.push(name.to_owned()),
    }
}

/// The name of a key of this table, as TOML writes it.
fn below(table: &str, key: &str) -> String {
    let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    fn parsed(text: &str) -> Settings {
        Settings::parse(Some(text)).unwrap()
    }

    #[test]
    fn what_differs_is_named_like_in_the_file() {
        let old = parsed("[aws]\ngeography = \"eu\"\n[models.\"a.b-v1:0\".timeouts]\nidle = \"1s\"\n");
        let new = parsed(
            "route = \"native\"\n[timeouts]\nidle = \"1s\"\n\
             [models.\"a.b-v1:0\".timeouts]\nidle = \"2s\"\n[models.\"c.d\".timeouts]\nidle = \"2s\"\n",
        );
        let keys = [
            "route",
            "aws.geography",
            "timeouts.idle",
            "models.\"a.b-v1:0\".timeouts.idle",
            "models.\"c.d\"",
        ];
        assert_eq!(new.changed_since(&old), keys);
        assert_eq!(old.changed_since(&new), keys);
        assert!(new.changed_since(&new).is_empty());
    }

    #[test]
    fn a_running_service_keeps_what_only_a_restart_can_change() {
        let start = Settings::default();
        let wanted = parsed(
            "listen = \"127.0.0.1:1\"\ninsecure = true\nreload = \"1s\"\nupstream = \"emulator\"\nroute = \"native\"\n\
             [aws]\nregion = \"eu-west-1\"\ngeography = \"eu\"\n[server]\nmax_streams = 1\n[server.tls]\nreload = \"1s\"\n\
             [redis]\nurl = \"redis://h\"\n\
             [timeouts]\nconnect = \"1s\"\nidle = \"1s\"\n[retry]\nattempts = 1\n[log]\nfilter = \"warn\"\n",
        );
        let taken = wanted.clone().while_running(&start);
        assert_eq!(
            taken.changed_since(&start),
            ["route", "aws.geography", "timeouts.idle", "retry.attempts"]
        );
        assert_eq!(
            wanted.changed_since(&taken),
            [
                "listen",
                "insecure",
                "reload",
                "upstream",
                "aws.region",
                "server.max_streams",
                "server.tls.reload",
                "redis.url",
                "timeouts.connect",
                "log.filter"
            ]
        );
        assert_eq!(taken.timeouts.idle, Duration::from_secs(1));
    }
}
