//! Unnamed statuses: what tonic refuses by itself gets a reason, the code that gRPC means, and details.

use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};
use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refused};
use crate::error::{Error, Reason};

/// Where tonic says which encodings it reads.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Rewrites statuses in response headers that are not of our making. tonic gives them for requests that it cannot
/// read, before any handler; their messages hold sizes and field names, no content.
pub(super) fn unnamed_statuses() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, request| {
        let report = Arrival::report(request.extensions());
        let path = request.uri().path().to_owned();
        async move {
            let response = pass(inside, request).await;
            // Health and reflection are gRPC's own services, with statuses that their clients know.
            if path.starts_with("/grpc.") {
                return response;
            }
            let Some(error) = unnamed(response.headers(), &path) else { return response };
            let mut named = refused(&report, &error);
            if let Some(accepted) = response.headers().get(&ACCEPT_ENCODING) {
                named.headers_mut().insert(ACCEPT_ENCODING, accepted.clone());
            }
            named
        }
    })
}

/// The error that stands for a status without details, if there is one.
fn unnamed(headers: &HeaderMap, path: &str) -> Option<Error> {
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let reason = match status.code() {
        // The rest: a caller who went away while it sent its request, to whom nothing is told.
        Code::Ok | Code::Cancelled | Code::Unknown | Code::Unavailable => return None,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::Unimplemented if headers.contains_key(&ACCEPT_ENCODING) => Reason::UnsupportedEncoding,
        Code::Unimplemented => {
            return Some(Error::new(Reason::UnknownMethod, format!("nothing answers {path} here")));
        }
        _ => Reason::MalformedMessage,
    };
    Some(Error::new(reason, status.message()))
}
