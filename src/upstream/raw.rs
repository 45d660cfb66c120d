//! Raw bytes through the typed SDK: the SDK keeps credentials, endpoints, signing and connections, and we
//! keep the bodies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
    BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;

/// Puts our body into one request, and takes the reply's body out.
#[derive(Debug, Clone)]
pub(super) struct RawBody {
    request: Bytes,
    reply: Arc<Mutex<Captured>>,
    streaming: bool,
}

/// What was taken out of the reply.
#[derive(Debug, Default)]
pub(super) struct Captured {
    /// AWS's request id.
    pub(super) request_id: Option<String>,
    /// The whole body of a unary reply.
    pub(super) whole: Bytes,
    /// The body of a streaming reply, unread.
    pub(super) stream: Option<SdkBody>,
}

impl RawBody {
    /// For one request.
    pub(super) fn new(request: Bytes, streaming: bool) -> Self {
        Self { request, reply: Arc::default(), streaming }
    }

    /// What was taken out of the reply.
    pub(super) fn captured(&self) -> Captured {
        std::mem::take(&mut *self.reply())
    }

    fn reply(&self) -> MutexGuard<'_, Captured> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
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
        *request.body_mut() = SdkBody::from(self.request.clone());
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
        // An error's body stays where the SDK looks for it.
        if self.streaming && response.status().is_success() {
            reply.stream = Some(std::mem::replace(response.body_mut(), SdkBody::empty()));
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.streaming {
            let body = context.response().body().bytes();
            self.reply().whole = Bytes::copy_from_slice(body.unwrap_or_default());
        }
        Ok(())
    }
}
