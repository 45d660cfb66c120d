//! Bedrock through the AWS SDK: one set of clients a region and identity.

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
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::failure::failure;
use super::frames::frames;
use super::lately::Lately;
use super::raw::RawBody;
use super::sources::Identities;
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

/// Sends a typed call with our own body; their builders have no common type either.
macro_rules! sent {
    ($call:expr, $raw:expr) => {
        $call.customize().interceptor($raw.clone()).send().await.map(drop).map_err(failure)
    };
}

/// So many ways have clients at a time, of 80 KiB each or so: callers can name regions by ARN.
const MOST_WAYS: usize = 256;

/// The media type of every native body.
const JSON: &str = "application/json";

/// The AWS SDK's clients of the regions and roles that were called lately.
///
/// Over TLS one SDK client holds one HTTP/2 connection, so each region has several clients, and calls take
/// them in turn. Roles share the connections, which outlive the clients.
pub struct AwsBedrock {
    base: Builder,
    endpoints: BTreeMap<String, String>,
    identities: Identities,
    pool: ConnectionPool,
    connections: usize,
    clients: Mutex<Lately<Way, Arc<[Client]>>>,
    turn: AtomicUsize,
}

/// Region and role of a call.
type Way = (String, Option<String>);

impl AwsBedrock {
    /// Calls through clients made from `base`, over `connections` partitions of the pool, to the endpoints of
    /// these regions.
    pub(super) fn new(
        base: Builder,
        endpoints: BTreeMap<String, String>,
        identities: Identities,
        pool: ConnectionPool,
        connections: usize,
    ) -> Self {
        let clients = Mutex::new(Lately::new(MOST_WAYS));
        Self { base, endpoints, identities, pool, connections, clients, turn: AtomicUsize::new(0) }
    }

    fn client(&self, request: &Request) -> Result<Client, Error> {
        let clients = self.clients((request.region.clone(), request.role.clone()))?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let client = turn.checked_rem(clients.len()).and_then(|turn| clients.get(turn));
        client.cloned().ok_or_else(|| Error::new(Reason::Panic, "a region has no clients"))
    }

    fn clients(&self, way: Way) -> Result<Arc<[Client]>, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(way, |way| {
            let made = (0..self.connections).map(|index| self.connect(way, index));
            made.collect::<Result<Vec<_>, _>>().map(Arc::from)
        })
    }

    fn connect(&self, (region, role): &Way, index: usize) -> Result<Client, Error> {
        let http = pool::Client::from_partition(&self.pool, PartitionId::from_index(index));
        let http = http
            .map_err(|error| Error::new(Reason::Panic, "a pool partition is missing").with_source(error))?;
        let mut config = self
            .base
            .clone()
            .region(Region::new(region.clone()))
            .credentials_provider(self.identities.of(role.as_deref()))
            .http_client(http);
        if let Some(endpoint) = self.endpoints.get(region) {
            config = config.endpoint_url(endpoint);
        }
        if role.is_some() {
            // A bearer token would be preferred, and is nobody's role.
            config = config.auth_scheme_preference([AuthSchemeId::from("sigv4")]);
        }
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
        let client = self.client(&request)?;
        let raw = RawBody::new(request.body.clone(), request.operation.is_framed());
        match typed(&client, &request, &raw).await {
            Ok(()) => reply(&raw, request.operation.is_framed()).await,
            Err(error) => Err(self.told(error, request, &raw)),
        }
    }
}

impl AwsBedrock {
    /// The failure with what was called. Credentials that AWS has refused are asked for anew.
    fn told(&self, mut error: Error, request: Request, raw: &RawBody) -> Error {
        if error.reason == Reason::UpstreamCredentials
            && let Some(key) = raw.captured().access_key_id
        {
            self.identities.of(request.role.as_deref()).refused(&key);
        }
        error.upstream.model_id = Some(request.model_id);
        error.upstream.region = Some(request.region);
        error
    }
}

/// The typed calls. Their bodies are ours; what the SDK would write and read is only a stand-in, so members
/// that it insists on are given empty.
async fn typed(client: &Client, request: &Request, raw: &RawBody) -> Result<(), Error> {
    let model_id = &request.model_id;
    match &request.operation {
        Operation::Converse => sent!(client.converse().model_id(model_id), raw),
        Operation::ConverseStream => sent!(client.converse_stream().model_id(model_id), raw),
        Operation::InvokeModel(headers) => {
            sent!(with_headers!(client.invoke_model().model_id(model_id), headers), raw)
        }
        Operation::InvokeModelStream(headers) => {
            let call = client.invoke_model_with_response_stream().model_id(model_id);
            sent!(with_headers!(call, headers), raw)
        }
        Operation::CountTokens => {
            let input = CountTokensInput::Converse(ConverseTokensRequest::builder().build());
            sent!(client.count_tokens().model_id(model_id).input(input), raw)
        }
        Operation::ApplyGuardrail { identifier, version } => {
            let call = client.apply_guardrail().guardrail_identifier(identifier).guardrail_version(version);
            sent!(call.source(GuardrailContentSource::Input).set_content(Some(Vec::new())), raw)
        }
    }
}

async fn reply(raw: &RawBody, framed: bool) -> Result<Response, Error> {
    let reply = raw.captured();
    let body = reply.body.ok_or_else(no_body)?;
    let body = if framed { Body::Frames(frames(body)) } else { Body::Whole(whole(body).await?.into()) };
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
