//! The native side of the demo: a model's own body, and a count of tokens.

use bedrock_inference_proto::v1::{
    ConverseTokensRequest, CountTokensInput, CountTokensRequest, InvokeModelRequest, count_tokens_input,
};

use super::super::{Failure, show};
use super::scenes::{CLAUDE, Client, failed, question, say, title};

/// A body in Claude's own form, passed as it is.
pub(super) async fn body(mut client: Client) -> Result<(), Failure> {
    title("6. InvokeModel: the model's own body", CLAUDE);
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":200,"messages":[{"role":"user","content":"Say hello in French."}]}"#;
    say("body", body);
    let request = InvokeModelRequest {
        model_id: Some(CLAUDE.to_owned()),
        body: Some(body.into()),
        ..InvokeModelRequest::default()
    };
    let response = client.invoke_model(request).await.map_err(failed)?.into_inner();
    say("answer", &String::from_utf8_lossy(response.body.as_deref().unwrap_or_default()));
    if let Some(report) = &response.call {
        show::line(show::report(report));
    }
    Ok(())
}

/// The tokens of a question, before it is asked.
pub(super) async fn count(mut client: Client) -> Result<(), Failure> {
    title("7. CountTokens: before the call", CLAUDE);
    let converse = ConverseTokensRequest {
        messages: question("How many tokens is this question?").messages,
        ..ConverseTokensRequest::default()
    };
    say("user", "How many tokens is this question?");
    let request = CountTokensRequest {
        model_id: Some(CLAUDE.to_owned()),
        input: Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(converse)) }),
        ..CountTokensRequest::default()
    };
    let response = client.count_tokens(request).await.map_err(failed)?.into_inner();
    say("tokens", &response.input_tokens.unwrap_or_default().to_string());
    if let Some(report) = &response.call {
        show::line(show::report(report));
    }
    Ok(())
}
