//! Regions: each is called at its own endpoint, and one that goes away and comes back is missed no longer than that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bedrock_inference::config::Settings;
use bedrock_inference::upstream;
use bedrock_inference_emulator::{Emulator, Settings as EmulatorSettings};
use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::roles_are_assumed::call;
use crate::stage::{NOVA, Stage, ask, reason, told};
use crate::the_command_line_works::aws::{keys, serve_on_aws};
use crate::the_command_line_works::process::{Running, file, program, run};

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn each_region_is_called_at_its_own_endpoint() {
    let [home, west, tokyo] = [(); 3].map(|()| Emulator::start(EmulatorSettings::default()));
    let (home, west, tokyo) = (home.await.unwrap(), west.await.unwrap(), tokyo.await.unwrap());
    let mut settings = Settings::default();
    let endpoints = [("us-west-2", west.url()), ("ap-northeast-1", tokyo.url())];
    settings.aws.endpoints = endpoints.map(|(region, url)| (region.to_owned(), url)).into();
    let started = upstream::start_on_emulator(&home.url(), &settings.aws, &settings.timeouts).unwrap();
    for region in ["us-west-2", "us-east-1", "ap-northeast-1", "us-west-2", "eu-west-1", "us-west-2"] {
        call(&*started.bedrock, region, None).await.unwrap();
    }
    assert_eq!([&home, &west, &tokyo].map(|emulator| emulator.counts().started), [2, 3, 1]);
}

#[test]
fn an_endpoint_of_a_region_wins_on_aws_too_and_is_announced() {
    let outside = crate::the_command_line_works::aws::outside();
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

/// How calls end, by reason, one after the other or all at once.
async fn outcomes(stage: &Stage, calls: usize, at_once: bool) -> BTreeMap<String, usize> {
    let one = || async {
        match stage.inference().converse(ask(NOVA, "hello")).await {
            Ok(_) => "OK".to_owned(),
            Err(status) => {
                let reason = reason(&status);
                if reason == "UPSTREAM_UNREACHABLE" {
                    assert_eq!(
                        (status.code(), told(&status, "billed")),
                        (Code::Unavailable, "none".to_owned())
                    );
                }
                reason
            }
        }
    };
    let mut found = BTreeMap::new();
    let all = if at_once {
        join_all((0..calls).map(|_| one())).await
    } else {
        let mut all = Vec::new();
        for _ in 0..calls {
            all.push(one().await);
        }
        all
    };
    all.into_iter().for_each(|reason| *found.entry(reason).or_default() += 1);
    found
}

async fn taken_down(emulator: Emulator) -> SocketAddr {
    let addr = emulator.addr();
    drop(emulator);
    let closed = async { while TcpStream::connect(addr).await.is_ok() {} };
    timeout(SOON, closed).await.unwrap();
    addr
}

/// U4, U17: with connections in the pool that the region has closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_was_down_is_back_at_once() {
    const CALLS: usize = 200;
    let mut region = Emulator::start(EmulatorSettings::default()).await.unwrap();
    let stage = Stage::in_front_of(&region.url()).await;
    for at_once in [false, true] {
        // Fills the pool.
        assert_eq!(outcomes(&stage, 32, true).await, [("OK".to_owned(), 32)].into());
        let addr = taken_down(region).await;
        let found = outcomes(&stage, CALLS, at_once).await;
        println!("down, at once {at_once}: {found:?}");
        let listen = EmulatorSettings { listen: addr, ..EmulatorSettings::default() };
        region = Emulator::start(listen).await.unwrap();
        let back = Instant::now();
        let found_back = outcomes(&stage, 1, false).await;
        println!("back after {:?}: {found_back:?}", back.elapsed());
        assert_eq!(found, [("UPSTREAM_UNREACHABLE".to_owned(), CALLS)].into());
        assert_eq!(found_back, [("OK".to_owned(), 1)].into());
    }
}
