//! A caller who leaves, at every event of a stream and at any time: what the emulator saw is what the service says.

use std::time::{Duration, Instant};

use bedrock_inference_emulator::{Counts, Pace};
use bedrock_inference_proto::v1::inference_client::InferenceClient;
use bedrock_inference_proto::v1::{CallOptions, ConverseRequest, ConverseStreamRequest, OnDisconnect, Route};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::apart::Apart;
use crate::stage::{CLAUDE, NOVA, ask, ask_stream};

/// Far longer than an answer takes.
const SOON: Duration = Duration::from_secs(20);

/// Within which the upstream is dropped under CANCEL.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Slow enough that every event is left behind before the next one comes.
const SPEAKING: Pace = Pace { first_token: Duration::from_millis(20), tokens_per_second: Some(60.0) };

/// Models and routes with streams of their own.
const WAYS: [(&str, Route); 3] = [(CLAUDE, Route::Converse), (CLAUDE, Route::Native), (NOVA, Route::Native)];

/// What the service says at its end of the attempts that it made.
#[derive(Debug, PartialEq)]
struct Said {
    begun: u64,
    complete: u64,
    failed: u64,
    dropped: u64,
}

/// A service whose callers leave.
struct Left {
    apart: Apart,
    channel: Channel,
    policy: OnDisconnect,
    /// Ids of calls that Bedrock has certainly begun.
    begun: Vec<String>,
}

impl Left {
    async fn under(policy: OnDisconnect) -> Self {
        let apart = Apart::open(&[("BEDROCK_INFERENCE_LOG__FORMAT", "json")]).await;
        apart.emulator.set_pace(SPEAKING);
        let channel = apart.channel().await;
        Self { apart, channel, policy, begun: Vec::new() }
    }

    fn client(&self) -> InferenceClient<Channel> {
        InferenceClient::new(self.channel.clone())
    }

    fn options(&self, route: Route, id: &str) -> CallOptions {
        CallOptions {
            route: route.into(),
            on_disconnect: self.policy.into(),
            request_id: Some(id.to_owned()),
            ..CallOptions::default()
        }
    }

    fn stream(&self, (model, route): (&str, Route), id: &str) -> ConverseStreamRequest {
        let options = Some(self.options(route, id));
        ConverseStreamRequest { options, ..ask_stream(model, "Write a haiku about rivers.") }
    }

    fn whole(&self, (model, route): (&str, Route), id: &str) -> ConverseRequest {
        ConverseRequest {
            options: Some(self.options(route, id)),
            ..ask(model, "Write a haiku about rivers.")
        }
    }

    /// How many messages a stream has.
    async fn length(&mut self, way: (&str, Route)) -> usize {
        let id = format!("{}-{:?}-whole", way.0, way.1);
        let mut stream = self.client().converse_stream(self.stream(way, &id)).await.unwrap().into_inner();
        let mut messages = 0;
        while stream.message().await.unwrap().is_some() {
            messages += 1;
        }
        self.begun.push(id);
        messages
    }

    /// Reads so many messages of a stream and leaves.
    async fn leave_after(&self, way: (&str, Route), messages: usize, id: &str) {
        let mut stream = self.client().converse_stream(self.stream(way, id)).await.unwrap().into_inner();
        for _ in 0..messages {
            if stream.message().await.unwrap().is_none() {
                return;
            }
        }
    }

    /// Waits until no call is open, and how long that took.
    async fn settled(&self) -> Duration {
        let began = Instant::now();
        let settled = self.apart.emulator.wait_for(|counts| counts.open() == 0);
        timeout(SOON, settled).await.expect("a call is still open");
        began.elapsed()
    }

    /// Ends the service: what the emulator saw, what the service says, and all its lines.
    fn end(self) -> (Counts, Said, Vec<Value>) {
        let (code, lines) = self.apart.service.stop_and_tell("TERM");
        assert_eq!(code, Some(0));
        let counts = self.apart.emulator.counts();
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let lines: Vec<_> = lines.into_iter().map(|mut line| line["fields"].take()).collect();
        let last = lines.iter().find(|line| line["begun"].is_u64()).expect("it has not said how it ended");
        let count = |name: &str| last[name].as_u64().unwrap();
        let said = Said {
            begun: count("begun"),
            complete: count("complete"),
            failed: count("failed"),
            dropped: count("dropped"),
        };
        (counts, said, lines)
    }
}

/// Whether some line tells what this call has used.
fn usage_is_known(lines: &[Value], id: &str) -> bool {
    lines.iter().any(|line| line["request_id"] == *id && line["output_tokens"].as_u64() > Some(0))
}

/// C3, C4: under DRAIN every answer is read to its end, and its usage is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_drain_every_call_that_is_left_is_finished() {
    let mut left = Left::under(OnDisconnect::Drain).await;
    let mut streams = 0;
    for way in WAYS {
        let length = left.length(way).await;
        let ids: Vec<_> = (0..=length).map(|k| format!("{}-{:?}-{k}", way.0, way.1)).collect();
        join_all(ids.iter().enumerate().map(|(k, id)| left.leave_after(way, k, id))).await;
        left.begun.extend(ids);
        left.settled().await;
        streams += length + 1;
    }
    let unary = leave_unary(&mut left).await;
    left.settled().await;
    let begun = left.begun.clone();
    let (counts, said, lines) = left.end();
    println!("{streams} streams and {unary} unary calls left: {counts:?}, {said:?}");
    assert_eq!((counts.finished, counts.aborted), (counts.started, 0));
    let all = counts.started;
    assert_eq!(said, Said { begun: all, complete: all, failed: 0, dropped: 0 });
    for id in &begun {
        assert!(usage_is_known(&lines, id), "the usage of {id} is not known");
    }
}

/// Leaves unary calls at some delays; how many there were.
async fn leave_unary(left: &mut Left) -> usize {
    let delays = [0, 30, 90, 150].map(Duration::from_millis);
    for way in WAYS {
        let started = left.apart.emulator.counts().started;
        let ids = delays.map(|delay| format!("{}-{:?}-after-{delay:?}", way.0, way.1));
        let calls = ids.iter().zip(delays).map(|(id, delay)| {
            let (mut client, request) = (left.client(), left.whole(way, id));
            let arrived = left.apart.emulator.wait_for(move |counts| counts.started == started + 4);
            async move {
                let mut call = Box::pin(client.converse(request));
                tokio::select! {
                    answer = &mut call => panic!("answered before all had arrived: {answer:?}"),
                    () = arrived => {}
                }
                assert!(timeout(delay, call).await.is_err(), "answered within {delay:?}");
            }
        });
        timeout(SOON, join_all(calls)).await.expect("not all have arrived");
        left.begun.extend(ids);
    }
    delays.len() * WAYS.len()
}

/// C3, C4: under CANCEL every upstream call that is left is dropped at once, or had already ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_cancel_every_call_that_is_left_is_dropped_at_once() {
    let mut left = Left::under(OnDisconnect::Cancel).await;
    let (mut streams, mut slowest) = (0, Duration::ZERO);
    for way in WAYS {
        let length = left.length(way).await;
        for k in 0..=length {
            left.leave_after(way, k, &format!("{}-{:?}-{k}", way.0, way.1)).await;
            let took = left.settled().await;
            assert!(took < AT_ONCE, "{way:?}: left after {k} of {length}, and dropped after {took:?}");
            slowest = slowest.max(took);
        }
        streams += length + 1;
    }
    let unary = leave_unary(&mut left).await;
    left.settled().await;
    let (counts, said, _) = left.end();
    println!(
        "{streams} streams and {unary} unary calls left, dropped within {slowest:?}: {counts:?}, {said:?}"
    );
    assert_eq!(counts.started, counts.finished + counts.aborted);
    assert!(counts.aborted > counts.finished, "{counts:?}: hardly any was left in the middle");
    assert_eq!(said.begun, counts.started);
    assert_eq!((said.complete + said.dropped, said.failed), (said.begun, 0));
    // An answer that has been sent whole may not have been read whole.
    assert!(said.complete <= counts.finished && said.dropped >= counts.aborted, "{counts:?}, {said:?}");
}

/// C3: a hundred callers who leave at random times, before or behind the headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_leave_at_random_times_are_accounted_for() {
    let mut random = fastrand::Rng::with_seed(3);
    for policy in [OnDisconnect::Drain, OnDisconnect::Cancel] {
        let left = Left::under(policy).await;
        for batch in 0..5 {
            let calls = (0..10).map(|index| {
                let delay = Duration::from_micros(random.u64(..350_000));
                let (left, id) = (&left, format!("{batch}-{index}"));
                async move {
                    let _ = timeout(delay, left.leave_after(WAYS[index % 3], usize::MAX, &id)).await;
                }
            });
            join_all(calls).await;
        }
        left.settled().await;
        let (counts, said, _) = left.end();
        println!("50 callers left at random times under {policy:?}: {counts:?}, {said:?}");
        assert_eq!(counts.started, counts.finished + counts.aborted);
        assert_eq!((said.complete + said.dropped, said.failed), (said.begun, 0));
        match policy {
            OnDisconnect::Drain => {
                assert_eq!((said.begun, said.dropped, counts.aborted), (counts.started, 0, 0));
            }
            // Some were dropped before the emulator had heard of them.
            _ => assert!(
                said.begun >= counts.started && said.dropped >= counts.aborted,
                "{counts:?}, {said:?}"
            ),
        }
    }
}
