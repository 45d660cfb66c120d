//! Roles: a call under a role is signed by the role's credentials, which STS gives once for all of them.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bedrock_inference::config::Settings;
use bedrock_inference::error::{Error, Reason};
use bedrock_inference::upstream::{self, Bedrock, Operation, Request};
use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings, access_key_id_of};
use futures_util::future::join_all;

use crate::account::{Account, key};
use crate::stage::NOVA;

const PAYER: &str = "arn:aws:iam::111122223333:role/payer";
const OTHER: &str = "arn:aws:iam::444455556666:role/team/other";

fn bedrock(account: &Account) -> Arc<dyn Bedrock> {
    let settings = Settings::default();
    upstream::start_on_emulator(account.url(), &settings.aws, &settings.timeouts).unwrap().bedrock
}

pub async fn call(bedrock: &dyn Bedrock, region: &str, role: Option<&str>) -> Result<(), Error> {
    let request = Request {
        operation: Operation::Converse,
        model_id: NOVA.to_owned(),
        region: region.to_owned(),
        role: role.map(str::to_owned),
        body: r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}]}"#.into(),
    };
    bedrock.send(request).await.map(drop)
}

/// Every cause of a failure, as it is logged.
fn causes(error: &Error) -> String {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| error.source()).map(|error| format!("{error}\n")).collect()
}

#[tokio::test]
async fn each_role_is_assumed_once_for_all_regions() {
    let account = Account::open().await;
    let bedrock = bedrock(&account);
    let calls = (0..20).map(|number| {
        let region = if number % 2 == 0 { "us-east-1" } else { "eu-west-1" };
        call(&*bedrock, region, Some(if number % 4 < 2 { PAYER } else { OTHER }))
    });
    for result in join_all(calls).await {
        result.unwrap();
    }
    call(&*bedrock, "us-east-1", None).await.unwrap();
    let state = account.state();
    let mut roles: Vec<_> =
        state.assumed.iter().map(|(role, signer)| (role.as_str(), signer.as_str())).collect();
    roles.sort_unstable();
    assert_eq!(roles, [(PAYER, "emulator"), (OTHER, "emulator")]);
    let signed =
        |prefix: &str| state.signatures.iter().filter(|signature| key(signature).starts_with(prefix)).count();
    assert_eq!((signed("payer-"), signed("other-"), signed("emulator")), (10, 10, 1));
    let regional = state.signatures.iter().filter(|signature| signature.contains("/eu-west-1/bedrock/"));
    assert_eq!(regional.count(), 10);
}

/// U14: of a role.
#[tokio::test]
async fn a_role_whose_credentials_are_refused_is_assumed_anew() {
    let account = Account::open().await;
    let bedrock = bedrock(&account);
    call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap();
    account.state().revoked.insert("payer-1".to_owned());
    let refused = call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::UpstreamCredentials);
    call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap();
    call(&*bedrock, "eu-west-1", Some(PAYER)).await.unwrap();
    assert_eq!(key(account.state().signatures.last().unwrap()), "payer-2");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_named_and_hurts_no_other() {
    let account = Account::open().await;
    let bedrock = bedrock(&account);
    account.state().closed.insert(PAYER.to_owned());
    let refused = call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::UpstreamCredentials);
    let causes = causes(&refused);
    assert!(causes.contains(PAYER) && causes.contains("AccessDenied"), "{causes}");
    assert!(!refused.to_string().contains(PAYER), "callers need not know: {refused}");
    for role in [None, Some(OTHER)] {
        call(&*bedrock, "us-east-1", role).await.unwrap();
    }
    let asked = |account: &Account| account.state().assumed.iter().filter(|(role, _)| role == PAYER).count();
    let before = asked(&account);
    for result in join_all((0..50).map(|_| call(&*bedrock, "us-east-1", Some(PAYER)))).await {
        assert_eq!(result.unwrap_err().reason, Reason::UpstreamCredentials);
    }
    assert!(asked(&account) - before <= 1, "{} of 50 calls asked STS", asked(&account) - before);
}

/// U14: of roles in the emulator, which refuses sessions that have ended.
#[tokio::test]
async fn sessions_are_renewed_before_they_end() {
    let emulator = Emulator::start(EmulatorSettings::default()).await.unwrap();
    emulator.set_session_lifetime(Some(Duration::from_secs(2)));
    let settings = Settings::default();
    let bedrock =
        upstream::start_on_emulator(&emulator.url(), &settings.aws, &settings.timeouts).unwrap().bedrock;
    let mut calls = 0;
    while emulator.assumed_roles().len() < 4 {
        call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap();
        calls += 1;
    }
    assert!(calls > 100, "{calls}");
    let key = access_key_id_of(PAYER);
    assert!(emulator.calls().iter().all(|call| call.access_key_id.as_deref() == Some(&key)));
}

/// The test below, in an environment of its own.
#[tokio::test]
async fn a_role_wins_over_a_bearer_token() {
    let account = Account::open().await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "roles_are_assumed::calls_in_an_environment_of_its_own"])
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "very-secret")
        .env("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key")
        .env("AWS_ENDPOINT_URL", account.url());
    let told = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(told.status.success(), "{told:?}");
    let state = account.state();
    assert_eq!(state.assumed, [(PAYER.to_owned(), "AKIDEXAMPLE".to_owned())]);
    assert_eq!(state.signatures[0], "Bearer bedrock-api-key");
    assert_eq!(key(&state.signatures[1]), "payer-1");
}

#[tokio::test]
#[ignore = "needs the environment that a_role_wins_over_a_bearer_token gives it"]
async fn calls_in_an_environment_of_its_own() {
    let settings = Settings::default();
    let bedrock = upstream::start(&settings.aws, &settings.timeouts).await.unwrap().bedrock;
    call(&*bedrock, "us-east-1", None).await.unwrap();
    call(&*bedrock, "us-east-1", Some(PAYER)).await.unwrap();
}
