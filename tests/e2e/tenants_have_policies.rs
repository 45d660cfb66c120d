//! Tenants have policies: which models and RPCs they may call, how long answers may be, and whose guardrail judges.

use std::collections::BTreeSet;

use bedrock_inference::config::{AliasSettings, GuardrailSettings, TargetSettings, TenantSettings};
use bedrock_inference::principal::ApiKey;
use bedrock_inference_proto::codec::document_from_json;
use bedrock_inference_proto::v1::{
    CallOptions, ConverseRequest, ConverseTokensRequest, CountTokensInput, CountTokensRequest,
    GetModelRequest, GuardrailConfiguration, InferenceConfiguration, InvokeModelRequest, ListModelsRequest,
    Route, count_tokens_input,
};
use serde_json::json;
use tonic::{Code, Status};

use crate::callers_are_known::{knowing, tenant, with_key};
use crate::stage::{CLAUDE, NOVA, Stage, ask, ask_stream, reason, user};

const EMBED: &str = "amazon.titan-embed-text-v2:0";

fn only(models: &[&str], key: &ApiKey) -> TenantSettings {
    TenantSettings {
        models: Some(models.iter().map(|model| (*model).to_owned()).collect()),
        ..tenant(&[key])
    }
}

fn target(model: &str) -> TargetSettings {
    TargetSettings { model: model.to_owned(), region: None, role: None, weight: None }
}

async fn with_aliases(tenants: Vec<(&str, TenantSettings)>) -> Stage {
    Stage::open_with(|settings| {
        settings.tenants = tenants.into_iter().map(|(name, tenant)| (name.to_owned(), tenant)).collect();
        let mixed = vec![target(CLAUDE), target(NOVA)];
        settings.aliases.insert("mixed".to_owned(), AliasSettings { targets: mixed, hedge_after: None });
    })
    .await
}

/// What each RPC that takes a model says to this tenant of this model.
async fn everywhere(stage: &Stage, key: &ApiKey, model: &str) -> Vec<(&'static str, Result<(), Status>)> {
    let mut inference = stage.inference();
    let stream = match inference.converse_stream(with_key(ask_stream(model, "hi"), key)).await {
        Ok(response) => match response.into_inner().message().await {
            Ok(_) => Ok(()),
            Err(status) => Err(status),
        },
        Err(status) => Err(status),
    };
    let native = InvokeModelRequest {
        model_id: Some(model.to_owned()),
        body: Some(br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#.as_slice().into()),
        ..InvokeModelRequest::default()
    };
    let conversation =
        ConverseTokensRequest { messages: vec![user("hi")], ..ConverseTokensRequest::default() };
    let input = CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) };
    let count = CountTokensRequest {
        model_id: Some(model.to_owned()),
        input: Some(input),
        ..CountTokensRequest::default()
    };
    let get = GetModelRequest { model_id: model.to_owned() };
    vec![
        ("Converse", inference.converse(with_key(ask(model, "hi"), key)).await.map(drop)),
        ("ConverseStream", stream),
        ("InvokeModel", inference.invoke_model(with_key(native, key)).await.map(drop)),
        ("CountTokens", inference.count_tokens(with_key(count, key)).await.map(drop)),
        ("GetModel", stage.models().get_model(with_key(get, key)).await.map(drop)),
    ]
}

/// C17: tenant by model by RPC. What is forbidden and what does not exist are told alike, and nothing is called.
#[tokio::test]
async fn a_tenant_reaches_its_own_models_alone_and_cannot_tell_what_others_have() {
    let (all, claude, nova, nothing) =
        (ApiKey::new().unwrap(), ApiKey::new().unwrap(), ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let stage = with_aliases(vec![
        ("all", tenant(&[&all])),
        ("claude", only(&["anthropic.*"], &claude)),
        ("nova", only(&["amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"], &nova)),
        ("nothing", only(&[], &nothing)),
    ])
    .await;
    let profile = format!("us.{CLAUDE}");
    let models = [
        CLAUDE,
        profile.as_str(),
        NOVA,
        "mixed",
        "economy",
        "no-such-alias",
        "anthropic.claude-nine",
        "nope.nope-v1:0",
    ];
    // Of a mixed alias each has its own part; of the shipped one Claude is first, and Nova behind.
    let allowed: [(&ApiKey, &[&str]); 4] = [
        (&all, &[CLAUDE, &profile, NOVA, "mixed", "economy"]),
        (&claude, &[CLAUDE, &profile, "mixed", "economy"]),
        (&nova, &[NOVA, "mixed", "economy"]),
        (&nothing, &[]),
    ];
    for (key, own) in allowed {
        let mut said = BTreeSet::new();
        for model in models {
            let before = stage.emulator.calls().len();
            for (rpc, answer) in everywhere(&stage, key, model).await {
                let refused = answer.err().map(|status| (status.code(), reason(&status), status));
                let denied = refused.as_ref().is_some_and(|(_, reason, _)| reason == "MODEL_NOT_ALLOWED");
                if std::ptr::eq(key, &all) {
                    assert!(!denied, "{rpc} {model}");
                } else {
                    assert_eq!(denied, !own.contains(&model), "{rpc} {model}: {refused:?}");
                }
                if let Some((code, _, status)) = refused.filter(|_| denied) {
                    assert_eq!(code, Code::PermissionDenied);
                    let words = status.message().to_owned();
                    assert!(!words.contains(model), "{words}");
                    said.insert(words);
                }
            }
            if !own.contains(&model) {
                assert_eq!(stage.emulator.calls().len(), before, "{model} was called");
            }
        }
        assert!(said.len() <= 1, "{said:?}");
    }
}

/// C17: what a tenant may not call serves none of its calls, as a target or as a fallback, and is not listed.
#[tokio::test]
async fn what_is_forbidden_is_left_out_of_aliases_fallbacks_and_lists() {
    let (nova, mixed) = (ApiKey::new().unwrap(), ApiKey::new().unwrap());
    let pro = "us.amazon.nova-pro-v1:0";
    let stage =
        with_aliases(vec![("nova", only(&[NOVA, pro], &nova)), ("mixed", only(&["mixed"], &mixed))]).await;
    // The alias's first target is Claude; its second one serves at once, and no warning names the first.
    let served = stage.inference().converse(with_key(ask("mixed", "hi"), &nova)).await.unwrap().into_inner();
    let report = served.call.unwrap();
    assert_eq!((report.model.as_str(), report.warnings.len(), report.attempts.len()), (NOVA, 0, 1));
    // Who may call an alias may call all of it, and nothing by its own name.
    let served = stage.inference().converse(with_key(ask("mixed", "hi"), &mixed)).await.unwrap().into_inner();
    assert_eq!(served.call.unwrap().model, CLAUDE);
    let denied = stage.inference().converse(with_key(ask(CLAUDE, "hi"), &mixed)).await.unwrap_err();
    assert_eq!(reason(&denied), "MODEL_NOT_ALLOWED");

    let mut said = Vec::new();
    for fallback in [CLAUDE, "no.such-model", "no-such-alias"] {
        let options = CallOptions { fallback_models: vec![fallback.to_owned()], ..CallOptions::default() };
        let request = ConverseRequest { options: Some(options), ..ask(NOVA, "hi") };
        let status = stage.inference().converse(with_key(request, &nova)).await.unwrap_err();
        said.push((reason(&status), status.message().to_owned()));
    }
    assert!(said.iter().all(|words| *words == said[0]) && said[0].0 == "INVALID_REQUEST", "{said:?}");

    let list = ListModelsRequest { page_size: 1000, ..ListModelsRequest::default() };
    let listed = stage.models().list_models(with_key(list, &nova)).await.unwrap().into_inner().models;
    let listed: Vec<_> =
        listed.iter().map(|model| (model.model_id.as_str(), model.inference_profiles.clone())).collect();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let pro_row = listed.iter().find(|(id, _)| *id == "amazon.nova-pro-v1:0").unwrap();
    assert_eq!(pro_row.1, [pro]);
}

/// C17: an RPC that a tenant may not call is refused before its message is read.
#[tokio::test]
async fn a_tenant_calls_its_own_rpcs_alone() {
    let key = ApiKey::new().unwrap();
    let methods = Some(vec!["CountTokens".to_owned(), "GetModel".to_owned()]);
    let stage = knowing(vec![("a", TenantSettings { methods, ..tenant(&[&key]) })]).await;
    for (rpc, answer) in everywhere(&stage, &key, CLAUDE).await {
        let allowed = ["CountTokens", "GetModel"].contains(&rpc);
        let reason = answer.err().map(|status| (status.code(), reason(&status)));
        let expected = (!allowed).then(|| (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()));
        assert_eq!(reason, expected, "{rpc}");
    }
    let list = stage.models().list_models(with_key(ListModelsRequest::default(), &key)).await.unwrap_err();
    assert_eq!(reason(&list), "METHOD_NOT_ALLOWED");
    assert!(
        stage
            .emulator
            .calls()
            .iter()
            .all(|call| call.operation == bedrock_inference_emulator::Operation::CountTokens)
    );
}

fn body_of_last(stage: &Stage) -> serde_json::Value {
    let calls = stage.emulator.calls();
    serde_json::from_slice(&calls.last().unwrap().body).unwrap()
}

/// C17: an answer is never longer than its tenant's cap, whatever the call or the route.
#[tokio::test]
async fn the_cap_on_output_tokens_holds_on_every_way() {
    let key = ApiKey::new().unwrap();
    let capped = TenantSettings { max_output_tokens: Some(100), ..tenant(&[&key]) };
    let stage = knowing(vec![("a", capped)]).await;
    let asked = |tokens: Option<i32>, route: Route| ConverseRequest {
        inference_config: Some(InferenceConfiguration {
            max_tokens: tokens,
            ..InferenceConfiguration::default()
        }),
        options: Some(CallOptions { route: route.into(), ..CallOptions::default() }),
        ..ask(CLAUDE, "hi")
    };
    for (tokens, sent) in [(None, 100), (Some(7), 7), (Some(100), 100)] {
        stage.inference().converse(with_key(asked(tokens, Route::Converse), &key)).await.unwrap();
        assert_eq!(body_of_last(&stage)["inferenceConfig"]["maxTokens"], sent);
        stage.inference().converse(with_key(asked(tokens, Route::Native), &key)).await.unwrap();
        assert_eq!(body_of_last(&stage)["max_tokens"], sent);
    }
    let bare = ConverseRequest { inference_config: None, ..asked(None, Route::Converse) };
    stage.inference().converse(with_key(bare, &key)).await.unwrap();
    assert_eq!(body_of_last(&stage)["inferenceConfig"]["maxTokens"], 100);

    let sent = stage.emulator.calls().len();
    let too_many =
        stage.inference().converse(with_key(asked(Some(101), Route::Converse), &key)).await.unwrap_err();
    assert_eq!(reason(&too_many), "INVALID_REQUEST");
    assert!(too_many.message().starts_with("inferenceConfig.maxTokens"), "{}", too_many.message());
    for fields in [
        json!({"max_tokens": 5000}),
        json!({"a": [{"max_gen_len": 1}]}),
        json!({"inferenceConfig": {"maxTokens": 1}}),
    ] {
        let fields = document_from_json(&fields.to_string()).unwrap().0;
        let request =
            ConverseRequest { additional_model_request_fields: fields, ..asked(None, Route::Converse) };
        let status = stage.inference().converse(with_key(request, &key)).await.unwrap_err();
        assert!(status.message().starts_with("additionalModelRequestFields"), "{}", status.message());
    }
    let native = |model: &str, body: serde_json::Value| InvokeModelRequest {
        model_id: Some(model.to_owned()),
        body: Some(body.to_string().into_bytes().into()),
        ..InvokeModelRequest::default()
    };
    let refused =
        stage.inference().invoke_model(with_key(native(CLAUDE, json!({"max_tokens": 9})), &key)).await;
    assert_eq!(reason(&refused.unwrap_err()), "METHOD_NOT_ALLOWED");
    assert_eq!(stage.emulator.calls().len(), sent);
    // An embedding has no output tokens.
    let embedded =
        stage.inference().invoke_model(with_key(native(EMBED, json!({"inputText": "hi"})), &key)).await;
    assert!(!embedded.is_err_and(|status| reason(&status) == "METHOD_NOT_ALLOWED"));
}

/// C17: the tenant's guardrail judges every conversation and native body, and no other does.
#[tokio::test]
async fn the_tenants_guardrail_judges_everything() {
    let key = ApiKey::new().unwrap();
    let guardrail = Some(GuardrailSettings { id: "demoguardrail1".to_owned(), version: "1".to_owned() });
    let stage = knowing(vec![("a", TenantSettings { guardrail, ..tenant(&[&key]) })]).await;
    let stocks = "Which stocks should I invest in?";
    let judged = stage.inference().converse(with_key(ask(CLAUDE, stocks), &key)).await.unwrap().into_inner();
    assert_eq!(judged.stop_reason.as_deref(), Some("guardrail_intervened"));
    let stream = stage.inference().converse_stream(with_key(ask_stream(NOVA, "hi"), &key)).await.unwrap();
    let mut stream = stream.into_inner();
    while stream.message().await.unwrap().is_some() {}
    assert_eq!(body_of_last(&stage)["guardrailConfig"]["guardrailIdentifier"], "demoguardrail1");

    let with = |id: Option<&str>, version: Option<&str>| ConverseRequest {
        guardrail_config: Some(GuardrailConfiguration {
            guardrail_identifier: id.map(str::to_owned),
            guardrail_version: version.map(str::to_owned),
            trace: Some("enabled".to_owned()),
        }),
        ..ask(CLAUDE, stocks)
    };
    for (id, version) in [(None, None), (Some("demoguardrail1"), Some("1"))] {
        let judged =
            stage.inference().converse(with_key(with(id, version), &key)).await.unwrap().into_inner();
        assert_eq!(judged.stop_reason.as_deref(), Some("guardrail_intervened"));
        assert!(judged.trace.is_some(), "the trace is the caller's own choice");
    }
    let sent = stage.emulator.calls().len();
    for (id, version, path) in [
        (Some("another"), Some("1"), "guardrailConfig.guardrailIdentifier"),
        (Some("demoguardrail1"), Some("DRAFT"), "guardrailConfig.guardrailVersion"),
    ] {
        let status = stage.inference().converse(with_key(with(id, version), &key)).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_REQUEST");
        assert!(status.message().starts_with(path), "{}", status.message());
    }
    let native = |id: Option<&str>| InvokeModelRequest {
        model_id: Some(CLAUDE.to_owned()),
        body: Some(
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
            "messages": [{"role": "user", "content": stocks}]})
            .to_string()
            .into_bytes()
            .into(),
        ),
        guardrail_identifier: id.map(str::to_owned),
        ..InvokeModelRequest::default()
    };
    let refused = stage.inference().invoke_model(with_key(native(Some("another")), &key)).await.unwrap_err();
    assert!(refused.message().starts_with("guardrailIdentifier"), "{}", refused.message());
    assert_eq!(stage.emulator.calls().len(), sent);
    let judged = stage.inference().invoke_model(with_key(native(None), &key)).await.unwrap().into_inner();
    let body = String::from_utf8(judged.body.unwrap().to_vec()).unwrap();
    assert!(body.contains("INTERVENED"), "{body}");
}
