//! The gRPC services: one file an RPC, proto in, [`Call`] through the corridor, proto out.

mod converse;
mod converse_stream;
mod ending;
mod get_model;
mod list_models;

use std::sync::Arc;

use bedrock_inference_adapters::contract::ConverseCall;
use bedrock_inference_proto::v1;
use tokio::time::timeout_at;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

use crate::call::{Call, CallService, Reply, Report};
use crate::catalog::{Catalog, Home};
use crate::edge::Deadline;
use crate::error::{Error, Reason};
use crate::principal;

use ending::Ending;

/// Answers every RPC.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The corridor that every call of a model goes through.
    pub corridor: CallService,
    /// What is known of every model.
    pub catalog: Arc<Catalog>,
    /// Where the service stands.
    pub home: Home,
}

#[tonic::async_trait]
impl v1::inference_server::Inference for Gateway {
    async fn converse(
        &self,
        request: Request<v1::ConverseRequest>,
    ) -> Result<Response<v1::ConverseResponse>, Status> {
        converse::answer(self, request).await
    }

    type ConverseStreamStream = converse_stream::Messages;

    async fn converse_stream(
        &self,
        request: Request<v1::ConverseStreamRequest>,
    ) -> Result<Response<Self::ConverseStreamStream>, Status> {
        converse_stream::answer(self, request).await
    }
}

#[tonic::async_trait]
impl v1::models_server::Models for Gateway {
    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        list_models::answer(self, request.get_ref())
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        get_model::answer(self, request.get_ref())
    }
}

impl Gateway {
    /// Sends a call through the corridor and returns its reply, whose first content is there.
    async fn begin<M: Into<ConverseCall>>(&self, request: Request<M>) -> Result<(Ending, Reply), Status> {
        let ending = Ending::of(Report::begin());
        match self.reply(request, ending.report()).await {
            Ok(reply) => Ok((ending, reply)),
            Err(error) => Err(ending.failed(&error)),
        }
    }

    async fn reply<M: Into<ConverseCall>>(
        &self,
        request: Request<M>,
        report: &Report,
    ) -> Result<Reply, Error> {
        let (metadata, extensions, message) = request.into_parts();
        let model_header = metadata.get("x-bedrock-model-id").and_then(|id| id.to_str().ok());
        let deadline = extensions.get::<Deadline>().map(|deadline| deadline.0);
        let principal = principal::of(&extensions)?;
        let call = Call::new(principal, deadline, model_header, message.into(), report.clone())?;
        tracing::Span::current().record("request_id", &call.request_id);
        let answer = self.corridor.clone().oneshot(call);
        match deadline {
            None => answer.await,
            Some(deadline) => timeout_at(deadline, answer).await.unwrap_or_else(|_| {
                Err(Error::new(Reason::ClientDeadline, "the caller's deadline has passed"))
            }),
        }
    }
}
