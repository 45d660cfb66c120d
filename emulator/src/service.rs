//! From an HTTP request to a recorded call, and back.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;
use uuid::Uuid;

use crate::calls::Operation;
use crate::control;
use crate::errors::{EXPIRED_TOKEN, Failure, Outcome};
use crate::operations::{self, Call};
use crate::pace;
use crate::reply::{self, ReplyBody};
use crate::route::{self, Route};
use crate::server::Shared;
use crate::signature::Signer;
use crate::sts;

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 25_000_000;

/// Answers one request. An error breaks the connection, or resets the h2 stream.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Response<ReplyBody>> {
    let arrived = pace::now();
    let (parts, incoming) = request.into_parts();
    let mut buffer = Uuid::encode_buffer();
    let request_id: &str = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    let mut response = match route::find(&parts.method, parts.uri.path()) {
        Route::Unknown => reply::refusal(&unknown_operation(), None),
        route => match read(incoming).await? {
            Err(failure) => reply::refusal(&failure, None),
            Ok(body) => match route {
                Route::Model(operation, id) => {
                    let request = Received { headers: parts.headers, body, arrived, request_id };
                    call(&shared, operation, id, None, request).await?
                }
                Route::Guardrail { id, version } => {
                    let request = Received { headers: parts.headers, body, arrived, request_id };
                    call(&shared, Operation::ApplyGuardrail, id, Some(version), request).await?
                }
                Route::Query => query(&shared, &parts.headers, &body, request_id),
                Route::Control(path) => control::answer(&shared, &parts.method, path, &body),
                Route::Unknown => reply::refusal(&unknown_operation(), None),
            },
        },
    };
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    Ok(response)
}

/// What came with a call beside its path.
struct Received<'r> {
    headers: HeaderMap,
    body: Bytes,
    arrived: Instant,
    request_id: &'r str,
}

/// Records a call and answers it, unless its signature is refused.
async fn call(
    shared: &Arc<Shared>,
    operation: Operation,
    id: String,
    version: Option<String>,
    request: Received<'_>,
) -> io::Result<Response<ReplyBody>> {
    let Received { headers, body, arrived, request_id } = request;
    let request_id = request_id.to_owned();
    let open = shared.calls.begin(operation, id.clone(), &headers, body.clone());
    if let Err(failure) = authenticate(shared, &headers) {
        return Ok(reply::refusal(&failure, Some(open)));
    }
    operations::answer(shared, Call { operation, id, version, request_id, headers, body, arrived, open })
        .await
}

/// Answers what STS is asked, unless its signature is refused. The region that it was signed for is no matter:
/// an emulator of any region may stand for STS.
fn query(shared: &Shared, headers: &HeaderMap, body: &[u8], id: &str) -> Response<ReplyBody> {
    if !headers.contains_key(AUTHORIZATION) {
        let missing = Failure::new("MissingAuthenticationToken", "Request is missing Authentication Token");
        return sts::refusal(&missing, id);
    }
    if shared.refused_keys.signed(headers) || sts::has_expired(headers) {
        return sts::refusal(&Failure::new("ExpiredToken", EXPIRED_TOKEN), id);
    }
    let answer = shared.sessions.answer(headers, body, id);
    answer.unwrap_or_else(|| reply::refusal(&unknown_operation(), None))
}

/// Takes any credential but those it was told not to.
fn authenticate(shared: &Shared, headers: &HeaderMap) -> Outcome<()> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(Failure::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    let region = Signer::of(headers).and_then(|signer| signer.region);
    if shared.refuses_other_regions && region.is_some_and(|region| region != shared.region) {
        let message = "Credential should be scoped to a valid region.";
        return Err(Failure::new("InvalidSignatureException", message));
    }
    if shared.refused_keys.signed(headers) || sts::has_expired(headers) {
        return Err(Failure::new("ExpiredTokenException", EXPIRED_TOKEN));
    }
    Ok(())
}

/// The whole body, a refusal when it is too large, or an error when the client went away.
async fn read(incoming: Incoming) -> io::Result<Result<Bytes, Failure>> {
    match Limited::new(incoming, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(Ok(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(Failure::new(
            "RequestEntityTooLargeException",
            format!("The request body exceeds the limit of {MAX_BODY_BYTES} bytes."),
        ))),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn unknown_operation() -> Failure {
    Failure::new("UnknownOperationException", "The requested operation is not recognized by the service.")
}
