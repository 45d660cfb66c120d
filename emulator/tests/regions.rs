//! Several regions at once: addresses, signatures, and regions that go down and come back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod client;

use std::io::ErrorKind;
use std::net::SocketAddr;

use bedrock_inference_emulator::{Emulator, Fault, Regions, Settings};
use client::{BOTH, Client, NOVA, Protocol, emulator, hello, path, soon, with_fault};
use tokio::net::{TcpListener, TcpStream};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

async fn both() -> Regions {
    Regions::start([EAST, WEST], Settings::default()).await.unwrap()
}

async fn status(emulator: &Emulator) -> u16 {
    let mut client = Client::connect(emulator, Protocol::Http1).await;
    client.converse(NOVA, &hello()).await.status.as_u16()
}

fn signed_for(region: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/bedrock/aws4_request, Signature=0")
}

#[tokio::test]
async fn every_region_has_a_url_faults_and_records_of_its_own() {
    let regions = both().await;
    let (east, west) = (regions.get(EAST).unwrap(), regions.get(WEST).unwrap());
    assert!(regions.get("eu-west-1").is_none());
    let urls = regions.urls();
    assert_eq!((&urls[EAST], &urls[WEST]), (&east.url(), &west.url()));
    assert_ne!(east.url(), west.url());
    assert_eq!(regions.iter().map(|(region, _)| region).collect::<Vec<_>>(), [EAST, WEST]);
    west.script(Fault::Http(503));
    assert_eq!((status(east).await, status(west).await), (200, 503));
    assert_eq!((east.counts().started, west.counts().started), (1, 1));
    soon(regions.shutdown()).await;
}

#[tokio::test]
async fn a_region_refuses_what_was_signed_for_another() {
    let regions = both().await;
    let mut client = Client::connect(regions.get(WEST).unwrap(), Protocol::Http1).await;
    let path = path(NOVA, "converse");
    let mut refused = async |region| {
        let answer = client.post_as(&path, &signed_for(region), &hello()).await;
        (answer.status.as_u16(), answer)
    };
    assert_eq!(refused(WEST).await.0, 200);
    let (status, answer) = refused(EAST).await;
    assert_eq!(status, 403);
    assert!(answer.header("x-amzn-errortype").starts_with("InvalidSignatureException:"));
    assert_eq!(answer.json()["message"], "Credential should be scoped to a valid region.");
    let calls = regions.get(WEST).unwrap().calls();
    assert_eq!(calls.last().unwrap().access_key_id.as_deref(), Some("AKID"));
    // What names no region is no mistake of the region: bearer tokens, and scopes of all regions.
    let mut client = Client::connect(regions.get(WEST).unwrap(), Protocol::Http1).await;
    for authorization in
        ["Bearer abc", "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/bedrock/aws4_request"]
    {
        assert_eq!(client.post_as(&path, authorization, &hello()).await.status, 200, "{authorization}");
    }
}

#[tokio::test]
async fn an_emulator_alone_answers_for_any_region() {
    let alone = emulator().await;
    let one = Regions::start([WEST], Settings::default()).await.unwrap();
    for emulator in [&alone, one.get(WEST).unwrap()] {
        let mut client = Client::connect(emulator, Protocol::Http1).await;
        let answer = client.post_as(&path(NOVA, "converse"), &signed_for("eu-west-1"), &hello()).await;
        assert_eq!(answer.status, 200);
    }
    let settings = Settings { refuses_other_regions: true, ..Settings::default() };
    let strict = Emulator::start(settings).await.unwrap();
    let mut client = Client::connect(&strict, Protocol::Http1).await;
    let answer = client.post_as(&path(NOVA, "converse"), &signed_for("eu-west-1"), &hello()).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_region_goes_down_for_real_and_comes_back_at_its_address() {
    for protocol in BOTH {
        let mut regions = both().await;
        let urls = regions.urls();
        let addr = regions.get(WEST).unwrap().addr();
        let mut client = Client::connect(regions.get(WEST).unwrap(), protocol).await;
        let stalled = with_fault(hello(), "stall").to_string();
        let call = tokio::spawn(async move { client.post(&path(NOVA, "converse"), stalled).await.map(drop) });
        soon(regions.get(WEST).unwrap().wait_for(|counts| counts.started == 1)).await;
        for _ in 0..3 {
            soon(regions.take_down(WEST)).await.unwrap();
            assert!(regions.get(WEST).is_none());
            let refused = TcpStream::connect(addr).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            assert_eq!(regions.urls(), urls);
            assert_eq!(status(regions.get(EAST).unwrap()).await, 200);
            // Down is down, however often it is said.
            soon(regions.take_down(WEST)).await.unwrap();
            regions.put_up(WEST).await.unwrap();
            regions.put_up(WEST).await.unwrap();
            let west = regions.get(WEST).unwrap();
            assert_eq!((west.addr(), status(west).await, west.counts().started), (addr, 200, 1));
        }
        assert!(soon(call).await.unwrap().is_err(), "{protocol:?}");
        assert_eq!(regions.take_down("eu-west-1").await.unwrap_err().kind(), ErrorKind::NotFound);
        let unknown = regions.put_up("eu-west-1").await.unwrap_err().to_string();
        assert_eq!(unknown, "no region `eu-west-1`: expected one of us-east-1, us-west-2");
        // It refuses others still.
        let mut client = Client::connect(regions.get(WEST).unwrap(), protocol).await;
        assert_eq!(client.post_as(&path(NOVA, "converse"), &signed_for(EAST), &hello()).await.status, 403);
    }
}

#[tokio::test]
async fn ports_follow_on_the_first() {
    // A pair of free ports, let go at once; another process may be quicker, hence the tries.
    for _ in 0..20 {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let settings = Settings { listen: free, ..Settings::default() };
        if let Ok(regions) = Regions::start([EAST, WEST], settings).await {
            assert_eq!(regions.get(EAST).unwrap().addr(), free);
            let next = SocketAddr::new(free.ip(), free.port() + 1);
            assert_eq!(regions.get(WEST).unwrap().addr(), next);
            return;
        }
    }
    panic!("never were two ports free in a row");
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let taken = emulator().await;
    let last = SocketAddr::from(([127, 0, 0, 1], 65_535));
    for (regions, listen, kind, told) in [
        (vec![], taken.addr(), ErrorKind::InvalidInput, "no region: expected at least one".to_owned()),
        (
            vec![EAST, WEST, EAST],
            taken.addr(),
            ErrorKind::InvalidInput,
            "region us-east-1 is named twice: expected each once".to_owned(),
        ),
        (
            vec!["US East"],
            taken.addr(),
            ErrorKind::InvalidInput,
            "`US East` is no region: expected a name such as us-east-1".to_owned(),
        ),
        (
            vec![EAST, WEST],
            last,
            ErrorKind::InvalidInput,
            "no port for us-west-2: 2 ports from 65535 on go beyond 65535".to_owned(),
        ),
        (vec![EAST], taken.addr(), ErrorKind::AddrInUse, format!("cannot listen on {}", taken.addr())),
    ] {
        let settings = Settings { listen, ..Settings::default() };
        let error = Regions::start(regions.clone(), settings).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{regions:?}");
        assert!(error.to_string().starts_with(&told), "{error}");
    }
}
