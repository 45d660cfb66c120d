//! Principal: who calls, checked before anything is decoded.

use tower::Layer;

use super::{Arrival, HttpService, layer, pass, refused};
use crate::error::{Error, Reason};
use crate::principal::{Authenticator, Peer, Principal};

/// Services that anybody may call: probes have no identity, and what reflection tells is published anyway.
const PUBLIC: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// Puts the caller's principal into the request, or refuses it: one whom nobody knows, and one who may not call the
/// RPC.
pub(super) fn principal(
    authenticator: Authenticator,
) -> impl Layer<HttpService, Service = HttpService> + Clone {
    layer(move |inside, mut request| {
        let method = request.uri().path().to_owned();
        let public = PUBLIC.iter().any(|service| method.starts_with(service));
        let principal = if public {
            None
        } else {
            let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
            Some(
                authenticator
                    .authenticate(request.headers_mut(), &peer)
                    .and_then(|known| allowed(known, &method)),
            )
        };
        async move {
            match principal.transpose() {
                Ok(principal) => {
                    if let Some(principal) = principal {
                        Arrival::report(request.extensions()).of_tenant(principal.tenant());
                        request.extensions_mut().insert(principal);
                    }
                    pass(inside, request).await
                }
                Err(error) => refused(&Arrival::report(request.extensions()), &error),
            }
        }
    })
}

/// The principal, where it may call the RPC at this path.
fn allowed(principal: Principal, path: &str) -> Result<Principal, Error> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if principal.policy().allows_method(name) {
        return Ok(principal);
    }
    Err(Error::new(
        Reason::MethodNotAllowed,
        format!("the tenant {} may not call this RPC", principal.tenant().as_str()),
    ))
}
