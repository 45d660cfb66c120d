//! The gRPC services: one file an RPC, proto in, [`Call`] through the corridor, proto out.

mod apply_guardrail;
mod converse;
mod converse_stream;
mod count_tokens;
mod ending;
mod estimate_cost;
mod get_model;
mod get_usage;
mod invoke_model;
mod invoke_model_stream;
mod list_calls;
mod list_models;
mod native;
mod reconcile;
mod stream;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bedrock_inference_adapters::contract::{AdapterError, Content, Event, unknown_warning};
use bedrock_inference_proto::codec::{self, Decoded, Shape};
use bedrock_inference_proto::v1;
use futures_util::StreamExt;
use http::Extensions;
use prost::Message;
use tokio::time::timeout_at;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

use crate::call::{Asked, Call, CallService, Events, Reply, Report};
use crate::catalog::{Catalog, Home};
use crate::edge::Arrival;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::price::Prices;
use crate::principal;

use ending::Ending;

/// Answers every RPC, each by what is live when it begins.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<ArcSwap<Live>>);

/// What one configuration makes. An RPC sees one of them from its beginning to its end.
#[derive(Debug)]
pub struct Live {
    /// The corridor that every call of a model goes through.
    pub corridor: CallService,
    /// What is known of every model.
    pub catalog: Arc<Catalog>,
    /// What every model costs.
    pub prices: Prices,
    /// What every call has cost.
    pub ledger: Ledger,
    /// Where the service stands.
    pub home: Home,
    /// The largest message of an answer.
    pub max_message_bytes: usize,
}

impl Gateway {
    /// Answers by this.
    #[must_use]
    pub fn new(live: Live) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(live)))
    }

    /// Answers by this from now on; what is under way ends as it began.
    pub fn renew(&self, live: Live) {
        self.0.store(Arc::new(live));
    }

    fn live(&self) -> Arc<Live> {
        self.0.load_full()
    }
}

#[tonic::async_trait]
impl v1::inference_server::Inference for Gateway {
    async fn converse(
        &self,
        request: Request<v1::ConverseRequest>,
    ) -> Result<Response<v1::ConverseResponse>, Status> {
        converse::answer(&self.live(), request).await
    }

    type ConverseStreamStream = converse_stream::Messages;

    async fn converse_stream(
        &self,
        request: Request<v1::ConverseStreamRequest>,
    ) -> Result<Response<Self::ConverseStreamStream>, Status> {
        converse_stream::answer(&self.live(), request).await
    }

    async fn invoke_model(
        &self,
        request: Request<v1::InvokeModelRequest>,
    ) -> Result<Response<v1::InvokeModelResponse>, Status> {
        invoke_model::answer(&self.live(), request).await
    }

    type InvokeModelStreamStream = invoke_model_stream::Messages;

    async fn invoke_model_stream(
        &self,
        request: Request<v1::InvokeModelStreamRequest>,
    ) -> Result<Response<Self::InvokeModelStreamStream>, Status> {
        invoke_model_stream::answer(&self.live(), request).await
    }

    async fn count_tokens(
        &self,
        request: Request<v1::CountTokensRequest>,
    ) -> Result<Response<v1::CountTokensResponse>, Status> {
        count_tokens::answer(&self.live(), request).await
    }

    async fn estimate_cost(
        &self,
        request: Request<v1::EstimateCostRequest>,
    ) -> Result<Response<v1::EstimateCostResponse>, Status> {
        estimate_cost::answer(&self.live(), request).await
    }

    async fn apply_guardrail(
        &self,
        request: Request<v1::ApplyGuardrailRequest>,
    ) -> Result<Response<v1::ApplyGuardrailResponse>, Status> {
        apply_guardrail::answer(&self.live(), request).await
    }
}

#[tonic::async_trait]
impl v1::models_server::Models for Gateway {
    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        list_models::answer(&self.live(), &request)
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        get_model::answer(&self.live(), &request)
    }
}

#[tonic::async_trait]
impl v1::usage_server::Usage for Gateway {
    async fn get_usage(
        &self,
        request: Request<v1::GetUsageRequest>,
    ) -> Result<Response<v1::GetUsageResponse>, Status> {
        get_usage::answer(&self.live(), request).await
    }

    async fn list_calls(
        &self,
        request: Request<v1::ListCallsRequest>,
    ) -> Result<Response<v1::ListCallsResponse>, Status> {
        list_calls::answer(&self.live(), request).await
    }

    async fn reconcile(
        &self,
        request: Request<v1::ReconcileRequest>,
    ) -> Result<Response<v1::ReconcileResponse>, Status> {
        reconcile::answer(&self.live(), request).await
    }
}

/// What a request says of its caller, beside its message.
struct Caller {
    metadata: MetadataMap,
    extensions: Extensions,
}

impl Live {
    /// Takes a request apart; its call is watched from here on.
    fn received<M>(&self, request: Request<M>) -> (Ending, Caller, M) {
        let (metadata, extensions, message) = request.into_parts();
        let ending = Ending::of(Arrival::report(&extensions), self.max_message_bytes);
        (ending, Caller { metadata, extensions }, message)
    }

    /// Sends a call through the corridor and returns its reply, whose first content is there.
    async fn begin<M: Into<Asked>>(&self, request: Request<M>) -> Result<(Ending, Reply), Status> {
        let (ending, caller, message) = self.received(request);
        let reply = match self.call(&caller, message.into(), ending.report()) {
            Ok(call) => self.send(call).await,
            Err(error) => Err(error),
        };
        match reply {
            Ok(reply) => Ok((ending, reply)),
            Err(error) => Err(ending.failed(&error)),
        }
    }

    /// A request as a call of its principal.
    fn call(&self, caller: &Caller, asked: Asked, report: &Report) -> Result<Call, Error> {
        let model_header = caller.metadata.get("x-bedrock-model-id").and_then(|id| id.to_str().ok());
        let deadline = caller.extensions.get::<Arrival>().and_then(|arrival| arrival.deadline);
        let principal = principal::of(&caller.extensions)?;
        let call = Call::new(principal, deadline, model_header, asked, report.clone())?;
        tracing::Span::current().record("request_id", &call.request_id);
        Ok(call)
    }

    /// Sends a call through the corridor, within its deadline.
    async fn send(&self, call: Call) -> Result<Reply, Error> {
        let deadline = call.deadline;
        let answer = self.corridor.clone().oneshot(call);
        match deadline {
            None => answer.await,
            Some(deadline) => timeout_at(deadline, answer).await.unwrap_or_else(|_| Err(Error::late())),
        }
    }
}

/// The body of a raw reply that came as a whole.
async fn raw_body(events: &mut Events) -> Result<Content, Error> {
    let mut body = Content::default();
    while let Some(event) = events.next().await.transpose()? {
        if let Event::Raw(bytes) = event {
            body = bytes;
        }
    }
    Ok(body)
}

/// The same in AWS's JSON, read into a message. Members that nobody knows become warnings.
async fn raw_message<T: Shape>(events: &mut Events, report: &Report) -> Result<T, Error> {
    let body = raw_body(events).await?;
    let Decoded { value, unknown } = codec::read::<T>(&body).map_err(AdapterError::from)?;
    unknown.into_iter().for_each(|path| report.warn(unknown_warning(path)));
    Ok(value)
}

/// Bytes from which an answer is compressed where the client likes. Below, the compressor's own memory costs
/// more than the bytes: a third of the gateway's time with clients that accept gzip by default.
const WORTH_COMPRESSING: usize = 4096;

/// A response that is compressed only where that pays.
fn compressed_where_worth<M: Message>(message: M) -> Response<M> {
    let small = message.encoded_len() < WORTH_COMPRESSING;
    let mut response = Response::new(message);
    if small {
        response.disable_compression();
    }
    response
}
