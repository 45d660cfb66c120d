//! `grpc-timeout`: a header that is not of gRPC's form is refused, the shortest deadline is kept.

use tonic::{Code, Request};

use crate::stage::{NOVA, Stage, ask, ask_stream, reason};

fn with_timeout<T>(message: T, timeout: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

/// C6: what is no deadline.
#[tokio::test]
async fn a_deadline_that_is_none_is_refused_before_anything_is_paid() {
    let stage = Stage::open().await;
    for garbage in ["", "soon", "10", "S", "1s", "-1S", "1.5S", "123456789S", "0x1S", " 1S", "1S 1S"] {
        let status = stage.clockless().converse(with_timeout(ask(NOVA, "hi"), garbage)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_DEADLINE"));
        let stream = stage.clockless().converse_stream(with_timeout(ask_stream(NOVA, "hi"), garbage)).await;
        let status = stream.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_DEADLINE"));
    }
    assert_eq!(stage.emulator.counts().started, 0);
}

/// C6: one that has passed.
#[tokio::test]
async fn the_shortest_deadline_is_deadline_exceeded() {
    let stage = Stage::open().await;
    let client = stage.clockless();
    for timeout in ["1n", "0n", "0m", "1u"] {
        for _ in 0..50 {
            stage.emulator.script("stall".parse().unwrap());
            let status = client.clone().converse(with_timeout(ask(NOVA, "hi"), timeout)).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout}: {status:?}");
            assert_eq!(reason(&status), "CLIENT_DEADLINE", "{timeout}");
        }
    }
}

#[tokio::test]
async fn the_longest_deadline_is_no_obstacle() {
    let stage = Stage::open().await;
    for timeout in ["99999999H", "99999999M", "99999999S", "99999999m"] {
        stage.clockless().converse(with_timeout(ask(NOVA, "hi"), timeout)).await.unwrap();
    }
}
