//! However a call ends, its permit comes back.

use std::sync::Arc;
use std::time::Duration;

use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{
    CallOptions, ConverseStreamRequest, ConverseStreamResponse, InferenceConfiguration, OnDisconnect,
    Priority,
};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

use super::{SOON, running, small};
use crate::a_panic_ends_one_call::Brittle;
use crate::shed::of;
use crate::slow_readers_are_borne::deltas;
use crate::stage::{CLAUDE, NOVA, Stage, ask_stream, failure, reason};

const SLOW: Duration = Duration::from_millis(100);

/// How a call can end.
#[derive(Debug, Clone, Copy)]
enum End {
    Answered,
    Refused,
    Unknown,
    Throttled,
    Cut,
    Panicked,
    LeftInTheMiddle(OnDisconnect),
    LeftBeforeContent(OnDisconnect),
    Late(OnDisconnect),
    TooSlow,
}

const ENDS: [End; 13] = [
    End::Answered,
    End::Refused,
    End::Unknown,
    End::Throttled,
    End::Cut,
    End::Panicked,
    End::LeftInTheMiddle(OnDisconnect::Drain),
    End::LeftInTheMiddle(OnDisconnect::Cancel),
    End::LeftBeforeContent(OnDisconnect::Drain),
    End::LeftBeforeContent(OnDisconnect::Cancel),
    End::Late(OnDisconnect::Drain),
    End::Late(OnDisconnect::Cancel),
    End::TooSlow,
];

fn request(model: &str, policy: OnDisconnect) -> ConverseStreamRequest {
    let options = CallOptions { on_disconnect: policy.into(), ..CallOptions::default() };
    ConverseStreamRequest { options: Some(options), ..ask_stream(model, "Write a haiku about rivers.") }
}

/// Lets a call end so. What is given back is held by nobody but who reads nothing.
async fn end(stage: &Stage, slow: &Channel, end: End) -> Option<Streaming<ConverseStreamResponse>> {
    let fault = |fault: &str| stage.emulator.script(fault.parse().unwrap());
    let ended = |request| async move { stage.stream(request).await };
    let plain = request(CLAUDE, OnDisconnect::Drain);
    match end {
        End::Answered => assert!(ended(plain).await.opened),
        End::Refused => {
            let inference_config =
                Some(InferenceConfiguration { temperature: Some(7.0), ..InferenceConfiguration::default() });
            let ending = ended(ConverseStreamRequest { inference_config, ..plain }).await;
            assert_eq!(reason(&ending.status), "INVALID_REQUEST");
        }
        End::Unknown => {
            let ending = ended(request("nobody.knows-v1:0", OnDisconnect::Drain)).await;
            assert_eq!(reason(&ending.status), "MODEL_NOT_FOUND");
        }
        End::Throttled => {
            fault("ThrottlingException");
            assert_eq!(reason(&ended(plain).await.status), "UPSTREAM_THROTTLED");
        }
        End::Cut => {
            fault("cut@3");
            assert_eq!(reason(&ended(plain).await.status), "UPSTREAM_STREAM_TRUNCATED");
        }
        End::Panicked => {
            let ending = ended(request(NOVA, OnDisconnect::Drain)).await;
            assert_eq!(reason(&ending.status), "PANIC");
        }
        End::LeftInTheMiddle(policy) => {
            fault("stall@3");
            let stream = stage.inference().converse_stream(request(CLAUDE, policy)).await.unwrap();
            stream.into_inner().message().await.unwrap().unwrap();
        }
        End::LeftBeforeContent(policy) => {
            fault("stall");
            let begun = stage.emulator.counts().started;
            let mut client = stage.inference();
            let call = tokio::spawn(async move { client.converse_stream(request(CLAUDE, policy)).await });
            stage.emulator.wait_for(|counts| counts.started > begun).await;
            call.abort();
        }
        End::Late(policy) => {
            fault("stall@3");
            let mut late = Request::new(request(CLAUDE, policy));
            late.set_timeout(SLOW);
            let status = match stage.clockless().converse_stream(late).await {
                Ok(stream) => failure(stream, "late").await,
                Err(status) => status,
            };
            assert_eq!(reason(&status), "CLIENT_DEADLINE");
        }
        End::TooSlow => {
            stage.emulator.script(deltas(5_000));
            let mut client = InferenceClient::new(slow.clone());
            let stream = client.converse_stream(request(CLAUDE, OnDisconnect::Drain)).await.unwrap();
            return Some(stream.into_inner());
        }
    }
    None
}

/// C3, C4, C7, I1: many ends in a row, and every permit is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_comes_back_from_every_end() {
    const CALLS: u64 = 4;
    const MANY: usize = 80;
    let stage = Stage::on(
        "",
        |settings| {
            small(usize::try_from(CALLS).unwrap(), 4, SOON)(settings);
            settings.timeouts.drain = SLOW;
            settings.timeouts.slow_reader = SLOW;
        },
        |sound| Arc::new(Brittle { sound, breaks_at: 2 }),
    )
    .await;
    let endpoint = Endpoint::from_shared(format!("http://{}", stage.addr)).unwrap();
    let slow = endpoint.initial_stream_window_size(4096).connect().await.unwrap();
    let mut random = fastrand::Rng::with_seed(0xAD);
    let mut unread = Vec::new();
    for number in 0..MANY {
        let next = ENDS.get(number).copied().unwrap_or_else(|| ENDS[random.usize(..ENDS.len())]);
        unread.extend(timeout(SOON, end(&stage, &slow, next)).await.unwrap_or_else(|_| panic!("{next:?}")));
    }
    timeout(SOON, stage.emulator.wait_for(|counts| counts.open() == 0)).await.expect("something goes on");
    let calls = running(&stage, Priority::Interactive, CALLS).await;
    // A call more has to wait, and has a deadline for it.
    let mut waits = Request::new(of(Priority::Interactive));
    waits.set_timeout(SLOW);
    let waited = stage.clockless().converse(waits).await.unwrap_err();
    assert!(["CLIENT_DEADLINE", "SERVER_OVERLOADED"].contains(&reason(&waited).as_str()), "{waited:?}");
    assert_eq!(stage.emulator.counts().open(), CALLS);
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    drop(unread);
}
