//! Bedrock through the AWS SDK: one set of clients a region.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{Builder, Region};
use aws_smithy_http_client::pool::{self, ConnectionPool, PartitionId};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::failure::failure;
use super::frames::frames;
use super::raw::RawBody;
use super::{Bedrock, Body, Operation, Request, Response};
use crate::error::{Error, Reason};

/// The largest whole reply, in bytes: Bedrock's limit for bodies is 25,000,000.
const MAX_BODY: usize = 64 * 1024 * 1024;

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
        let result = match request.operation {
            Operation::Converse => self.converse(&request).await,
            Operation::ConverseStream => self.converse_stream(&request).await,
        };
        result.map_err(|mut error| {
            error.upstream.model_id = Some(request.model_id);
            error.upstream.region = Some(request.region);
            error
        })
    }
}

impl AwsBedrock {
    async fn converse(&self, request: &Request) -> Result<Response, Error> {
        let raw = RawBody::whole(request.body.clone());
        let call = self.client(&request.region)?.converse().model_id(&request.model_id);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        let (request_id, body) = taken(&raw)?;
        Ok(Response { request_id, body: Body::Whole(whole(body).await?) })
    }

    async fn converse_stream(&self, request: &Request) -> Result<Response, Error> {
        let raw = RawBody::frames(request.body.clone());
        let call = self.client(&request.region)?.converse_stream().model_id(&request.model_id);
        call.customize().interceptor(raw.clone()).send().await.map_err(failure)?;
        let (request_id, body) = taken(&raw)?;
        Ok(Response { request_id, body: Body::Frames(frames(body)) })
    }
}

fn taken(raw: &RawBody) -> Result<(Option<String>, SdkBody), Error> {
    let reply = raw.captured();
    let body =
        reply.body.ok_or_else(|| Error::new(Reason::UpstreamProtocol, "bedrock's reply has no body"))?;
    Ok((reply.request_id, body))
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
