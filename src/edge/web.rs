//! gRPC-Web, and which web pages may use it.

use http::{HeaderName, HeaderValue, Method};
use tonic_web::GrpcWebLayer;
use tower::layer::util::Stack;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

/// Headers that a page must be able to read: gRPC-Web sends errors without a body in them, and InvokeModelStream
/// what AWS says beside the chunks.
const EXPOSED: [HeaderName; 8] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-retry-pushback-ms"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("x-amzn-bedrock-content-type"),
    HeaderName::from_static("x-amzn-bedrock-performanceconfig-latency"),
    HeaderName::from_static("x-amzn-bedrock-service-tier"),
];

/// CORS around gRPC-Web, for these origins; `*` stands for all.
///
/// # Errors
/// An origin that cannot stand in a header.
pub fn web(origins: &[String]) -> Result<Stack<GrpcWebLayer, CorsLayer>, String> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        let origins = origins.iter().map(|origin| {
            let value = origin.parse::<HeaderValue>();
            value.map_err(|_| {
                format!("server.cors_origins: {origin:?} is not an origin such as https://example.com")
            })
        });
        AllowOrigin::list(origins.collect::<Result<Vec<_>, _>>()?)
    };
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        // What the page asks for, by name: `*` would leave `authorization` out.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED);
    Ok(Stack::new(GrpcWebLayer::new(), cors))
}
