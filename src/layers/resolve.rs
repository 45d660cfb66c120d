//! Resolve: the model id that the caller gave to the targets that can serve it.

use std::sync::Arc;

use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{CallService, Request};
use crate::catalog::{Catalog, Home, Target};

/// Fills `Call::targets`. An id that the catalogue does not know ends here, before anything is paid.
pub fn resolve(catalog: Arc<Catalog>, home: Home) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, mut call| {
        let target = match *call.request {
            Request::Converse(_) | Request::Invoke(_) => catalog.resolve(&call.model_asked, &home),
            Request::CountTokens(_) => catalog.resolve_bare(&call.model_asked, &home),
            Request::ApplyGuardrail(_) => Ok(Target::region_only(&home.region)),
        };
        async move {
            call.targets = vec![target?];
            inside.oneshot(call).await
        }
    })
}
