//! Reads a request's method and path.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::calls::Operation;

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'r> {
    /// An operation on a model, with the id percent-decoded.
    Model(Operation, String),
    /// The emulator's own interface, with the rest of the path.
    Control(&'r str),
    /// Nothing the Bedrock Runtime has.
    Unknown,
}

/// Finds the route. The model id is one segment as it was sent: a decoded `/` belongs to an ARN.
pub(crate) fn find<'r>(method: &Method, path: &'r str) -> Route<'r> {
    if let Some(rest) = path.strip_prefix("/_emulator/") {
        return Route::Control(rest);
    }
    let mut segments = path.split('/');
    let (Some(""), Some("model"), Some(id), Some(verb), None) =
        (segments.next(), segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Route::Unknown;
    };
    let operation = match verb {
        "converse" => Operation::Converse,
        "converse-stream" => Operation::ConverseStream,
        _ => return Route::Unknown,
    };
    match percent_decode_str(id).decode_utf8() {
        Ok(id) if method == Method::POST && !id.is_empty() => Route::Model(operation, id.into_owned()),
        _ => Route::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(operation: Operation, id: &str) -> Route<'static> {
        Route::Model(operation, id.to_owned())
    }

    #[test]
    fn paths_are_routed() {
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0";
        let encoded = format!("/model/{}/converse", arn.replace(':', "%3A").replace('/', "%2F"));
        for (path, route) in [
            ("/model/amazon.nova-pro-v1%3A0/converse", model(Operation::Converse, "amazon.nova-pro-v1:0")),
            (
                "/model/amazon.nova-pro-v1:0/converse-stream",
                model(Operation::ConverseStream, "amazon.nova-pro-v1:0"),
            ),
            (encoded.as_str(), model(Operation::Converse, arn)),
            ("/_emulator/calls", Route::Control("calls")),
            ("/model//converse", Route::Unknown),
            ("/model/a/b/converse", Route::Unknown),
            ("/model/a/invoke", Route::Unknown),
            ("/model/a/converse/", Route::Unknown),
            ("/model/%ff/converse", Route::Unknown),
            ("/", Route::Unknown),
        ] {
            assert_eq!(find(&Method::POST, path), route, "{path}");
        }
        assert_eq!(find(&Method::GET, "/model/a/converse"), Route::Unknown);
    }
}
