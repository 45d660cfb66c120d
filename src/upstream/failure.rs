//! Failures of the SDK, under the reasons of this service.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::said::Said;
use crate::error::{Error, Reason, Refusal, refusal};

/// The error that stands for a failure of the SDK.
pub(super) fn failure<E>(failure: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let request_id = failure.request_id().map(str::to_owned);
    let mut error = match &failure {
        // The SDK calls a reply that it cannot parse an error of the service, though its status was good.
        SdkError::ServiceError(context) if context.raw().status().is_success() => unreadable(),
        SdkError::ServiceError(context) => refused(context.err(), context.raw()),
        SdkError::ResponseError(_) => unreadable(),
        SdkError::TimeoutError(_) => unreachable_upstream(),
        SdkError::DispatchFailure(_) if caused_by::<CredentialsError>(&failure) => no_credentials(),
        // The pool names the connection in every failure that comes after one was made: from then on the
        // request may have been read.
        SdkError::DispatchFailure(dispatch) => {
            let connection = dispatch.as_connector_error().and_then(|error| error.connection_metadata());
            if connection.is_some() { connection_lost() } else { unreachable_upstream() }
        }
        _ if caused_by::<CredentialsError>(&failure) => no_credentials(),
        SdkError::ConstructionFailure(_) => {
            Error::new(Reason::ClientBug, "the gateway's own AWS client could not build the request")
        }
        _ => Error::new(Reason::UpstreamUnknown, "the AWS client failed in a way that it does not name"),
    };
    error.upstream.request_id = request_id;
    match failure {
        // These can quote the request, and sources are logged.
        SdkError::ServiceError(_) | SdkError::ResponseError(_) | SdkError::ConstructionFailure(_) => error,
        failure => error.with_source(failure),
    }
}

fn refused(error: &impl ProvideErrorMetadata, response: &HttpResponse) -> Error {
    let status = response.status().as_u16();
    let header = response.headers().get("x-amzn-errortype");
    let code = error.code().or(header.and_then(|header| header.split(':').next()));
    // The SDK has read the whole body of a refusal.
    let said = Said::read(response.body().bytes().unwrap_or_default());
    refusal(&Refusal {
        code: code.unwrap_or_default(),
        message: &said.message,
        status: Some(status),
        retry_after: retry_after(response),
        original_status: said.original_status,
    })
}

/// How long AWS advises to wait: its own header in milliseconds, or HTTP's in seconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name: &str| response.headers().get(name)?.trim().parse().ok();
    let exact = number("x-amz-retry-after").map(Duration::from_millis);
    exact.or_else(|| number("retry-after").map(Duration::from_secs))
}

fn unreadable() -> Error {
    Error::new(Reason::UpstreamProtocol, "bedrock's reply could not be read")
}

fn unreachable_upstream() -> Error {
    Error::new(Reason::UpstreamUnreachable, "no connection to bedrock could be made")
}

fn connection_lost() -> Error {
    Error::new(Reason::UpstreamConnectionLost, "the connection to bedrock was lost before it answered")
}

fn no_credentials() -> Error {
    Error::new(Reason::UpstreamCredentials, "the gateway has no AWS credentials now")
}

/// Whether something of this type stands in the chain of causes.
fn caused_by<T: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|error| error.is::<T>())
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}
