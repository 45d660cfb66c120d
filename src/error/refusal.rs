//! What AWS says when it refuses or fails, under the reasons of this service.

use std::time::Duration;

use super::words::without_values;
use super::{Error, Reason, Repeat};

/// The shortest and the longest wait that AWS's advice is taken for.
const ADVICE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(300));

/// A refusal as AWS worded it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Refusal<'a> {
    /// The exception, in either case: `ThrottlingException` or `throttlingException`.
    pub(crate) code: &'a str,
    /// AWS's message. It helps to choose the reason, and can quote the request.
    pub(crate) message: &'a str,
    /// The HTTP status, where the refusal is a response of its own.
    pub(crate) status: Option<u16>,
    /// How long AWS advises to wait.
    pub(crate) retry_after: Option<Duration>,
    /// What the model's own server answered, where AWS says it.
    pub(crate) original_status: Option<u16>,
}

/// The error that stands for a refusal.
pub(crate) fn refusal(refusal: &Refusal<'_>) -> Error {
    let code = if is_name(refusal.code) { upper_first(refusal.code) } else { String::new() };
    let reason = reason(&code, refusal.message, refusal.status);
    let named = match (code.as_str(), refusal.status) {
        ("", Some(status)) => format!("HTTP status {status}"),
        ("", None) => "an exception without a name".to_owned(),
        (code, _) => code.to_owned(),
    };
    let mut error = Error::new(reason, format!("bedrock answered {named}{}", explanation(reason, refusal)));
    error.repeat = repeat(reason, refusal);
    error.upstream.code = (!code.is_empty()).then_some(code);
    error
}

fn reason(code: &str, message: &str, status: Option<u16>) -> Reason {
    match code {
        "ThrottlingException" => Reason::UpstreamThrottled,
        "ModelNotReadyException" => Reason::UpstreamModelNotReady,
        "ServiceUnavailableException" => Reason::UpstreamUnavailable,
        "InternalServerException" | "InternalFailure" => Reason::UpstreamInternal,
        "ModelErrorException" => Reason::UpstreamModelError,
        "ModelTimeoutException" => Reason::UpstreamModelTimeout,
        "ModelStreamErrorException" => Reason::UpstreamStreamError,
        "ServiceQuotaExceededException" => Reason::UpstreamQuota,
        "ConflictException" => Reason::UpstreamConflict,
        "ValidationException" => validation(message),
        "RequestEntityTooLargeException" => Reason::UpstreamValidation,
        "MPAgreementBeingCreated" => Reason::ModelAgreementPending,
        "FTUFormNotFilled" => Reason::ModelAgreementMissing,
        agreement if agreement.starts_with("MPAgreement") => Reason::ModelAgreementMissing,
        "ResourceNotFoundException" if mentions(message, "use case details") => Reason::ModelAgreementMissing,
        "ResourceNotFoundException" if mentions(message, "guardrail") => Reason::GuardrailNotFound,
        "ResourceNotFoundException" => Reason::ModelNotFound,
        "AccessDeniedException" if mentions(message, "security token") => Reason::UpstreamCredentials,
        "AccessDeniedException" => Reason::ModelAccessNotGranted,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClient"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "RequestExpired"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch" => Reason::UpstreamCredentials,
        _ => match status {
            Some(413) => Reason::UpstreamValidation,
            Some(503) => Reason::UpstreamUnavailable,
            Some(429) => Reason::UpstreamThrottled,
            _ => Reason::UpstreamUnknown,
        },
    }
}

fn validation(message: &str) -> Reason {
    const TOO_LONG: [&str; 8] = [
        "input is too long",
        "prompt is too long",
        "input tokens exceeded",
        "maximum context length",
        "context_length_exceeded",
        "exceeds the context window",
        "input tokens exceed the configured limit",
        "exceed model maximum",
    ];
    if mentions(message, "on-demand throughput isn") {
        Reason::InferenceProfileRequired
    } else if mentions(message, "model identifier is invalid") {
        Reason::ModelNotFound
    } else if TOO_LONG.iter().any(|text| mentions(message, text)) {
        Reason::ContextWindowExceeded
    } else {
        Reason::UpstreamValidation
    }
}

/// What the caller can do about it. AWS's own words are only quoted for refused requests, whose author is
/// the caller, and without the values that they quote.
fn explanation(reason: Reason, refusal: &Refusal<'_>) -> String {
    match reason {
        Reason::UpstreamValidation
        | Reason::ContextWindowExceeded
        | Reason::InferenceProfileRequired
        | Reason::GuardrailNotFound
        | Reason::ModelNotFound
            if !refusal.message.is_empty() =>
        {
            format!(": {}", without_values(refusal.message))
        }
        Reason::ModelAccessNotGranted => {
            ": the gateway's AWS identity may not call this model; its operator can grant \
             bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream"
                .to_owned()
        }
        Reason::ModelAgreementMissing => {
            ": the AWS account has not finished the model provider's agreement or use-case form".to_owned()
        }
        Reason::ModelAgreementPending => {
            ": AWS is still noting the account's agreement with the model provider down".to_owned()
        }
        Reason::UpstreamCredentials => {
            ": the gateway's AWS credentials are missing, expired or wrong".to_owned()
        }
        _ => String::new(),
    }
}

/// AWS's advice is better than our own, where a repeat makes sense at all.
fn repeat(reason: Reason, refusal: &Refusal<'_>) -> Repeat {
    match (reason.repeat(), refusal.retry_after) {
        // A model that failed over the request fails over the same request again.
        _ if reason == Reason::UpstreamModelError
            && refusal.original_status.is_none_or(|status| status < 500) =>
        {
            Repeat::Futile
        }
        (Repeat::After(..), Some(advised)) => {
            let advised = advised.clamp(ADVICE.0, ADVICE.1);
            Repeat::After(advised, advised)
        }
        (repeat, _) => repeat,
    }
}

fn mentions(message: &str, text: &str) -> bool {
    message.to_lowercase().contains(text)
}

/// Whether a code can be one of AWS's, and not just anything that stands in a reply.
fn is_name(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn upper_first(code: &str) -> String {
    let mut letters = code.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_no_name_is_not_told() {
        for code in ["the words of an answer", "{\"text\"", "näme", &"x".repeat(65)] {
            let error = refusal(&Refusal { code, status: Some(400), ..Refusal::default() });
            assert_eq!(
                (error.to_string().as_str(), &error.upstream.code),
                ("bedrock answered HTTP status 400", &None)
            );
        }
    }

    #[test]
    fn only_the_caller_reads_what_was_refused() {
        let message = "Value 'my words' at 'messages' failed to satisfy constraint";
        let error = refusal(&Refusal {
            code: "ValidationException",
            message,
            status: Some(400),
            ..Refusal::default()
        });
        assert!(
            error.to_string().ends_with("Value '…' at 'messages' failed to satisfy constraint"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("messages"), "{error:?}");
        let error = Error::invalid("additionalModelRequestFields.my_key", "is not accepted");
        assert!(!format!("{error:?}").contains("my_key"), "{error:?}");
    }
}
