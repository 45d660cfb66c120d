//! `serve` and `emulator`: what runs until it is told to stop.

use std::net::TcpStream;

use serde_json::Value;

use super::process::{Running, program, run, serve};

#[test]
fn signals_end_it_with_success() {
    for signal in ["TERM", "INT"] {
        let service = serve();
        let addr = service.addr;
        let told = service.says("made up");
        assert!(told.contains("emulator"), "{told}");
        assert_eq!(service.stop(signal), Some(0), "{signal}");
        TcpStream::connect(addr).unwrap_err();
    }
}

#[test]
fn the_greeting_says_who_may_call_and_what_to_try() {
    let service = serve();
    let (addr, path) = (service.addr, env!("CARGO_BIN_EXE_bedrock-inference"));
    let (code, told) = service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    let told = told.join("\n");
    for line in [
        "upstream: the built-in emulator at http://127.0.0.1:",
        "every process on this machine calls as tenant `local`",
        &format!("\n  {path} ask --endpoint http://{addr} "),
        "\nstopping: ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let open = ["serve", "--upstream", "emulator", "--listen", "0.0.0.0:0", "--insecure"];
    Running::start(&mut program(&open)).says("everyone who reaches it calls as tenant `local`");
}

/// The messages of log lines, every one of which must be JSON.
fn messages(lines: &[String]) -> Vec<String> {
    let message = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line["fields"]["message"].as_str().unwrap().to_owned()
    };
    lines.iter().map(message).collect()
}

/// I20.
#[test]
fn with_json_logs_every_line_is_json() {
    let json = || {
        let mut command = program(&["serve", "--upstream", "emulator"]);
        command.env("BEDROCK_INFERENCE_LOG__FORMAT", "json");
        command
    };
    let service = Running::start(json().args(["--listen", "127.0.0.1:0"]));
    let addr = service.addr.to_string();
    let told = run(json().args(["--listen", &addr])).bad(2);
    let told = messages(&told.lines().map(str::to_owned).collect::<Vec<_>>());
    assert!(told.last().unwrap().contains(&format!("cannot listen on {addr}")), "{told:?}");
    let (code, told) = service.stop_and_tell("TERM");
    assert_eq!(code, Some(0));
    let told = messages(&told);
    for message in ["listens on ", "upstream: the built-in emulator", "tenant `local`", "stopping: "] {
        assert!(told.iter().any(|told| told.contains(message)), "{message}: {told:?}");
    }
}

#[test]
fn an_address_in_use_is_told() {
    let service = serve();
    let addr = service.addr.to_string();
    let told = run(&mut program(&["serve", "--upstream", "emulator", "--listen", &addr])).bad(2);
    assert!(told.contains(&format!("cannot listen on {addr}")), "{told}");
}

#[test]
fn a_listener_that_others_can_reach_needs_insecure() {
    let open = ["serve", "--upstream", "emulator", "--listen", "0.0.0.0:0"];
    let told = run(&mut program(&open)).bad(2);
    assert!(told.contains("--insecure"), "{told}");
    let service = Running::start(program(&open).arg("--insecure"));
    assert!(service.addr.ip().is_unspecified());
    assert_eq!(service.stop("TERM"), Some(0));
}

#[test]
fn the_emulator_stands_alone() {
    let emulator = Running::start(&mut program(&["emulator", "--listen", "127.0.0.1:0"]));
    let service = Running::start(
        program(&["serve", "--listen", "127.0.0.1:0"])
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "emulator")
            .env("AWS_SECRET_ACCESS_KEY", "emulator")
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator.url()),
    );
    let told = run(&mut program(&["ask", "--endpoint", &service.url(), "amazon.nova-lite-v1:0", "hello"]))
        .good_and_told();
    assert!(told.contains("served"), "{told}");
    assert_eq!(service.stop("TERM"), Some(0));
    assert_eq!(emulator.stop("TERM"), Some(0));
}

#[test]
fn the_emulator_refuses_a_pace_that_is_none() {
    for rate in ["0", "-1", "NaN", "inf"] {
        let rate = format!("--rate={rate}");
        let told = run(&mut program(&["emulator", "--listen", "127.0.0.1:0", &rate])).bad(2);
        assert!(told.contains("--rate"), "{told}");
    }
}
