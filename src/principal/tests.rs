//! Who is let in, and that nobody is by chance.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::config::{KeySettings, TenantSettings};

fn settings_of(key: &ApiKey) -> KeySettings {
    let sha256 = key.hash().iter().map(|byte| format!("{byte:02X}")).collect();
    KeySettings { id: key.id().to_owned(), sha256, expires: None }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 50051).into()
}

fn outside() -> SocketAddr {
    ([0, 0, 0, 0], 50051).into()
}

fn tenant(keys: &[&ApiKey]) -> TenantSettings {
    TenantSettings { keys: keys.iter().map(|key| settings_of(key)).collect(), ..TenantSettings::default() }
}

fn settings(tenants: Vec<(&str, TenantSettings)>) -> Settings {
    let tenants = tenants.into_iter().map(|(name, tenant)| (name.to_owned(), tenant)).collect();
    Settings { tenants, ..Settings::default() }
}

fn who(authenticator: &Authenticator, headers: &[(&'static str, &str)]) -> Result<String, Reason> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let found = authenticator.authenticate(&mut map, &Peer::default());
    assert!(map.is_empty(), "credentials are left in the headers");
    found.map(|principal| principal.tenant().as_str().to_owned()).map_err(|error| error.reason)
}

#[test]
fn a_key_is_good_in_either_header_and_only_alone() {
    let (one, other) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let settings = settings(vec![("a", tenant(&[&one])), ("b", tenant(&[&other]))]);
    let door = Authenticator::new(&settings, loopback()).unwrap();
    let bearer = format!("Bearer {}", one.reveal());
    let small = format!("bearer  {}", other.reveal());
    assert_eq!(who(&door, &[("authorization", &bearer)]).unwrap(), "a");
    assert_eq!(who(&door, &[("authorization", &small)]).unwrap(), "b");
    assert_eq!(who(&door, &[("x-api-key", other.reveal())]).unwrap(), "b");
    assert_eq!(who(&door, &[]), Err(Reason::CredentialsMissing));
    for bad in [
        vec![("authorization", one.reveal())],
        vec![("authorization", "Basic YTpi")],
        vec![("x-api-key", "")],
        vec![("x-api-key", one.reveal()), ("x-api-key", one.reveal())],
        vec![("authorization", bearer.as_str()), ("x-api-key", other.reveal())],
    ] {
        assert_eq!(who(&door, &bad), Err(Reason::CredentialsInvalid), "{}", bad.len());
    }
}

#[test]
fn an_end_is_an_end() {
    let key = ApiKey::new().unwrap();
    let now = SystemTime::now();
    for (expires, good) in [(now - Duration::from_secs(1), false), (now + Duration::from_secs(600), true)] {
        let keys = vec![KeySettings { expires: Some(expires), ..settings_of(&key) }];
        let settings = settings(vec![("a", TenantSettings { keys, ..TenantSettings::default() })]);
        let door = Authenticator::new(&settings, loopback()).unwrap();
        assert_eq!(who(&door, &[("x-api-key", key.reveal())]).is_ok(), good);
    }
}

/// C16: near misses, whole in form and checksum, are let in never.
#[test]
fn twenty_thousand_near_misses_are_nobody() {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let key = ApiKey::new().unwrap();
    let door = Authenticator::new(&settings(vec![("a", tenant(&[&key]))]), loopback()).unwrap();
    let body = key.reveal().get(..key.reveal().len() - 6).unwrap();
    let random = fastrand::Rng::with_seed(16);
    let (mut random, mut whole) = (random, 0);
    for _ in 0..20_000 {
        let mut near = body.as_bytes().to_vec();
        // Within id and secret, so that most are keys by their form.
        for _ in 0..random.usize(1..4) {
            *near.get_mut(random.usize(4..body.len())).unwrap() = *random.choice(LETTERS).unwrap();
        }
        let near = String::from_utf8(near).unwrap();
        let near = format!("{near}{}", key::checksum(&near));
        if near == key.reveal() {
            continue;
        }
        whole += usize::from(ApiKey::read(&near).is_some());
        assert_eq!(who(&door, &[("x-api-key", &near)]), Err(Reason::CredentialsInvalid));
    }
    assert!(whole > 15_000, "only {whole} were whole");
    assert!(who(&door, &[("x-api-key", key.reveal())]).is_ok());
}

#[test]
fn a_door_to_the_outside_asks_who_comes_and_hides_what_they_say() {
    let key = ApiKey::new().unwrap();
    let tenants = || settings(vec![("a", tenant(&[&key]))]);
    let told = |settings: &Settings| Authenticator::new(settings, outside()).map(drop).unwrap_err();
    assert!(told(&Settings::default()).contains("nobody is authenticated"));
    assert!(told(&tenants()).contains("plain text"));
    let mut open = tenants();
    open.insecure = true;
    let door = Authenticator::new(&open, outside()).unwrap();
    assert_eq!(
        who(&door, &[]),
        Err(Reason::CredentialsMissing),
        "--insecure lets nobody in where tenants are"
    );
    let mut tls = tenants();
    tls.server.tls.certificate = Some("server.crt".into());
    assert!(Authenticator::new(&tls, outside()).is_ok());
    tls.tenants.get_mut("a").unwrap().certificates = vec!["dns:a.example".to_owned()];
    assert!(told(&tls).contains("server.tls.client_ca"));
}

#[test]
fn a_running_service_is_not_opened_by_an_empty_file() {
    let key = ApiKey::new().unwrap();
    let door = Authenticator::new(&settings(vec![("a", tenant(&[&key]))]), loopback()).unwrap();
    assert!(door.prepared(&Settings::default()).unwrap_err().contains("needs a restart"));
    let open = Authenticator::new(&Settings::default(), loopback()).unwrap();
    assert_eq!(who(&open, &[]).unwrap(), "local");
    open.renew(open.prepared(&settings(vec![("a", tenant(&[&key]))])).unwrap());
    assert_eq!(who(&open, &[]), Err(Reason::CredentialsMissing));
}

#[test]
fn nothing_that_is_printed_holds_a_hash() {
    let key = ApiKey::new().unwrap();
    let settings = settings(vec![("a", tenant(&[&key]))]);
    let printed = format!("{settings:?} {:?}", Authenticator::new(&settings, loopback()).unwrap());
    let hash = &settings.tenants.get("a").unwrap().keys.first().unwrap().sha256;
    assert!(
        !printed.to_uppercase().contains(hash.as_str()) && !printed.contains(&format!("{:?}", key.hash()))
    );
}

#[tokio::test(start_paused = true)]
async fn who_fails_too_often_is_told_to_wait_and_a_good_key_passes_all_the_same() {
    let key = ApiKey::new().unwrap();
    let door = Authenticator::new(&settings(vec![("a", tenant(&[&key]))]), loopback()).unwrap();
    let peer = Peer::new([10, 0, 0, 1].into(), None);
    let fail = || door.authenticate(&mut HeaderMap::new(), &peer).unwrap_err().reason;
    assert!((0..20).all(|_| fail() == Reason::CredentialsMissing));
    assert!((0..20).all(|_| fail() == Reason::TooManyFailures));
    let mut good = HeaderMap::from_iter([(X_API_KEY, key.reveal().parse().unwrap())]);
    assert!(door.authenticate(&mut good, &peer).is_ok());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(fail(), Reason::CredentialsMissing);
}
