//! CountTokens: AWS's count where AWS counts, else an estimate that says so.

use bedrock_inference_adapters::contract::{AdapterError, Capability, estimate};
use bedrock_inference_proto::codec::{self, Violation};
use bedrock_inference_proto::v1::{
    ContentBlock, ConverseTokensRequest, CountTokensInput, CountTokensRequest, CountTokensResponse, Message,
    TokenSplit, content_block, count_tokens_input,
};
use tonic::{Request, Response, Status};

use super::{Caller, Live, raw_message};
use crate::call::{Call, Report, Request as Asked, refusal};
use crate::catalog::Choice;
use crate::error::{Error, Reason};
use crate::layers::mistakes;

pub(super) async fn answer(
    live: &Live,
    request: Request<CountTokensRequest>,
) -> Result<Response<CountTokensResponse>, Status> {
    let (ending, caller, message) = live.received(request);
    let count = count(live, &caller, message, ending.report()).await;
    ending.of_unary(count, |count, call| count.call = Some(call)).map(Response::new)
}

async fn count(
    live: &Live,
    caller: &Caller,
    message: CountTokensRequest,
    report: &Report,
) -> Result<CountTokensResponse, Error> {
    let (input, split) = (message.input.clone(), message.split);
    let call = live.call(caller, message.into(), report)?;
    let conversation = match &input {
        Some(CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(conversation)) }) => {
            Some(conversation.clone())
        }
        _ => None,
    };
    let mistake = (split && conversation.is_none()).then(|| {
        let description = "is set; it needs input.converse".to_owned();
        Violation { path: "split".to_owned(), description }
    });
    let counter = Counter::new(live, call, mistake)?;
    let total = counter.count(input).await?;
    let split = match conversation {
        Some(conversation) if split => Some(counter.split(conversation, total).await?),
        _ => None,
    };
    Ok(CountTokensResponse { input_tokens: Some(total), call: None, split, estimated: !counter.by_aws })
}

/// Counts one input, whole or in part.
pub(super) struct Counter<'l> {
    live: &'l Live,
    call: Call,
    /// Whether AWS counts for the model; else it is estimated.
    pub(super) by_aws: bool,
}

impl<'l> Counter<'l> {
    /// For a call of the kind `CountTokens`.
    ///
    /// # Errors
    /// A model that is not there, and every mistake of the request, this one among them.
    pub(super) fn new(live: &'l Live, mut call: Call, mistake: Option<Violation>) -> Result<Self, Error> {
        call.mistakes.extend(mistake);
        let target = live.catalog.resolve_bare_for(call.principal.policy(), &call.model_asked, &live.home)?;
        let by_aws = target.entry()?.model.can(Capability::CountTokens);
        // An estimate takes what AWS would count, and nothing else.
        call.targets = Choice::from(target).targets;
        let mistakes = mistakes(&call)?;
        if mistakes.is_empty() { Ok(Self { live, call, by_aws }) } else { Err(refusal(mistakes)) }
    }

    pub(super) async fn count(&self, input: Option<CountTokensInput>) -> Result<i32, Error> {
        let request = CountTokensRequest { input, ..CountTokensRequest::default() };
        if !self.by_aws {
            return estimated(&request);
        }
        let call = self.call.with(Asked::CountTokens(Box::new(request)));
        let mut reply = self.live.send(call).await?;
        let counted: CountTokensResponse = raw_message(&mut reply.events, &self.call.report).await?;
        let missing = || Error::new(Reason::UpstreamProtocol, "bedrock's count has no inputTokens");
        counted.input_tokens.ok_or_else(missing)
    }

    /// By counting a short message with and without the system prompt and the tools; the conversation has the
    /// rest. It cannot itself be counted without its tools once it holds their results. The parts add up.
    async fn split(&self, conversation: ConverseTokensRequest, total: i32) -> Result<TokenSplit, Error> {
        let alone = ConverseTokensRequest { messages: vec![short_message()], ..Default::default() };
        let base = self.count_short(alone.clone(), true).await?;
        let with_system = ConverseTokensRequest { system: conversation.system.clone(), ..alone.clone() };
        let with_tools = ConverseTokensRequest { tool_config: conversation.tool_config.clone(), ..alone };
        let system = self.count_short(with_system, !conversation.system.is_empty()).await?;
        let tools = self.count_short(with_tools, conversation.tool_config.is_some()).await?;
        let over = |count: Option<i32>| count.zip(base).map_or(0, |(with, alone)| with.saturating_sub(alone));
        let (system, tools) = (over(system), over(tools));
        Ok(TokenSplit { system, tools, messages: total.saturating_sub(system).saturating_sub(tools) })
    }

    async fn count_short(&self, part: ConverseTokensRequest, there: bool) -> Result<Option<i32>, Error> {
        if !there {
            return Ok(None);
        }
        let input = CountTokensInput { kind: Some(count_tokens_input::Kind::Converse(part)) };
        self.count(Some(input)).await.map(Some)
    }
}

fn short_message() -> Message {
    let content = vec![ContentBlock { kind: Some(content_block::Kind::Text(".".to_owned())) }];
    Message { role: Some("user".to_owned()), content }
}

fn estimated(request: &CountTokensRequest) -> Result<i32, Error> {
    let body = codec::write(request).map_err(AdapterError::from)?;
    Ok(estimate(&body))
}
