//! A panic under a call ends that call with a status, and leaves every other one alone.

use std::sync::Arc;

use bedrock_inference::error::Error;
use bedrock_inference::upstream::{Bedrock, Body, Request, Response};
use futures_util::StreamExt;
use tonic::Code;

use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, report, told};

/// The emulator, but that frames of one model panic from this one on.
#[derive(Debug)]
pub struct Brittle {
    pub sound: Arc<dyn Bedrock>,
    pub breaks_at: usize,
}

#[async_trait::async_trait]
impl Bedrock for Brittle {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let breaks = request.model_id == NOVA;
        let mut response = self.sound.send(request).await?;
        let breaks_at = self.breaks_at;
        response.body = match response.body {
            Body::Frames(frames) if breaks => Body::Frames(
                frames
                    .enumerate()
                    .map(move |(number, frame)| {
                        assert!(number < breaks_at, "as the test wants it");
                        frame
                    })
                    .boxed(),
            ),
            body if breaks && breaks_at == 0 => {
                drop(body);
                panic!("as the test wants it")
            }
            body => body,
        };
        Ok(response)
    }
}

async fn brittle(breaks_at: usize) -> Stage {
    Stage::over(|sound| Arc::new(Brittle { sound, breaks_at })).await
}

/// I1: in a stream.
#[tokio::test]
async fn a_stream_ends_with_a_status_and_what_came_is_counted() {
    for (breaks_at, code, billed) in [(0, Code::Internal, "unknown"), (4, Code::Aborted, "partial")] {
        let stage = brittle(breaks_at).await;
        let ending = stage.stream(ask_stream(NOVA, "Write a haiku about rivers.")).await;
        let status = &ending.status;
        assert_eq!((status.code(), reason(status).as_str()), (code, "PANIC"), "{breaks_at}");
        assert_eq!((told(status, "billed").as_str(), told(status, "retryable").as_str()), (billed, "false"));
        assert_eq!(ending.opened, breaks_at > 0);
        if ending.opened {
            assert_eq!(told(status, "events_sent"), ending.events.len().to_string());
        }
        assert_eq!(report(status).attempts.len(), 1, "{breaks_at}");
        assert!(!status.message().contains("as the test wants it"));
        // The others, on the same connection and through the same locks.
        for _ in 0..3 {
            let other = stage.stream(ask_stream(CLAUDE, "Write a haiku about rivers.")).await;
            assert_eq!(other.code(), Code::Ok, "{:?}", other.status);
        }
    }
}

/// I1: in a unary call.
#[tokio::test]
async fn a_unary_call_ends_with_a_status() {
    let stage = brittle(0).await;
    let status = stage.inference().converse(ask(NOVA, "hello")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "PANIC"));
    assert_eq!(told(&status, "billed"), "unknown");
    stage.inference().converse(ask(CLAUDE, "hello")).await.unwrap();
}
