//! Bedrock through the AWS SDK: one set of clients a region.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{Builder, Region};
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{
    ConverseTokensRequest, CountTokensInput, GuardrailContentSource, PerformanceConfigLatency,
    ServiceTierType, Trace,
};
use aws_smithy_http_client::pool::{self, ConnectionPool, PartitionId};

use aws_smithy_types::body::SdkBody;
use bedrock_inference_adapters::contract::InvokeHeaders;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::failure::failure;
use super::frames::frames;
use super::raw::RawBody;
use super::{Bedrock, Body, Operation, Request, Response};
use crate::error::{Error, Reason};

/// The largest whole reply, in bytes: Bedrock's limit for bodies is 25,000,000.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Sets the headers of either InvokeModel call; their builders have the same methods and no common type.
macro_rules! with_headers {
    ($call:expr, $headers:expr) => {
        $call
            .content_type($headers.content_type.as_deref().unwrap_or(JSON))
            .accept($headers.accept.as_deref().unwrap_or(JSON))
            .set_trace($headers.trace.as_deref().map(Trace::from))
            .set_guardrail_identifier($headers.guardrail_identifier.clone())
            .set_guardrail_version($headers.guardrail_version.clone())
            .set_performance_config_latency(
                $headers.performance_config_latency.as_deref().map(PerformanceConfigLatency::from),
            )
            .set_service_tier($headers.service_tier.as_deref().map(ServiceTierType::from))
            .set_request_metadata($headers.request_metadata.clone())
            .body(Blob::new([]))
    };
}

/// The media type of every native body.
const JSON: &str = "application/json";

/// The AWS SDK's client of every region that was called so far.
///
/// Over TLS one SDK client holds one HTTP/2 connection, so each region has several clients, and calls take
/// them in turn.
pub struct AwsBedrock {
    base: Builder,
    pool: ConnectionPool,
    connections: usize,
    regions: Mutex<BTreeMap<String, Arc<[Client]>>>,
    turn: AtomicUsize,
}

impl AwsBedrock {
    /// Calls through clients made from `base`, over `connections` partitions of the pool.
    pub(super) fn new(base: Builder, pool: ConnectionPool, connections: usize) -> Self {
        Self { base, pool, connections, regions: Mutex::default(), turn: AtomicUsize::new(0) }
    }

    fn client(&self, region: &str) -> Result<Client, Error> {
        let clients = self.clients(region)?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let client = turn.checked_rem(clients.len()).and_then(|turn| clients.get(turn));
        client.cloned().ok_or_else(|| Error::new(Reason::Panic, "a region has no clients"))
    }

    fn clients(&self, region: &str) -> Result<Arc<[Client]>, Error> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clients) = regions.get(region) {
            return Ok(Arc::clone(clients));
        }
        let made = (0..self.connections).map(|index| self.connect(region, index));
        let clients: Arc<[Client]> = made.collect::<Result<Vec<_>, _>>()?.into();
        regions.insert(region.to_owned(), Arc::clone(&clients));
        Ok(clients)
    }

    fn connect(&self, region: &str, index: usize) -> Result<Client, Error> {
        let http = pool::Client::from_partition(&self.pool, PartitionId::from_index(index));
        let http = http
            .map_err(|error| Error::new(Reason::Panic, "a pool partition is missing").with_source(error))?;
        let config = self.base.clone().region(Region::new(region.to_owned())).http_client(http);
        Ok(Client::from_conf(config.build()))
    }
}

impl fmt::Debug for AwsBedrock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsBedrock").field("connections", &self.connections).finish_non_exhaustive()
    }
}

#[async_trait]
impl Bedrock for AwsBedrock {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let result = match &request.operation {
            Operation::Converse => self.converse(&request).await,
            Operation::ConverseStream => self.converse_stream(&request).await,
            Operation::InvokeModel(headers) => self.invoke_model(&request, headers).await,
            Operation::InvokeModelStream(headers) => self.invoke_model_stream(&request, headers).await,
            Operation::CountTokens => self.count_tokens(&request).await,
            Operation::ApplyGuardrail { identifier, version } => {
                self.apply_guardrail(&request, identifier, version).await
            }
        };
        result.map_err(|mut error| {
            error.upstream.model_id = Some(request.model_id);
            error.upstream.region = Some(request.region);
            error
        })
    }
}

/// The typed calls. Their bodies are ours; what the SDK would write and read is only a stand-in, so members
/// that it insists on are given empty.
impl AwsBedrock {
    async fn converse(&self, request: &Request) -> Result<Response, Error> {
        let raw = RawBody::whole(request.body.clone());
        let call = self.client(&request.region)?.converse().model_id(&request.model_id);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        answered(&raw).await
    }

    async fn converse_stream(&self, request: &Request) -> Result<Response, Error> {
        let raw = RawBody::frames(request.body.clone());
        let call = self.client(&request.region)?.converse_stream().model_id(&request.model_id);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        streaming(&raw)
    }

    async fn invoke_model(&self, request: &Request, headers: &InvokeHeaders) -> Result<Response, Error> {
        let raw = RawBody::whole(request.body.clone());
        let call = self.client(&request.region)?.invoke_model().model_id(&request.model_id);
        let call = with_headers!(call, headers);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        answered(&raw).await
    }

    async fn invoke_model_stream(
        &self,
        request: &Request,
        headers: &InvokeHeaders,
    ) -> Result<Response, Error> {
        let raw = RawBody::frames(request.body.clone());
        let client = self.client(&request.region)?;
        let call = client.invoke_model_with_response_stream().model_id(&request.model_id);
        let call = with_headers!(call, headers);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        streaming(&raw)
    }

    async fn count_tokens(&self, request: &Request) -> Result<Response, Error> {
        let raw = RawBody::whole(request.body.clone());
        let input = CountTokensInput::Converse(ConverseTokensRequest::builder().build());
        let call = self.client(&request.region)?.count_tokens().model_id(&request.model_id).input(input);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        answered(&raw).await
    }

    async fn apply_guardrail(&self, request: &Request, id: &str, version: &str) -> Result<Response, Error> {
        let raw = RawBody::whole(request.body.clone());
        let call = self.client(&request.region)?.apply_guardrail();
        let call = call.guardrail_identifier(id).guardrail_version(version);
        let call = call.source(GuardrailContentSource::Input).set_content(Some(Vec::new()));
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        answered(&raw).await
    }
}

async fn answered(raw: &RawBody) -> Result<Response, Error> {
    let reply = raw.captured();
    let body = Body::Whole(whole(reply.body.ok_or_else(no_body)?).await?.into());
    Ok(Response { request_id: reply.request_id, head: reply.head, body })
}

fn streaming(raw: &RawBody) -> Result<Response, Error> {
    let reply = raw.captured();
    let body = Body::Frames(frames(reply.body.ok_or_else(no_body)?));
    Ok(Response { request_id: reply.request_id, head: reply.head, body })
}

fn no_body() -> Error {
    Error::new(Reason::UpstreamProtocol, "bedrock's reply has no body")
}

/// All of a body. A model's answer is far below the limit; only something that is not Bedrock sends more.
async fn whole(body: SdkBody) -> Result<Bytes, Error> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::new(
            Reason::UpstreamProtocol,
            format!("bedrock's reply has more than {MAX_BODY} bytes"),
        )),
        Err(_) => {
            let context = "the connection to bedrock was lost before the reply was complete";
            Err(Error::new(Reason::UpstreamConnectionLost, context))
        }
    }
}
