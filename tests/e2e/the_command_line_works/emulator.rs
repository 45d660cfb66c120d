//! `emulator`: one region or several, each with its share of faults.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bedrock_inference_emulator::access_key_id_of;
use bytes::Bytes;
use http::Method;
use tokio::runtime::Runtime;

use super::aws::{outside, serve_on_aws};
use super::process::{Running, file, program, run};
use crate::the_edge_speaks_grpc::raw;

/// The status of a call that was signed for a region.
fn status(addr: SocketAddr, region: &str) -> u16 {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signature =
        format!("AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/bedrock/aws4_request, Signature=0");
    let request = raw::request(addr, Method::POST, "/model/amazon.nova-lite-v1%3A0/converse")
        .header("authorization", signature);
    let body = Bytes::from_static(br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#);
    runtime.block_on(raw::send(&raw::http1(), request, body)).status
}

#[test]
fn several_regions_have_faults_of_their_own_and_tell_the_gateway_where_they_are() {
    let mut command = program(&["emulator", "--listen", "127.0.0.1:0"]);
    command.args(["--region", "us-east-1", "--region", "us-west-2"]);
    command.args(["--fault", "us-west-2:ServiceUnavailableException=100%", "--fault", "garbage=0%"]);
    let emulator = Running::start(&mut command);
    let east = emulator.addr;
    let told = emulator.says("us-west-2 = ");
    let endpoints: BTreeMap<String, String> = toml::from_str(&told).unwrap();
    let west = endpoints["us-west-2"].strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!((status(east, "us-east-1"), status(west, "us-west-2")), (200, 503));
    assert_eq!(status(east, "us-west-2"), 403, "signed for the other region");
    assert_eq!(emulator.stop("TERM"), Some(0));
}

#[test]
fn an_emulator_alone_answers_for_any_region() {
    let emulator = Running::start(&mut program(&["emulator", "--listen", "127.0.0.1:0"]));
    assert_eq!(status(emulator.addr, "us-west-2"), 200);
    let (code, told) = emulator.stop_and_tell("INT");
    assert_eq!((code, told.len()), (Some(0), 1), "{told:?}");
}

#[test]
fn what_cannot_be_is_told_before_it_listens() {
    for (arguments, told) in [
        (&["--region", "us-east-1", "--region", "us-east-1"][..], "named twice"),
        (&["--region", "US"], "`US` is no region"),
        (&["--listen", "127.0.0.1:65535", "--region", "us-east-1", "--region", "us-west-2"], "beyond 65535"),
        (&["--fault", "stall"], "expected FAULT=SHARE%"),
        (&["--fault", "nonsense=1%"], "unknown fault `nonsense`"),
        (&["--fault", "stall=101%"], "the share of `stall` is 1.01"),
        (&["--fault", "stall=60%", "--fault", "garbage=60%"], "add up to 1.2"),
        (&["--fault", "eu-west-1:stall=1%"], "region `eu-west-1`: expected one of us-east-1"),
    ] {
        let found = run(program(&["emulator"]).args(arguments)).bad(2);
        assert!(found.contains(told), "{arguments:?}: {found}");
    }
}

#[test]
fn the_aws_sdk_assumes_a_role_of_the_emulator() {
    let role = "arn:aws:iam::123456789012:role/gateway";
    let outside = outside();
    let role_and_keys = format!(
        "[default]\nrole_arn = {role}\nsource_profile = keys\n\
         [profile keys]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = very-secret\n"
    );
    let url = outside.emulator.url();
    let service = Running::start(
        serve_on_aws()
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_CONFIG_FILE", file("role", &role_and_keys))
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url)
            .env("AWS_ENDPOINT_URL_STS", &url),
    );
    run(&mut program(&["ask", "--endpoint", &service.url(), "amazon.nova-lite-v1:0", "hi"])).good();
    let call = outside.emulator.calls().remove(0);
    assert_eq!(call.access_key_id, Some(access_key_id_of(role)));
    let assumed = outside.emulator.assumed_roles().remove(0);
    assert_eq!((assumed.role_arn.as_str(), assumed.signed_by.as_deref()), (role, Some("AKIDEXAMPLE")));
}
