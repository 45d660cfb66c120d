//! Issuers: identity providers whose tokens name tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::{Deserialize, Serialize};

use super::tenants::{TenantSettings, is_text};
use super::timeouts::is_no_clock;

/// An identity provider. One of `jwks_url` and `jwks_file` says where its keys are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerSettings {
    /// The `iss` of its tokens, as it stands.
    pub issuer: String,
    /// What their `aud` must be, or have among others.
    pub audience: String,
    /// What they may be signed by; asymmetric algorithms alone.
    pub algorithms: Vec<Algorithm>,
    /// The longest time from `iat` to `exp`.
    #[serde(with = "humantime_serde")]
    pub max_lifetime: Duration,
    /// The claim with the tenant's name; where it is unset, tenants name the subjects that are theirs.
    pub tenant_claim: Option<String>,
    /// The JWK set, by https, or by http from a loopback address.
    pub jwks_url: Option<String>,
    /// The JWK set in a file.
    pub jwks_file: Option<PathBuf>,
    /// Authorities of the URL's server, PEM; those of the system where it is unset.
    pub ca_file: Option<PathBuf>,
    /// The file with the bearer token that the URL asks for; none is sent where it is unset.
    pub token_file: Option<PathBuf>,
    /// How often the URL is asked; a file is looked at every ten seconds, or as often as this where it is less.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
}

/// Somebody whom an issuer knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectSettings {
    /// The issuer's name in this configuration.
    pub issuer: String,
    /// The `sub` of the token, with `*` at the end for all that begin so.
    pub subject: String,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            algorithms: vec![Algorithm::RS256, Algorithm::ES256],
            max_lifetime: Duration::from_secs(60 * 60),
            tenant_claim: None,
            jwks_url: None,
            jwks_file: None,
            ca_file: None,
            token_file: None,
            refresh: Duration::from_secs(10 * 60),
        }
    }
}

/// What is wrong with these issuers and with what tenants say of them, each with its place.
pub(super) fn mistakes(
    issuers: &BTreeMap<String, IssuerSettings>,
    tenants: &BTreeMap<String, TenantSettings>,
) -> Vec<String> {
    let mut mistakes = Vec::new();
    if !issuers.is_empty() && tenants.is_empty() {
        mistakes.push("issuers: there are no tenants that their tokens could name".to_owned());
    }
    let mut seen = BTreeSet::new();
    for (name, issuer) in issuers {
        let own = issuer.mistakes().into_iter();
        mistakes.extend(own.map(|mistake| format!("issuers.{name:?}.{mistake}")));
        if !seen.insert(&issuer.issuer) {
            mistakes.push(format!("issuers.{name:?}.issuer: is there twice"));
        }
    }
    let mut seen = BTreeSet::new();
    for (name, tenant) in tenants {
        for (at, subject) in tenant.subjects.iter().enumerate() {
            let known = issuers.get(&subject.issuer);
            let mistake = match known.map(|issuer| &issuer.tenant_claim) {
                None => Some("no issuer of that name is configured"),
                Some(Some(_)) => Some("the issuer has a tenant_claim, which names the tenant"),
                Some(None) if !subject.is_pattern() => {
                    Some("the `sub` of a token is accepted, with one * at its end or none")
                }
                Some(None) => (!seen.insert(subject)).then_some("is there twice"),
            };
            mistakes.extend(mistake.map(|mistake| format!("tenants.{name}.subjects[{at}]: {mistake}")));
        }
    }
    mistakes
}

impl IssuerSettings {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut refuse = |wrong: bool, mistake: &str| {
            if wrong {
                mistakes.push(mistake.to_owned());
            }
        };
        refuse(!is_text(&self.issuer), "issuer: the `iss` of its tokens is accepted");
        refuse(!is_text(&self.audience), "audience: the `aud` of tokens for this service is accepted");
        let symmetric = self.algorithms.iter().any(|algorithm| algorithm.family() == AlgorithmFamily::Hmac);
        refuse(
            symmetric || self.algorithms.is_empty(),
            "algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA are accepted",
        );
        let clock = "1ms to 10 years are accepted";
        refuse(is_no_clock(self.max_lifetime), &format!("max_lifetime: {clock}"));
        refuse(is_no_clock(self.refresh), &format!("refresh: {clock}"));
        let claim = self.tenant_claim.as_ref();
        refuse(claim.is_some_and(|claim| !is_text(claim)), "tenant_claim: the name of a claim is accepted");
        refuse(
            self.jwks_url.is_some() == self.jwks_file.is_some(),
            "jwks_url: this or jwks_file is accepted, and not both",
        );
        refuse(
            self.jwks_url.as_ref().is_some_and(|url| !is_source(url)),
            "jwks_url: an https URL is accepted, and http of localhost or a loopback address",
        );
        let of_url = self.ca_file.is_some() || self.token_file.is_some();
        refuse(of_url && self.jwks_url.is_none(), "jwks_url: ca_file and token_file are for a URL");
        mistakes
    }
}

impl SubjectSettings {
    fn is_pattern(&self) -> bool {
        let start = self.subject.strip_suffix('*').unwrap_or(&self.subject);
        is_text(&self.subject) && !start.contains('*')
    }
}

/// Whether keys may come from this URL: nobody on the way can change them.
fn is_source(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match url.scheme_str() {
        Some("https") => !host.is_empty() && !user,
        Some("http") => loopback && !user,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Settings;

    const ISSUER: &str = "[issuers.cluster]\nissuer = \"https://cluster\"\naudience = \"gateway\"\n";

    fn parsed(toml: &str) -> Result<Settings, String> {
        Settings::parse(Some(toml))
    }

    #[test]
    fn an_issuer_is_read_with_all_that_it_can_have() {
        let toml = format!(
            "{ISSUER}algorithms = [\"PS512\", \"EdDSA\"]\nmax_lifetime = \"90m\"\nrefresh = \"1m\"\n\
             jwks_url = \"https://kubernetes.default.svc/openid/v1/jwks\"\nca_file = \"ca\"\ntoken_file = \"token\"\n\
             [issuers.people]\nissuer = \"https://people\"\naudience = \"gateway\"\njwks_file = \"people.json\"\n\
             tenant_claim = \"team\"\n\
             [tenants.team-a]\nsubjects = [\n  {{ issuer = \"cluster\", subject = \"system:serviceaccount:a:*\" }},\n\
             {{ issuer = \"cluster\", subject = \"system:serviceaccount:b:app\" }},\n]\n"
        );
        let settings = parsed(&toml).unwrap();
        let of = |name: &str| settings.issuers.get(name).unwrap();
        let (cluster, people) = (of("cluster"), of("people"));
        assert_eq!(cluster.algorithms, [Algorithm::PS512, Algorithm::EdDSA]);
        assert_eq!(people.algorithms, [Algorithm::RS256, Algorithm::ES256]);
        assert_eq!((cluster.refresh.as_secs(), people.refresh.as_secs()), (60, 600));
        assert_eq!((cluster.max_lifetime.as_secs(), people.max_lifetime.as_secs()), (5400, 3600));
        assert_eq!(settings.tenants.get("team-a").unwrap().subjects.len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        let file = format!("{ISSUER}jwks_file = \"keys.json\"\n");
        let with = |more: &str| format!("{file}{more}\n[tenants.a]\n");
        let subjects = |more: &str| format!("{file}[tenants.a]\nsubjects = [{more}]");
        let one = "{ issuer = \"cluster\", subject = \"x\" }";
        for (toml, words) in [
            (file.clone(), "issuers: there are no tenants"),
            (with("").replace("https://cluster", ""), "issuers.\"cluster\".issuer"),
            (with("").replace("gateway", ""), "issuers.\"cluster\".audience"),
            (with("algorithms = [\"HS256\"]"), "algorithms: RS256"),
            (with("algorithms = [\"RS256\", \"HS512\"]"), "algorithms: RS256"),
            (with("algorithms = [\"none\"]"), "algorithms"),
            (with("algorithms = []"), "algorithms: RS256"),
            (with("max_lifetime = \"0s\""), "max_lifetime"),
            (with("refresh = \"0s\""), "refresh"),
            (with("tenant_claim = \"\""), "tenant_claim"),
            (with("jwks_url = \"https://host/keys\""), "jwks_url: this or jwks_file"),
            (format!("{ISSUER}[tenants.a]"), "jwks_url: this or jwks_file"),
            (with("ca_file = \"ca.crt\""), "are for a URL"),
            (with("token_file = \"token\""), "are for a URL"),
            (
                format!("{file}[issuers.b]\nissuer = \"https://cluster\"\naudience = \"x\"\n[tenants.a]"),
                "issuers.\"cluster\".issuer: is there twice",
            ),
            (subjects("{ issuer = \"b\", subject = \"x\" }"), "tenants.a.subjects[0]: no issuer"),
            (subjects("{ issuer = \"cluster\", subject = \"a*b\" }"), "with one * at its end"),
            (subjects("{ issuer = \"cluster\", subject = \"\" }"), "with one * at its end"),
            (subjects(&format!("{one}, {one}")), "tenants.a.subjects[1]: is there twice"),
            (
                format!("{file}[tenants.a]\nsubjects = [{one}]\n[tenants.b]\nsubjects = [{one}]"),
                "tenants.b.subjects[0]: is there twice",
            ),
            (
                format!("{file}tenant_claim = \"team\"\n[tenants.a]\nsubjects = [{one}]"),
                "tenants.a.subjects[0]: the issuer has a tenant_claim",
            ),
            (with("secret = \"s3cret\""), "unknown field"),
        ] {
            let mistake = parsed(&toml).unwrap_err();
            assert!(mistake.contains(words), "{toml}: {mistake}");
            assert!(!mistake.contains("s3cret"), "{mistake}");
        }
    }

    #[test]
    fn keys_come_over_no_wire_that_others_write_on() {
        for url in ["https://host/keys", "http://127.0.0.1:80/", "http://[::1]:80/k", "http://localhost/k"] {
            assert!(is_source(url), "{url}");
        }
        for url in
            ["", "host", "http://host/keys", "http://10.0.0.1/", "ftp://127.0.0.1/", "https://u:p@host/"]
        {
            assert!(!is_source(url), "{url}");
        }
    }
}
