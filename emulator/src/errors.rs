//! How the emulator refuses a call: one value with the exception's name, HTTP status and message.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

/// What AWS appends to the exception's name in `x-amzn-ErrorType`; clients must strip it.
const ERROR_TYPE_SUFFIX: &str = ":http://internal.amazon.com/coral/com.amazon.bedrock/";

/// What AWS says of credentials whose time is over.
pub(crate) const EXPIRED_TOKEN: &str = "The security token included in the request is expired";

/// The result of everything that may refuse a call.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// A refused call, ready to be rendered as AWS renders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exception's name, such as `ValidationException`.
    pub(crate) exception: String,
    /// What the client reads.
    pub(crate) message: String,
    /// How long the service asks the client to wait before the next attempt.
    pub(crate) retry_after: Option<Duration>,
    /// What the model's own server is said to have answered; `None` for 500.
    pub(crate) original_status: Option<u16>,
}

impl Failure {
    /// A failure with the given exception name.
    pub(crate) fn new(exception: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            exception: exception.into(),
            message: message.into(),
            retry_after: None,
            original_status: None,
        }
    }

    /// A 400 `ValidationException`.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A 400 `ValidationException` in the words Bedrock uses for a body that does not fit the schema.
    pub(crate) fn malformed(reason: impl fmt::Display) -> Self {
        Self::validation(format!(
            "Malformed input request: {reason}, please reformat your input and try again."
        ))
    }

    /// A 400 `ValidationException` in the words Bedrock uses when the model itself refused.
    pub(crate) fn from_model(message: impl AsRef<str>) -> Self {
        Self::validation(format!("The model returned the following errors: {}", message.as_ref()))
    }

    /// The HTTP status that goes with the exception.
    pub(crate) fn status(&self) -> StatusCode {
        status_of(&self.exception)
    }

    /// The headers that carry the exception's name and the advice on retries.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-amzn-errortype");
        if let Ok(value) = HeaderValue::try_from(format!("{}{ERROR_TYPE_SUFFIX}", self.exception)) {
            headers.insert(name, value);
        }
        if let Some(wait) = self.retry_after {
            // Generic HTTP clients read whole seconds; the AWS SDKs read milliseconds.
            let seconds = wait.as_millis().div_ceil(1000);
            headers.insert(http::header::RETRY_AFTER, decimal(seconds));
            headers.insert(HeaderName::from_static("x-amz-retry-after"), decimal(wait.as_millis()));
        }
        headers
    }

    /// The JSON body: `message`, and the members that some exceptions add.
    pub(crate) fn body(&self) -> Bytes {
        let original = self.original_status.unwrap_or(500);
        let body = match self.exception.as_str() {
            "ModelErrorException" => {
                json!({"message": self.message, "originalStatusCode": original, "resourceName": "model"})
            }
            "ModelStreamErrorException" => {
                json!({"message": self.message, "originalStatusCode": original, "originalMessage": self.message})
            }
            _ => json!({"message": self.message}),
        };
        Bytes::from(body.to_string())
    }
}

fn decimal(number: u128) -> HeaderValue {
    HeaderValue::try_from(number.to_string()).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// The status of every exception of the service model, and of the ones AWS's front end adds.
fn status_of(exception: &str) -> StatusCode {
    match exception {
        "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => StatusCode::FORBIDDEN,
        agreement if agreement.starts_with("MPAgreement") => StatusCode::FORBIDDEN,
        "ResourceNotFoundException" | "UnknownOperationException" | "FTUFormNotFilled" => {
            StatusCode::NOT_FOUND
        }
        "ModelTimeoutException" => StatusCode::REQUEST_TIMEOUT,
        "RequestEntityTooLargeException" => StatusCode::PAYLOAD_TOO_LARGE,
        "ModelErrorException" | "ModelStreamErrorException" => StatusCode::FAILED_DEPENDENCY,
        "ThrottlingException" | "ModelNotReadyException" => StatusCode::TOO_MANY_REQUESTS,
        "InternalServerException" | "InternalFailure" => StatusCode::INTERNAL_SERVER_ERROR,
        "ServiceUnavailableException" | "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn every_modeled_exception_has_its_status() {
        let table = [
            ("AccessDeniedException", 403),
            ("ConflictException", 400),
            ("InternalServerException", 500),
            ("ModelErrorException", 424),
            ("ModelNotReadyException", 429),
            ("ModelStreamErrorException", 424),
            ("ModelTimeoutException", 408),
            ("ResourceNotFoundException", 404),
            ("ServiceQuotaExceededException", 400),
            ("ServiceUnavailableException", 503),
            ("ThrottlingException", 429),
            ("ValidationException", 400),
            ("ExpiredTokenException", 403),
            ("SomethingElse", 400),
        ];
        for (exception, status) in table {
            assert_eq!(Failure::new(exception, "x").status().as_u16(), status, "{exception}");
        }
    }

    #[test]
    fn retry_advice_is_sent_in_seconds_and_in_milliseconds() {
        let mut failure = Failure::new("ThrottlingException", "slow down");
        failure.retry_after = Some(Duration::from_millis(1500));
        let headers = failure.headers();
        assert_eq!(headers["retry-after"], "2");
        assert_eq!(headers["x-amz-retry-after"], "1500");
    }
}
