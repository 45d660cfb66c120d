//! Plain streams: messages of a stream are small, and are never compressed one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::FileDescriptorSet;
use tower::Layer;

use super::{HttpService, layer, pass};

/// Takes the offer of compression out of requests for our streams.
///
/// `tonic::Response::disable_compression` would be the place, but tonic 0.14.9 heeds it for unary answers
/// only.
pub(super) fn plain_streams() -> impl Layer<HttpService, Service = HttpService> + Clone {
    let streams = Arc::new(streams());
    layer(move |inside, mut request| {
        if streams.contains(request.uri().path()) {
            request.headers_mut().remove("grpc-accept-encoding");
        }
        pass(inside, request)
    })
}

/// The paths of our RPCs that answer with a stream.
fn streams() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let mut paths = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            let streams = service.method.iter().filter(|method| method.server_streaming());
            paths.extend(streams.map(|m| format!("/{}.{}/{}", file.package(), service.name(), m.name())));
        }
    }
    paths
}
