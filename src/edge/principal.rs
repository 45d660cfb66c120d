//! Principal: who calls, checked before anything is decoded.

use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refused};
use crate::principal::Authenticator;

/// Puts the caller's principal into the request, or refuses it.
pub(super) fn principal(
    authenticator: Authenticator,
) -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(move |inside, mut request| {
        let principal = authenticator.authenticate(request.headers());
        async move {
            match principal {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                    pass(inside, request).await
                }
                Err(error) => refused(&Arrival::report(request.extensions()), &error),
            }
        }
    })
}
