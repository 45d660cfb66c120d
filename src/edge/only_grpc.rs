//! Only gRPC: a request of another media type is none of ours.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use tonic::body::Body;
use tower::Layer;

use super::{HttpService, layer, pass};

/// Refuses what is not `application/grpc` or one of its kinds, by the HTTP status that gRPC's protocol names.
///
/// tonic takes any. A web page of anywhere may send a form's media types with its visitor's client certificate
/// and without asking first; gRPC's it may not.
pub(super) fn only_grpc() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, request| async move {
        let media_type = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        if media_type.is_some_and(is_grpc) {
            return pass(inside, request).await;
        }
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        refusal
    })
}

fn is_grpc(media_type: &[u8]) -> bool {
    let rest = media_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
