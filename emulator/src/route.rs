//! Reads a request's method and path.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::calls::Operation;

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'r> {
    /// An operation on a model, with the id percent-decoded.
    Model(Operation, String),
    /// ApplyGuardrail, with id and version percent-decoded.
    Guardrail { id: String, version: String },
    /// The one path of AWS's Query protocol, which STS speaks.
    Query,
    /// The emulator's own interface, with the rest of the path.
    Control(&'r str),
    /// Nothing that the emulator has.
    Unknown,
}

/// Finds the route. The model id is one segment as it was sent: a decoded `/` belongs to an ARN.
pub(crate) fn find<'r>(method: &Method, path: &'r str) -> Route<'r> {
    if let Some(rest) = path.strip_prefix("/_emulator/") {
        return Route::Control(rest);
    }
    if method != Method::POST {
        return Route::Unknown;
    }
    if path == "/" {
        return Route::Query;
    }
    let segments: Vec<&str> = path.split('/').collect();
    let found = match segments.as_slice() {
        ["", "model", id, verb] => model(id, verb),
        ["", "guardrail", id, "version", version, "apply"] => guardrail(id, version),
        _ => None,
    };
    found.unwrap_or(Route::Unknown)
}

fn model<'r>(id: &str, verb: &str) -> Option<Route<'r>> {
    let operation = match verb {
        "converse" => Operation::Converse,
        "converse-stream" => Operation::ConverseStream,
        "invoke" => Operation::InvokeModel,
        "invoke-with-response-stream" => Operation::InvokeModelWithResponseStream,
        "count-tokens" => Operation::CountTokens,
        _ => return None,
    };
    Some(Route::Model(operation, decoded(id)?))
}

fn guardrail<'r>(id: &str, version: &str) -> Option<Route<'r>> {
    Some(Route::Guardrail { id: decoded(id)?, version: decoded(version)? })
}

/// A segment without its percent-encoding; `None` when it is empty or no UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_model(operation: Operation, id: &str) -> Route<'static> {
        Route::Model(operation, id.to_owned())
    }

    #[test]
    fn paths_are_routed() {
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0";
        let encoded = format!("/model/{}/converse", arn.replace(':', "%3A").replace('/', "%2F"));
        for (path, route) in [
            ("/model/amazon.nova-pro-v1%3A0/converse", to_model(Operation::Converse, "amazon.nova-pro-v1:0")),
            (
                "/model/amazon.nova-pro-v1:0/converse-stream",
                to_model(Operation::ConverseStream, "amazon.nova-pro-v1:0"),
            ),
            (encoded.as_str(), to_model(Operation::Converse, arn)),
            ("/_emulator/calls", Route::Control("calls")),
            ("/model//converse", Route::Unknown),
            ("/model/a/b/converse", Route::Unknown),
            ("/model/a/invoke", to_model(Operation::InvokeModel, "a")),
            ("/model/a/invoke-with-response-stream", to_model(Operation::InvokeModelWithResponseStream, "a")),
            ("/model/a/count-tokens", to_model(Operation::CountTokens, "a")),
            ("/model/a/invoke-with-bidirectional-stream", Route::Unknown),
            (
                "/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aguardrail%2Fg1/version/DRAFT/apply",
                Route::Guardrail {
                    id: "arn:aws:bedrock:us-east-1:1:guardrail/g1".to_owned(),
                    version: "DRAFT".to_owned(),
                },
            ),
            ("/guardrail/g1/version//apply", Route::Unknown),
            ("/guardrail/g1/apply", Route::Unknown),
            ("/model/a/converse/", Route::Unknown),
            ("/model/%ff/converse", Route::Unknown),
            ("/", Route::Query),
        ] {
            assert_eq!(find(&Method::POST, path), route, "{path}");
        }
        assert_eq!(find(&Method::GET, "/model/a/converse"), Route::Unknown);
    }
}
