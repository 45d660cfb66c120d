//! `serve` and `emulator`: what runs until it is told to stop.

use std::net::TcpStream;

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
    let told =
        run(&mut program(&["ask", "--endpoint", &service.url(), "amazon.nova-lite-v1:0", "hello"])).good();
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
