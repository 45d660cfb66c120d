//! Regions: each is called at its own endpoint, and one that goes away and comes back is missed no longer than that.

use std::collections::BTreeMap;

use bedrock_inference::config::Settings;
use bedrock_inference::error::Reason;
use bedrock_inference::upstream;
use bedrock_inference_emulator::{Regions, Settings as EmulatorSettings};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use futures_util::{StreamExt, stream};
use tonic::Code;
use tonic::transport::Channel;

use crate::account::Account;
use crate::authority::Authority;
use crate::credentials_are_renewed::service;
use crate::roles_are_assumed::call;
use crate::stage::{NOVA, Stage, ask, reason, told};
use crate::the_command_line_works::aws::{keys, outside, serve_on_aws};
use crate::the_command_line_works::process::{Running, file, program, run};

#[tokio::test]
async fn each_region_is_called_at_its_own_endpoint() {
    let regions = Regions::start(["us-east-1", "us-west-2", "ap-northeast-1"], EmulatorSettings::default());
    let regions = regions.await.unwrap();
    let mut settings = Settings::default();
    settings.aws.endpoints = regions.urls();
    let nowhere = "http://127.0.0.1:9";
    let started = upstream::start_on_emulator(nowhere, &settings.aws, &settings.timeouts).unwrap();
    // Each refuses what was signed for another.
    for region in ["us-west-2", "us-east-1", "ap-northeast-1", "us-west-2", "us-east-1", "us-west-2"] {
        call(&*started.bedrock, region, None).await.unwrap();
    }
    let counts: Vec<_> = regions.iter().map(|(_, emulator)| emulator.counts().started).collect();
    assert_eq!(counts, [2, 3, 1]);
    let elsewhere = call(&*started.bedrock, "eu-west-1", None).await.unwrap_err();
    assert_eq!(elsewhere.reason, Reason::UpstreamUnreachable);
}

#[test]
fn an_endpoint_of_a_region_wins_on_aws_too_and_is_announced() {
    let outside = outside();
    let url = outside.emulator.url();
    let endpoints =
        format!("[aws]\nendpoint = \"http://127.0.0.1:9\"\n[aws.endpoints]\n\"eu-central-1\" = {url:?}\n");
    let service = Running::start(keys(serve_on_aws().arg("--config").arg(file("gateway.toml", &endpoints))));
    service.says(&format!("endpoint http://127.0.0.1:9; eu-central-1 at {url}"));
    run(&mut program(&["ask", "--endpoint", &service.url(), NOVA, "hello"])).good();
    assert_eq!(outside.emulator.counts().started, 1);
}

#[test]
fn mistakes_in_endpoints_are_told_with_their_keys() {
    let wrong = "[aws]\nendpoint = \"bedrock\"\n[aws.endpoints]\n\"mars\" = \"https://host\"\n\"us-west-2\" = \"ftp://host\"\n";
    let path = file("wrong.toml", wrong);
    let path = path.to_str().unwrap();
    let checked = run(&mut program(&["check", "--config", path]));
    let served = run(&mut program(&["serve", "--config", path]));
    assert_eq!((checked.code, served.code), (Some(2), Some(2)));
    for told in [checked.stdout, served.stderr] {
        for key in ["aws.endpoint is \"bedrock\"", "aws.endpoints.\"mars\"", "aws.endpoints.\"us-west-2\""] {
            assert!(told.contains(key), "{key}: {told}");
        }
    }
}

/// How so many calls end, by reason, one after the other or all at once.
async fn outcomes(channel: &Channel, calls: usize, at_once: usize) -> BTreeMap<String, usize> {
    let one = |_| async {
        let Err(status) = InferenceClient::new(channel.clone()).converse(ask(NOVA, "hello")).await else {
            return "OK".to_owned();
        };
        let reason = reason(&status);
        if reason == "UPSTREAM_UNREACHABLE" {
            assert_eq!((status.code(), told(&status, "billed")), (Code::Unavailable, "none".to_owned()));
        }
        reason
    };
    let mut found = BTreeMap::new();
    let mut ended = stream::iter(0..calls).map(one).buffer_unordered(at_once);
    while let Some(outcome) = ended.next().await {
        *found.entry(outcome).or_default() += 1;
    }
    found
}

/// U4, U17: the region closes every connection of the pool, and calls that begin then are known to cost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_was_down_is_back_at_once() {
    const HOME: &str = "us-east-1";
    const CALLS: usize = 200;
    let mut regions = Regions::start([HOME], EmulatorSettings::default()).await.unwrap();
    let stage = Stage::in_front_of(&regions.urls()[HOME]).await;
    for at_once in [1, 32] {
        // Fills the pool.
        assert_eq!(outcomes(&stage.channel, 64, 32).await, [("OK".to_owned(), 64)].into());
        regions.take_down(HOME).await.unwrap();
        let down = outcomes(&stage.channel, CALLS, at_once).await;
        assert_eq!(down, [("UPSTREAM_UNREACHABLE".to_owned(), CALLS)].into());
        regions.put_up(HOME).await.unwrap();
        let back = outcomes(&stage.channel, 1, 1).await;
        assert_eq!(back, [("OK".to_owned(), 1)].into(), "the first call finds it");
    }
}

/// U17: the same of HTTP/2 connections behind TLS, which carry many calls each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_connections_of_http2_cost_nothing_either() {
    const CALLS: usize = 200;
    let authority = Authority::new("region");
    let identity = authority.signs("region");
    let ca = file("ca.crt", &authority.certificate).to_string_lossy().into_owned();
    let mut region = Account::at("127.0.0.1:0".parse().unwrap(), Some(&identity)).await;
    let url = region.url().to_owned();
    let addr = format!("127.0.0.1:{}", url.rsplit(':').next().unwrap()).parse().unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", "AKID".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    let more = [
        ("SSL_CERT_FILE", ca),
        ("BEDROCK_INFERENCE_RETRY__ATTEMPTS", "1".to_owned()),
        ("BEDROCK_INFERENCE_BREAKER__OPEN", "0s".to_owned()),
    ];
    let environment: Vec<_> = keys.into_iter().chain(more).collect();
    let (_service, channel) = service(&region, &environment).await;
    for at_once in [1, 32] {
        assert_eq!(outcomes(&channel, 64, 32).await, [("OK".to_owned(), 64)].into());
        region.close().await;
        let mut down = outcomes(&channel, CALLS, at_once).await;
        // A call may be written before the end of its connection has been read, on a busy machine.
        let lost = down.remove("UPSTREAM_CONNECTION_LOST").unwrap_or_default();
        assert!(lost <= 2, "{lost} of {CALLS}");
        assert_eq!(down, [("UPSTREAM_UNREACHABLE".to_owned(), CALLS - lost)].into());
        region = Account::at(addr, Some(&identity)).await;
        assert_eq!(outcomes(&channel, 1, 1).await, [("OK".to_owned(), 1)].into());
    }
}
