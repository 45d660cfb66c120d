//! Tenants: who may call, how they show it, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{SubjectSettings, Usd};

/// The name of everyone, where no tenants are configured.
pub const EVERYONE: &str = "local";

/// Keys of a tenant that are good at one time: the old one and the new one, while they are changed.
const LIVE_KEYS: usize = 2;

/// The longest name, pattern, or guardrail, in bytes.
const LONGEST: usize = 2048;

/// One tenant.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// Its API keys.
    pub keys: Vec<KeySettings>,
    /// Names in client certificates that are its own: `spiffe://...`, or `dns:client.example`.
    pub certificates: Vec<String>,
    /// Those whose tokens are its own, by issuer.
    pub subjects: Vec<SubjectSettings>,
    /// What it may call: base ids, inference profile ids and aliases, with `*` at the end for all that begin so;
    /// unset for everything.
    pub models: Option<Vec<String>>,
    /// The RPCs that it may call; unset for all.
    pub methods: Option<Vec<String>>,
    /// The most tokens of an answer.
    pub max_output_tokens: Option<i32>,
    /// Calls that may begin in a minute; unset for any number.
    pub requests_per_minute: Option<u32>,
    /// Tokens that may be used in a minute, as Bedrock counts them for its quota; unset for any number.
    pub tokens_per_minute: Option<u32>,
    /// The guardrail that judges all its calls.
    pub guardrail: Option<GuardrailSettings>,
    /// What it may spend.
    pub budget: BudgetSettings,
    /// Labels that all its calls have, for usage reports.
    pub labels: BTreeMap<String, String>,
}

/// What a tenant may spend. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// A day, in USD.
    pub day_usd: Option<Usd>,
    /// A month, in USD.
    pub month_usd: Option<Usd>,
    /// The share from which on callers are warned.
    pub warn: f64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { day_usd: None, month_usd: None, warn: 0.8 }
    }
}

/// An API key, as far as the service knows it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Its middle part, by which it is found.
    pub id: String,
    /// The SHA-256 of the whole key, in hexadecimal.
    pub sha256: String,
    /// When it ends; unset for never.
    #[serde(default, with = "humantime_serde")]
    pub expires: Option<SystemTime>,
}

/// A guardrail in one version.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailSettings {
    /// Its id or ARN.
    pub id: String,
    /// Its version, or `DRAFT`.
    pub version: String,
}

impl fmt::Debug for KeySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySettings").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl KeySettings {
    /// The bytes of the hash; `None` where it is none.
    #[must_use]
    pub fn hash(&self) -> Option<[u8; 32]> {
        let mut hash = [0; 32];
        let digits: Option<Vec<_>> = self.sha256.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 2 * hash.len())?;
        for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::try_from(pair.iter().fold(0, |high, low| high * 16 + low)).ok()?;
        }
        Some(hash)
    }

    /// Whether it is good at that time.
    #[must_use]
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

/// Whether a tenant may have this name.
#[must_use]
pub fn is_tenant(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && name != EVERYONE
}

/// Whether it has the form of a key's id.
#[must_use]
pub fn is_key_id(id: &str) -> bool {
    (8..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What is wrong with these tenants, each with its place; nothing that may be a secret is quoted.
pub(super) fn mistakes(tenants: &BTreeMap<String, TenantSettings>, now: SystemTime) -> Vec<String> {
    let mut mistakes = Vec::new();
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (name, tenant) in tenants {
        if !is_tenant(name) {
            mistakes.push(format!(
                "tenants.{name:?}: 1 to 64 of a-z, 0-9, - and _ are accepted as a name, and not {EVERYONE:?}"
            ));
        }
        let own = tenant.mistakes(now).into_iter();
        mistakes.extend(own.map(|mistake| format!("tenants.{name}.{mistake}")));
        for (at, key) in tenant.keys.iter().enumerate() {
            if !ids.insert(&key.id) {
                mistakes.push(format!("tenants.{name}.keys[{at}].id: is there twice"));
            }
        }
        for (at, certificate) in tenant.certificates.iter().enumerate() {
            if !names.insert(certificate) {
                mistakes.push(format!("tenants.{name}.certificates[{at}]: is there twice"));
            }
        }
    }
    mistakes
}

impl TenantSettings {
    fn mistakes(&self, now: SystemTime) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut refuse = |wrong: bool, mistake: &dyn Fn() -> String| {
            if wrong {
                mistakes.push(mistake());
            }
        };
        for (at, key) in self.keys.iter().enumerate() {
            refuse(!is_key_id(&key.id), &|| {
                format!("keys[{at}].id: 8 to 16 letters and digits are accepted")
            });
            refuse(key.hash().is_none(), &|| {
                format!("keys[{at}].sha256: 64 hexadecimal digits are accepted")
            });
        }
        let live = self.keys.iter().filter(|key| key.is_live(now)).count();
        refuse(live > LIVE_KEYS, &|| format!("keys: {live} are good now; {LIVE_KEYS} are accepted"));
        for (at, name) in self.certificates.iter().enumerate() {
            refuse(!is_certificate_name(name), &|| {
                format!("certificates[{at}]: spiffe://domain/path and dns:name are accepted")
            });
        }
        for (at, pattern) in self.models.iter().flatten().enumerate() {
            let stars = pattern.strip_suffix('*').unwrap_or(pattern).contains('*');
            refuse(stars || !is_text(pattern), &|| {
                format!("models[{at}]: an id or an alias is accepted, with one * at its end or none")
            });
        }
        let methods = self.methods.iter().flatten().enumerate();
        for (at, method) in methods.filter(|(_, method)| !is_method(method)) {
            refuse(true, &|| format!("methods[{at}]: there is no RPC {method:?}"));
        }
        refuse(self.max_output_tokens.is_some_and(|most| most < 1), &|| {
            "max_output_tokens: 1 is accepted, and more".to_owned()
        });
        refuse(!(0.0..=1.0).contains(&self.budget.warn), &|| {
            "budget.warn: a share from 0 to 1 is accepted".to_owned()
        });
        for (name, value) in &self.labels {
            refuse(!is_label(name, value), &|| format!("labels.{name:?}: {LABEL}"));
        }
        for (name, limit) in
            [("requests_per_minute", self.requests_per_minute), ("tokens_per_minute", self.tokens_per_minute)]
        {
            refuse(limit == Some(0), &|| format!("{name}: 1 is accepted, and more"));
        }
        let guardrail = self.guardrail.as_ref();
        refuse(guardrail.is_some_and(|rail| !is_text(&rail.id) || !is_text(&rail.version)), &|| {
            "guardrail: an id and a version are accepted".to_owned()
        });
        mistakes
    }
}

/// What a label may be.
pub const LABEL: &str = "1 to 64 of letters, digits, - _ . and / are accepted as a name, and as a value at most 256 \
                         characters without control characters";

/// Whether it is one.
#[must_use]
pub fn is_label(name: &str, value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && value.chars().count() <= 256
        && !value.chars().any(char::is_control)
}

/// Whether it is a name, a pattern or the like.
pub(super) fn is_text(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_certificate_name(name: &str) -> bool {
    let spiffe = name.strip_prefix("spiffe://");
    spiffe.or_else(|| name.strip_prefix("dns:")).is_some_and(is_text)
}

/// Whether one of our services has such an RPC.
fn is_method(name: &str) -> bool {
    use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
    let pool = prost_reflect::DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    pool.services().any(|service| service.methods().any(|method| method.name() == name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;
    use crate::config::Settings;

    fn parsed(toml: &str) -> Result<Settings, String> {
        Settings::parse(Some(toml))
    }

    fn key(id: &str) -> String {
        format!("{{ id = \"{id}\", sha256 = \"{}\" }}", "aB".repeat(32))
    }

    #[test]
    fn a_tenant_is_read_with_all_that_it_can_have() {
        let toml = format!(
            "[tenants.team-a]\nkeys = [{}, {{ id = \"abcdefgh\", sha256 = \"{}\", expires = 2030-01-02T03:04:05Z }}]\n\
             certificates = [\"spiffe://prod/team-a\", \"dns:a.example\"]\nmodels = [\"amazon.*\", \"economy\"]\n\
             methods = [\"Converse\", \"ListModels\"]\nmax_output_tokens = 500\nrequests_per_minute = 60\n\
             tokens_per_minute = 100000\n\
             guardrail = {{ id = \"g1\", version = \"1\" }}\n",
            key("12345678"),
            "00".repeat(32),
        );
        let settings = parsed(&toml).unwrap();
        let tenant = settings.tenants.get("team-a").unwrap();
        assert_eq!(tenant.keys.first().unwrap().hash(), Some([0xab; 32]));
        let end = tenant.keys.last().unwrap().expires.unwrap();
        assert_eq!(end, SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445));
        assert!(!format!("{settings:?}").to_lowercase().contains("abab"), "a hash is printed");
    }

    #[test]
    fn mistakes_are_named_and_no_secret_is_quoted() {
        let three = format!("keys = [{}, {}, {}]", key("abcdefg1"), key("abcdefg2"), key("abcdefg3"));
        for (toml, words) in [
            ("[tenants.A]\n".to_owned(), "tenants.\"A\": 1 to 64"),
            ("[tenants.local]\n".to_owned(), "not \"local\""),
            (format!("[tenants.a]\n{three}"), "tenants.a.keys: 3 are good now"),
            ("[tenants.a]\nkeys = [{ id = \"bik_xyz\", sha256 = \"s3cret\" }]".to_owned(), "keys[0].sha256"),
            (
                format!("[tenants.a]\nkeys = [{}]\n[tenants.b]\nkeys = [{0}]", key("abcdefg1")),
                "keys[0].id: is there twice",
            ),
            ("[tenants.a]\ncertificates = [\"me\"]".to_owned(), "certificates[0]"),
            (
                "[tenants.a]\ncertificates = [\"dns:a\", \"dns:a\"]".to_owned(),
                "certificates[1]: is there twice",
            ),
            ("[tenants.a]\nmodels = [\"a*b\"]".to_owned(), "models[0]"),
            ("[tenants.a]\nmethods = [\"converse\"]".to_owned(), "no RPC \"converse\""),
            ("[tenants.a]\nmax_output_tokens = 0".to_owned(), "max_output_tokens"),
            ("[tenants.a]\nrequests_per_minute = 0".to_owned(), "tenants.a.requests_per_minute"),
            ("[tenants.a]\ntokens_per_minute = 0".to_owned(), "tenants.a.tokens_per_minute"),
            ("[tenants.a]\nguardrail = { id = \"\", version = \"1\" }".to_owned(), "tenants.a.guardrail"),
            ("[tenants.a]\nkey = \"bik_s3cret\"".to_owned(), "unknown field"),
        ] {
            let mistake = parsed(&toml).unwrap_err();
            assert!(mistake.contains(words), "{toml}: {mistake}");
            assert!(!mistake.contains("bik_") && !mistake.contains("s3cret"), "{mistake}");
        }
    }

    #[test]
    fn keys_that_have_ended_do_not_count() {
        let old = "{ id = \"abcdefg9\", sha256 = \"X\", expires = \"2020-01-01T00:00:00Z\" }";
        let toml = format!(
            "[tenants.a]\nkeys = [{}, {}, {}]",
            key("abcdefg1"),
            key("abcdefg2"),
            old.replace('X', &"00".repeat(32))
        );
        parsed(&toml).unwrap();
    }
}
