//! Span: one span an RPC, under the names of OpenTelemetry's RPC conventions.

use tower::Layer;
use tracing::{Instrument, field};

use super::{HttpService, layer, pass};

/// Opens the server span.
pub(super) fn span() -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(|inside, request| {
        let method = request.uri().path().trim_start_matches('/');
        let span = tracing::info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = method,
            request_id = field::Empty,
        );
        pass(inside, request).instrument(span)
    })
}
