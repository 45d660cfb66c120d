//! An id that AWS does not know is the caller's mistake where the caller named it, and the gateway's where the
//! gateway made it.

use bedrock_inference::config::UnknownModels;
use tonic::Code;

use super::rpcs::PROFILE;
use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, report, told};

#[tokio::test]
async fn an_id_is_the_mistake_of_who_made_it() {
    let stage = Stage::open().await;
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{PROFILE}");
    let cases = [
        (NOVA, NOVA, Code::NotFound, "MODEL_NOT_FOUND"),
        (PROFILE, PROFILE, Code::NotFound, "MODEL_NOT_FOUND"),
        (&arn, &arn, Code::NotFound, "MODEL_NOT_FOUND"),
        // The gateway completes it with a profile of its own catalogue.
        (CLAUDE, PROFILE, Code::Internal, "CATALOG_MISMATCH"),
    ];
    for (asked, called, code, expected) in cases {
        stage.emulator.script("ResourceNotFoundException".parse().unwrap());
        let whole = stage.inference().converse(ask(asked, "hello")).await.unwrap_err();
        stage.emulator.script("ResourceNotFoundException".parse().unwrap());
        let streamed = stage.stream(ask_stream(asked, "hello")).await.status;
        for status in [whole, streamed] {
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{asked}");
            assert_eq!((told(&status, "model").as_str(), told(&status, "billed").as_str()), (called, "none"));
            let report = report(&status);
            assert_eq!((report.model_asked.as_str(), report.attempts[0].outcome.as_str()), (asked, expected));
        }
    }
}

#[tokio::test]
async fn a_long_id_leaves_room_for_the_details() {
    let stage = Stage::open_with(|settings| settings.unknown_models = UnknownModels::Warn).await;
    let kind = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/";
    let asked = format!("{kind}{}", "a".repeat(2048 - kind.len()));
    stage.emulator.script("ThrottlingException".parse().unwrap());
    let status = stage.inference().converse(ask(&asked, "hello")).await.unwrap_err();
    assert_eq!(reason(&status), "UPSTREAM_THROTTLED");
    assert!(asked.starts_with(&told(&status, "model")) && told(&status, "model").len() > 200);
    assert_eq!(report(&status).model_asked, asked);
}
