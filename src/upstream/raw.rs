//! Raw bytes through the typed SDK: the SDK keeps credentials, endpoints, signing and connections, and we
//! keep the bodies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bedrock_inference_adapters::contract::{Content, ReplyHead};

/// Puts our body into one request, and takes the reply's body out.
///
/// The SDK gets an empty reply to read instead. It would parse what we parse again, lose the members that it
/// does not know, and could refuse a complete answer that has been paid.
#[derive(Clone)]
pub(super) struct RawBody {
    request: Content,
    stand_in: &'static str,
    reply: Arc<Mutex<Captured>>,
}

/// What was taken out of the reply, and of how it was asked for.
#[derive(Default)]
pub(super) struct Captured {
    /// Which credentials signed the request; none where a bearer token stands instead.
    pub(super) access_key_id: Option<String>,
    /// AWS's request id.
    pub(super) request_id: Option<String>,
    /// What InvokeModel says in headers.
    pub(super) head: ReplyHead,
    /// The body, unread. `None` where the reply was an error, whose body stays where the SDK looks for it.
    pub(super) body: Option<SdkBody>,
}

impl RawBody {
    /// For one request, answered as frames or as a whole.
    pub(super) fn new(request: Content, framed: bool) -> Self {
        Self { request, stand_in: if framed { "" } else { "{}" }, reply: Arc::default() }
    }

    /// What was taken out of the reply.
    pub(super) fn captured(&self) -> Captured {
        std::mem::take(&mut *self.reply())
    }

    fn reply(&self) -> MutexGuard<'_, Captured> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RawBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody").finish_non_exhaustive()
    }
}

#[dyn_dispatch_hint]
impl Intercept for RawBody {
    fn name(&self) -> &'static str {
        "RawBody"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.request.len().to_string());
        *request.body_mut() = SdkBody::from(self.request.clone().into_bytes());
        Ok(())
    }

    fn read_after_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signature = context.request().headers().get("authorization");
        // `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/..., SignedHeaders=...`
        let credential = signature.and_then(|signature| signature.split_once("Credential="));
        self.reply().access_key_id = credential
            .and_then(|(_, credential)| credential.split_once('/'))
            .map(|(access_key_id, _)| access_key_id.to_owned());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let mut reply = self.reply();
        reply.request_id = response.headers().get("x-amzn-requestid").map(str::to_owned);
        reply.head = head(response.headers());
        if response.status().is_success() {
            let stand_in = SdkBody::from(self.stand_in);
            reply.body = Some(std::mem::replace(response.body_mut(), stand_in));
        }
        Ok(())
    }
}

fn head(headers: &Headers) -> ReplyHead {
    let text = |name: &str| headers.get(name).map(str::to_owned);
    let count = |name: &str| headers.get(name).and_then(|value| value.parse().ok());
    ReplyHead {
        // A stream's own type says how it is framed; the type of what is framed stands beside it.
        content_type: text("x-amzn-bedrock-content-type").or_else(|| text("content-type")),
        performance_config_latency: text("x-amzn-bedrock-performanceconfig-latency"),
        service_tier: text("x-amzn-bedrock-service-tier"),
        input_tokens: count("x-amzn-bedrock-input-token-count"),
        output_tokens: count("x-amzn-bedrock-output-token-count"),
        cache_read_input_tokens: count("x-amzn-bedrock-cache-read-input-token-count"),
        cache_write_input_tokens: count("x-amzn-bedrock-cache-write-input-token-count"),
        latency_ms: headers.get("x-amzn-bedrock-invocation-latency").and_then(|value| value.parse().ok()),
    }
}
