//! Residency: calls reach only the regions and geographies that the operator allows.

use bedrock_inference::config::{Settings, UnknownModels};
use bedrock_inference_proto::v1::{
    ApplyGuardrailRequest, CallOptions, ConverseTokensRequest, CountTokensInput, CountTokensRequest,
    count_tokens_input,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{ALIAS, call, with};
use crate::stage::{CLAUDE, NOVA, Stage, ask, reason};
use crate::world::{EAST, WEST, World, alias};

fn within(places: &[&str]) -> impl FnOnce(&mut Settings) {
    let places = places.iter().map(|place| (*place).to_owned()).collect();
    move |settings| settings.residency = places
}

#[tokio::test]
async fn what_would_leave_is_refused_before_it_is_sent() {
    let arn = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0";
    let away = format!("arn:aws:bedrock:us-west-2:123456789012:inference-profile/eu.{CLAUDE}");
    let cases: [(&[&str], &str, bool); 15] = [
        (&["us"], CLAUDE, true),
        (&["us"], NOVA, true),
        (&["us"], &format!("global.{CLAUDE}"), false),
        (&["us"], &format!("eu.{CLAUDE}"), false),
        (&["us"], arn, false),
        (&[EAST], NOVA, true),
        // A profile chooses among all regions of its geography.
        (&[EAST], CLAUDE, false),
        (&[WEST], NOVA, false),
        (&["eu"], NOVA, false),
        (&["us", "global"], &format!("global.{CLAUDE}"), true),
        // The request goes to the region first, wherever the profile sends it.
        (&["eu"], &format!("eu.{CLAUDE}"), false),
        (&["eu"], &away, false),
        (&["eu", WEST], &away, true),
        (&["eu", "global"], &format!("global.{CLAUDE}"), false),
        (&["global"], &format!("global.{CLAUDE}"), true),
    ];
    for (places, model, allowed) in cases {
        let world = World::open(within(places)).await;
        let (_, status) = call(&world, ask(model, "hello")).await;
        match status {
            None => assert!(allowed, "{places:?} {model}"),
            Some(status) => {
                assert!(!allowed, "{places:?} {model}: {status:?}");
                let found = (status.code(), reason(&status));
                assert_eq!(found, (Code::PermissionDenied, "REGION_NOT_ALLOWED".to_owned()), "{model}");
                assert!(status.message().contains(&places.join(", ")), "{}", status.message());
                assert_eq!(world.started(), [0; 3]);
            }
        }
    }
}

/// Counts, guardrails, fallbacks and models that nobody knows are held to it too.
#[tokio::test]
async fn everything_is_held_to_it() {
    let world = World::open(|settings| {
        settings.residency = vec!["eu".to_owned()];
        settings.unknown_models = UnknownModels::Warn;
    })
    .await;
    let mut client = world.stage.inference();
    let conversation =
        ConverseTokensRequest { messages: ask(NOVA, "hello").messages, ..ConverseTokensRequest::default() };
    let count = CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }),
        ..CountTokensRequest::default()
    };
    assert_eq!(reason(&client.count_tokens(count).await.unwrap_err()), "REGION_NOT_ALLOWED");
    let verdict = ApplyGuardrailRequest {
        guardrail_identifier: Some("gr1".to_owned()),
        guardrail_version: Some("1".to_owned()),
        source: Some("INPUT".to_owned()),
        ..ApplyGuardrailRequest::default()
    };
    assert_eq!(reason(&client.apply_guardrail(verdict).await.unwrap_err()), "REGION_NOT_ALLOWED");
    let unknown = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2";
    let status = client.converse(ask(unknown, "hello")).await.unwrap_err();
    assert_eq!(reason(&status), "REGION_NOT_ALLOWED");
    let at_home = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0";
    let options = CallOptions { fallback_models: vec![format!("us.{CLAUDE}")], ..CallOptions::default() };
    let status = client.converse(with(options, at_home)).await.unwrap_err();
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "options.fallbackModels[0]", "{status:?}");
    assert_eq!(world.started(), [0; 3]);
}

/// What the configuration itself forbids is told at start.
#[tokio::test]
async fn an_alias_that_would_leave_keeps_the_service_from_starting() {
    let told = Stage::refused(|settings| {
        settings.residency = vec![EAST.to_owned()];
        settings.aliases.insert(ALIAS.to_owned(), alias(NOVA, &[(EAST, None), (WEST, None)]));
    })
    .await;
    assert!(told.contains("aliases.assistant.targets[1]") && told.contains("us-west-2"), "{told}");
    let told = Stage::refused(|settings| {
        settings.residency = vec!["eu".to_owned(), WEST.to_owned()];
        let profile = format!("eu.{CLAUDE}");
        settings.aliases.insert(ALIAS.to_owned(), alias(&profile, &[(WEST, None), (EAST, None)]));
    })
    .await;
    assert!(told.contains("targets[1].model: the region us-east-1 would be called"), "{told}");
    let told = Stage::refused(|settings| settings.residency = vec!["Europe".to_owned()]).await;
    assert!(told.contains("residency: \"Europe\" is neither a region"), "{told}");
}
