//! AssumeRole of the AWS Security Token Service, in its Query protocol: a form comes, XML goes.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Response, StatusCode};
use percent_encoding::percent_decode;

use crate::digest::Digest;
use crate::errors::{Failure, Outcome};
use crate::reply::{self, ReplyBody};
use crate::signature::Signer;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const XML: &str = "text/xml";

/// What the session tokens given out begin with, before they are encoded.
const TOKEN: &str = "emulator-session";

/// The lifetime of credentials when neither the emulator nor the request says another.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// The longest lifetime, as on AWS; requests may ask for 900 s at least.
const LONGEST_LIFETIME: Duration = Duration::from_secs(43_200);

/// The most assumed roles kept; older ones are forgotten.
const MAX_ROLES: usize = 1_000;

/// A role that was assumed, and what was given out for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// The ARN of the role.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: String,
    /// The `ExternalId` of the request.
    pub external_id: Option<String>,
    /// The access key id that signed the request.
    pub signed_by: Option<String>,
    /// The access key id given out: [`access_key_id_of`] the role.
    pub access_key_id: String,
    /// When the credentials expire: calls that carry their session token are refused from then on.
    pub expiration: SystemTime,
}

impl AssumedRole {
    fn session_arn(&self) -> String {
        let (partition, account, name) = role_parts(&self.role_arn).unwrap_or_default();
        format!("arn:{partition}:sts::{account}:assumed-role/{name}/{}", self.session_name)
    }
}

/// The access key id that the emulator gives out for a role: always the same for the same ARN, in every
/// region and release.
#[must_use]
pub fn access_key_id_of(role_arn: &str) -> String {
    let mut digest = Digest::new("access key");
    digest.add(role_arn);
    format!("ASIA{}", digest.key_id())
}

/// The sessions given out, and how long the next will live.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    lifetime: Option<Duration>,
    assumed: VecDeque<AssumedRole>,
}

impl Sessions {
    /// Sets the lifetime of the credentials that are given out from now on, whatever requests ask for.
    pub(crate) fn set_lifetime(&self, lifetime: Option<Duration>) {
        self.book().lifetime = lifetime;
    }

    /// The roles that were assumed, oldest first.
    pub(crate) fn assumed(&self) -> Vec<AssumedRole> {
        self.book().assumed.iter().cloned().collect()
    }

    /// The session that a key was last given out for, as an ARN.
    pub(crate) fn arn_of(&self, access_key_id: &str) -> Option<String> {
        let book = self.book();
        book.assumed.iter().rfind(|role| role.access_key_id == access_key_id).map(AssumedRole::session_arn)
    }

    /// Answers a request that is already authenticated; `None` when it names no action.
    pub(crate) fn answer(&self, headers: &HeaderMap, body: &[u8], id: &str) -> Option<Response<ReplyBody>> {
        let form = Form::read(body);
        let action = form.get("Action")?;
        let outcome = if action == "AssumeRole" {
            self.assume(headers, &form)
        } else {
            let message = format!("Could not find operation {action}: the emulator has AssumeRole alone");
            Err(Failure::new("InvalidAction", message))
        };
        Some(outcome.map_or_else(|failure| refusal(&failure, id), |role| given(&role, id)))
    }

    fn assume(&self, headers: &HeaderMap, form: &Form) -> Outcome<AssumedRole> {
        let role_arn = form.get("RoleArn").ok_or_else(|| missing("roleArn"))?;
        let session_name = form.get("RoleSessionName").ok_or_else(|| missing("roleSessionName"))?;
        if role_parts(role_arn).is_none() {
            return Err(invalid(format!("{role_arn} is invalid")));
        }
        let letters = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(letters) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{session_name}' at 'roleSessionName' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            )));
        }
        let asked = form.get("DurationSeconds").map(lifetime).transpose()?;
        let mut book = self.book();
        let lifetime = book.lifetime.or(asked).unwrap_or(LIFETIME).min(LONGEST_LIFETIME);
        let role = AssumedRole {
            role_arn: role_arn.to_owned(),
            session_name: session_name.to_owned(),
            external_id: form.get("ExternalId").map(str::to_owned),
            signed_by: Signer::of(headers).map(|signer| signer.access_key_id.to_owned()),
            access_key_id: access_key_id_of(role_arn),
            expiration: SystemTime::now() + lifetime,
        };
        if book.assumed.len() == MAX_ROLES {
            book.assumed.pop_front();
        }
        book.assumed.push_back(role.clone());
        Ok(role)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request carries a session token of ours that has expired.
pub(crate) fn has_expired(headers: &HeaderMap) -> bool {
    let expiration = || {
        let token = STANDARD.decode(headers.get("x-amz-security-token")?.as_bytes()).ok()?;
        let mut parts = std::str::from_utf8(&token).ok()?.splitn(3, ':');
        let milliseconds = (parts.next()? == TOKEN).then(|| parts.next())??.parse().ok()?;
        UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
    };
    expiration().is_some_and(|expiration| SystemTime::now() >= expiration)
}

/// A refusal as STS sends it.
pub(crate) fn refusal(failure: &Failure, id: &str) -> Response<ReplyBody> {
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
        escaped(&failure.exception),
        escaped(&failure.message)
    );
    reply::whole(failure.status(), XML, body, None)
}

/// The credentials of an assumed role.
fn given(role: &AssumedRole, id: &str) -> Response<ReplyBody> {
    let mut digest = Digest::new("role");
    digest.add(&role.role_arn);
    let milliseconds = role.expiration.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let expiration = DateTime::from_millis(i64::try_from(milliseconds).unwrap_or_default());
    let session = &role.session_name;
    let members = [
        ("AccessKeyId", role.access_key_id.clone()),
        ("SecretAccessKey", digest.secret()),
        ("SessionToken", STANDARD.encode(format!("{TOKEN}:{milliseconds}:{}", role.role_arn))),
        ("Expiration", expiration.fmt(Format::DateTime).unwrap_or_default()),
    ];
    let mut credentials = String::new();
    for (name, value) in members {
        let _ = write!(credentials, "<{name}>{value}</{name}>");
    }
    let body = format!(
        "<AssumeRoleResponse xmlns=\"{NAMESPACE}\"><AssumeRoleResult><AssumedRoleUser>\
         <AssumedRoleId>AROA{}:{session}</AssumedRoleId>\
         <Arn>{}</Arn></AssumedRoleUser>\
         <Credentials>{credentials}</Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></AssumeRoleResponse>",
        digest.key_id(),
        escaped(&role.session_arn())
    );
    reply::whole(StatusCode::OK, XML, body, None)
}

/// Partition, account and name of `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
fn role_parts(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("role/")?.rsplit('/').next().filter(|name| !name.is_empty())?;
    let twelve_digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let partitions =
        partition.starts_with("aws") && partition.bytes().all(|byte| byte != b'<' && byte != b'&');
    (arn == "arn" && partitions && service == "iam" && region.is_empty() && twelve_digits)
        .then_some((partition, account, name))
}

/// The lifetime that a request asks for.
fn lifetime(seconds: &str) -> Outcome<Duration> {
    let found = seconds.parse().ok().filter(|seconds| (900..=LONGEST_LIFETIME.as_secs()).contains(seconds));
    found.map(Duration::from_secs).ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
             Member must have value between 900 and 43200"
        ))
    })
}

fn missing(member: &str) -> Failure {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

fn invalid(message: String) -> Failure {
    Failure::new("ValidationError", message)
}

/// The members of an `application/x-www-form-urlencoded` body.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        let text = |bytes: &[u8]| {
            let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            percent_decode(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = body.split(|byte| *byte == b'&').map(|pair| {
            let mut sides = pair.splitn(2, |byte| *byte == b'=');
            (text(sides.next().unwrap_or_default()), text(sides.next().unwrap_or_default()))
        });
        Self(pairs.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_always_has_the_same_key_and_another_role_another() {
        let key = access_key_id_of("arn:aws:iam::123456789012:role/one");
        assert_eq!(key, access_key_id_of("arn:aws:iam::123456789012:role/one"));
        assert_ne!(key, access_key_id_of("arn:aws:iam::123456789012:role/two"));
        assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
        assert!(key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{key}");
    }

    #[test]
    fn role_arns_are_read() {
        for (arn, parts) in [
            ("arn:aws:iam::123456789012:role/one", Some(("aws", "123456789012", "one"))),
            ("arn:aws-us-gov:iam::123456789012:role/a/b/one", Some(("aws-us-gov", "123456789012", "one"))),
            ("arn:aws:iam::12345678901:role/one", None),
            ("arn:aws:iam::123456789012:user/one", None),
            ("arn:aws:iam::123456789012:role/", None),
            ("arn:aws:iam:us-east-1:123456789012:role/one", None),
            ("arn:aws:sts::123456789012:role/one", None),
            ("role/one", None),
        ] {
            assert_eq!(role_parts(arn), parts, "{arn}");
        }
    }

    #[test]
    fn forms_are_decoded() {
        let form = Form::read(b"Action=AssumeRole&RoleArn=arn%3Aaws&Empty=&Note=a+b%2Bc&Alone");
        assert_eq!(form.get("RoleArn"), Some("arn:aws"));
        assert_eq!((form.get("Empty"), form.get("Alone"), form.get("None")), (Some(""), Some(""), None));
        assert_eq!(form.get("Note"), Some("a b+c"));
    }
}
