//! `serve` on AWS: region, endpoint and credentials, found as the SDK finds them.

use std::process::Command;
use std::time::Duration;

use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings};
use tokio::runtime::Runtime;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::process::{Running, file, program, run};

const NOVA: &str = "amazon.nova-lite-v1:0";

/// An emulator outside, and the runtime that it lives in.
pub struct Outside {
    runtime: Runtime,
    pub emulator: Emulator,
}

pub fn outside() -> Outside {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = runtime.block_on(Emulator::start(EmulatorSettings::default())).unwrap();
    Outside { runtime, emulator }
}

pub fn serve_on_aws() -> Command {
    program(&["serve", "--listen", "127.0.0.1:0"])
}

pub fn keys(command: &mut Command) -> &mut Command {
    command
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "very-secret")
}

fn ask(service: &Running, prompt: &str) -> super::process::Finished {
    run(&mut program(&["ask", "--endpoint", &service.url(), NOVA, prompt]))
}

#[test]
fn without_a_region_it_names_the_emulator() {
    let told = run(&mut serve_on_aws()).bad(2);
    assert!(told.contains("AWS_REGION") && told.contains("--upstream emulator"), "{told}");
}

#[test]
fn without_credentials_it_names_the_emulator() {
    let told = run(serve_on_aws().env("AWS_REGION", "us-east-1")).bad(2);
    assert!(told.contains("no AWS credentials") && told.contains("--upstream emulator"), "{told}");
    let told = run(serve_on_aws().env("AWS_REGION", "us-east-1").env("AWS_BEARER_TOKEN_BEDROCK", "")).bad(2);
    assert!(told.contains("no AWS credentials"), "{told}");
}

#[test]
fn a_bearer_token_serves() {
    let outside = outside();
    let service = Running::start(
        serve_on_aws()
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-secret")
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", outside.emulator.url()),
    );
    let told = ask(&service, "hello").good_and_told();
    assert!(told.contains("in eu-central-1 by native"), "{told}");
    assert!(outside.emulator.calls()[0].authorized);
}

#[test]
fn access_keys_serve() {
    let outside = outside();
    let url = outside.emulator.url();
    let service = Running::start(keys(&mut serve_on_aws()).env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url));
    service.says(&format!("upstream: Amazon Bedrock, region eu-central-1, endpoint {url}"));
    let told = ask(&service, "hello").good_and_told();
    assert!(told.contains("in eu-central-1 by native"), "{told}");
    assert!(outside.emulator.calls()[0].authorized);
}

#[test]
fn files_of_aws_and_a_profile_of_the_configuration_serve() {
    let outside = outside();
    let credentials = file(
        "credentials",
        "[gateway]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = very-secret\n",
    );
    let aws = file("aws-config", "[profile gateway]\nregion = ap-northeast-1\n");
    let ours = file(
        "gateway.toml",
        &format!("[aws]\nprofile = \"gateway\"\nendpoint = {:?}\n", outside.emulator.url()),
    );
    let service = Running::start(
        serve_on_aws()
            .arg("--config")
            .arg(ours)
            .env("AWS_CONFIG_FILE", aws)
            .env("AWS_SHARED_CREDENTIALS_FILE", credentials),
    );
    let told = ask(&service, "hello").good_and_told();
    assert!(told.contains("in ap-northeast-1 by native"), "{told}");
}

/// U15: at start.
#[test]
fn a_provider_that_cannot_be_reached_means_not_serving_and_staying_up() {
    let token = file("token", "a.b.c");
    let mut service = Running::start(
        serve_on_aws()
            .env("AWS_REGION", "us-east-1")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gateway")
            .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
    );
    service.says("AWS credentials cannot be had now");
    assert!(service.is_running());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let endpoint = tonic::transport::Endpoint::from_shared(service.url()).unwrap();
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
    });
    assert_eq!(status, ServingStatus::NotServing);
    let told = ask(&service, "hello").bad(1);
    assert!(told.contains("UNAVAILABLE (UPSTREAM_CREDENTIALS)"), "{told}");
    assert_eq!(service.stop("TERM"), Some(0));
}

#[test]
fn sigterm_lets_a_running_call_end() {
    let outside = outside();
    let pace = bedrock_inference_emulator::Pace {
        first_token: Duration::from_millis(500),
        tokens_per_second: Some(50.0),
    };
    outside.emulator.set_pace(pace);
    let url = outside.emulator.url();
    let service = Running::start(keys(&mut serve_on_aws()).env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url));
    let asking = program(&["ask", "--endpoint", &service.url(), NOVA, "hello"]).spawn().unwrap();
    outside.runtime.block_on(outside.emulator.wait_for(|counts| counts.started == 1));
    assert_eq!(service.stop("TERM"), Some(0));
    let told: super::process::Finished = asking.wait_with_output().unwrap().into();
    assert!(told.good_and_told().contains("served"));
}

#[test]
fn an_environment_variable_reaches_the_clocks() {
    let outside = outside();
    let url = outside.emulator.url();
    let mut command = serve_on_aws();
    keys(&mut command).env("BEDROCK_INFERENCE_TIMEOUTS__IDLE", "200ms");
    let service = Running::start(command.env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url));
    outside.emulator.script("stall@3".parse().unwrap());
    let told = ask(&service, "Write a haiku about rivers.").bad(1);
    assert!(told.contains("ABORTED (UPSTREAM_STALLED)") && told.contains("200ms"), "{told}");
}
