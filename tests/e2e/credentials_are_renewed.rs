//! Credentials: what AWS refuses is asked for anew, once for all calls, and nobody notices where that helps.

use std::time::{Duration, Instant};

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::account::{Account, key};
use crate::stage::{NOVA, ask, reason, report};
use crate::the_command_line_works::aws::serve_on_aws;
use crate::the_command_line_works::process::{Running, file};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(30);

/// A service apart, by Converse in the account, and a channel to it.
pub async fn service(account: &Account, environment: &[(&str, String)]) -> (Running, Channel) {
    let mut command = serve_on_aws();
    command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", account.url())
        .env("BEDROCK_INFERENCE_ROUTE", "converse")
        .envs(environment.iter().map(|(name, value)| (*name, value)));
    let service = tokio::task::spawn_blocking(move || Running::start(&mut command)).await.unwrap();
    let channel = bedrock_inference::app::wait_until_ready(service.addr, SOON).await.unwrap();
    (service, channel)
}

async fn call(channel: &Channel) -> Result<(), Status> {
    InferenceClient::new(channel.clone()).converse(ask(NOVA, "hello")).await.map(drop)
}

/// U14: keys that are revoked again and again, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_because_a_key_was_revoked() {
    let account = Account::open().await;
    let (_service, channel) = service(&account, &[account.source()]).await;
    account.state().revoke_after = Some(Duration::from_millis(1_200));
    let end = Instant::now() + Duration::from_secs(5);
    let calls = stream::repeat(()).take_while(|()| std::future::ready(Instant::now() < end));
    let calls = calls.map(|()| call(&channel)).buffer_unordered(16);
    let results: Vec<_> = timeout(SOON, calls.collect::<Vec<_>>()).await.unwrap();
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), results.len(), failed[0]);
    let state = account.state();
    assert!(state.revoked.len() >= 3 && results.len() > 100, "{} revoked", state.revoked.len());
    // One renewal for each, however many calls were refused at the same moment.
    assert_eq!(state.asked, state.revoked.len() + 1, "{} calls", results.len());
}

/// U14: a file of AWS's, rewritten while the service runs.
#[tokio::test]
async fn a_rewritten_credentials_file_is_read() {
    let account = Account::open().await;
    let keys = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
    let path = file("credentials", &keys("OLD"));
    let environment = [("AWS_SHARED_CREDENTIALS_FILE", path.to_string_lossy().into_owned())];
    let (_service, channel) = service(&account, &environment).await;
    call(&channel).await.unwrap();
    account.state().revoked.insert("OLD".to_owned());
    std::fs::write(&path, keys("NEW")).unwrap();
    call(&channel).await.unwrap();
    let keys: Vec<_> = account.state().signatures.iter().map(|signature| key(signature).to_owned()).collect();
    assert_eq!(keys, ["OLD", "OLD", "NEW"]);
}

/// U14: a key that stays wrong.
#[tokio::test]
async fn a_key_that_stays_wrong_is_tried_twice() {
    let account = Account::open().await;
    account.state().revoked.insert("WRONG".to_owned());
    let environment = [("AWS_ACCESS_KEY_ID", "WRONG".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    let (_service, channel) = service(&account, &environment).await;
    for calls in 1..=3 {
        let status = call(&channel).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UPSTREAM_CREDENTIALS"));
        assert_eq!(report(&status).attempts.len(), 2);
        assert_eq!(account.state().signatures.len(), calls * 2);
    }
}

/// U15: later.
#[tokio::test]
async fn a_source_that_dies_is_not_missed_while_its_credentials_last() {
    let account = Account::open().await;
    // Renewed behind the calls from 2 s on.
    account.state().lifetime = Duration::from_secs(4);
    let (_service, channel) = service(&account, &[account.source()]).await;
    account.state().source_is_up = false;
    let asked = account.state().asked;
    let renewal = account.wait_for(|state| state.asked > asked);
    tokio::pin!(renewal);
    let calls = async {
        loop {
            call(&channel).await.unwrap();
        }
    };
    let both = async {
        tokio::select! {
            () = &mut renewal => {}
            () = calls => {}
        }
    };
    timeout(SOON, both).await.unwrap();
    call(&channel).await.unwrap();
    let signatures = account.state().signatures.clone();
    assert!(signatures.iter().all(|signature| key(signature) == "AKID1"), "{signatures:?}");
}
