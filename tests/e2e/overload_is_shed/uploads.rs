//! Many large requests that come at once: only so many bytes of them are kept.

use bedrock_inference_proto::v1::Priority;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Status;

use super::SOON;
use crate::apart::{Apart, MIB};
use crate::shed::{assert_shed, client, of};
use crate::stage::{NOVA, ask, reason};
use crate::the_edge_speaks_grpc::raw::CONVERSE;

/// What is kept of them at the most.
const ROOM: u64 = 16 * MIB;

/// What comes of each, and then nothing more.
const COMES: usize = 8 << 20;

/// On a connection of its own, a request of which a part comes: how it is refused.
async fn upload(addr: std::net::SocketAddr) -> Status {
    let head = Bytes::from_static(&[0, 1, 0, 0, 0]);
    let piece = Bytes::from(vec![0; 64 << 10]);
    let pieces = std::iter::once(head).chain(std::iter::repeat_n(piece, COMES >> 16));
    let frames = stream::iter(pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece))));
    let request = http::Request::post(format!("http://{addr}{CONVERSE}"));
    let request = request.header("content-type", "application/grpc");
    let request = request.body(StreamBody::new(frames.chain(stream::pending()))).unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = client.request(request).await.unwrap();
    Status::from_header_map(response.headers()).unwrap()
}

/// C14, I12: forty times eight MiB where sixteen are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_take_no_more_than_their_room() {
    const UPLOADS: usize = 40;
    const KEPT: usize = 2;
    let apart = Apart::open(&[("BEDROCK_INFERENCE_SERVER__UPLOAD_BYTES", &ROOM.to_string())]).await;
    let channel = apart.channel().await;
    client(&channel).converse(of(Priority::Interactive)).await.unwrap();
    let before = apart.resident();
    let mut uploads = JoinSet::new();
    for _ in 0..UPLOADS {
        uploads.spawn(upload(apart.addr()));
    }
    // Those that are refused make room until all others have come.
    for _ in 0..UPLOADS - KEPT {
        let status = timeout(SOON, uploads.join_next()).await.expect("too many are kept").unwrap().unwrap();
        assert_shed(&status);
    }
    let held = apart.resident().saturating_sub(before);
    println!(
        "{UPLOADS} uploads of 8 MiB: {} were kept, memory +{:.1} MiB",
        uploads.len(),
        held as f64 / MIB as f64
    );
    // Each connection's windows may be full beside, and the allocator keeps some of what was refused.
    assert!(held < 6 * ROOM, "{held} bytes");
    join_all((0..20).map(|_| async { client(&channel).converse(of(Priority::Interactive)).await.unwrap() }))
        .await;
    let large = async || client(&channel).converse(ask(NOVA, &"x".repeat(14 << 20))).await;
    assert_shed(&large().await.unwrap_err());
    uploads.shutdown().await;
    // Once their clients have gone there is room again, and the model judges it.
    let judged = async {
        loop {
            match reason(&large().await.unwrap_err()).as_str() {
                "SERVER_OVERLOADED" => {}
                reason => break assert_eq!(reason, "CONTEXT_WINDOW_EXCEEDED"),
            }
        }
    };
    timeout(SOON, judged).await.expect("the room is lost");
    assert_eq!(apart.service.stop("TERM"), Some(0));
}
