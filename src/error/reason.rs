//! Every reason for which a call can fail, and the status code of each.

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $code:ident $late:ident,)+) => {
        /// Why a call failed: `ErrorInfo.reason` of the status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn row(self) -> (&'static str, Code, Late) {
                match self {
                    $(Self::$variant => ($name, Code::$code, Late::$late),)+
                }
            }
        }
    };
}

/// What becomes of a reason once content has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// ABORTED, and `_MIDSTREAM` behind the reason: the upstream gave up half-way.
    Midstream,
    /// ABORTED under the same reason.
    Aborted,
    /// The same code and reason as before content.
    Same,
}

// Reason, its name on the wire, its code before the first content, and what becomes of it afterwards.
reasons! {
    /// The request cannot be accepted; the violations say why.
    InvalidRequest "INVALID_REQUEST" InvalidArgument Same,
    /// The `grpc-timeout` header is not of gRPC's form.
    InvalidDeadline "INVALID_DEADLINE" InvalidArgument Same,
    /// The catalogue has no such model, or AWS has none.
    ModelNotFound "MODEL_NOT_FOUND" NotFound Midstream,
    /// AWS has no such guardrail, or not in that version.
    GuardrailNotFound "GUARDRAIL_NOT_FOUND" NotFound Midstream,
    /// The model is only sold through inference profiles, and none fits.
    InferenceProfileRequired "INFERENCE_PROFILE_REQUIRED" FailedPrecondition Midstream,
    /// The caller's deadline has passed.
    ClientDeadline "CLIENT_DEADLINE" DeadlineExceeded Same,
    /// The caller did not read what waited for it.
    ClientTooSlow "CLIENT_TOO_SLOW" ResourceExhausted Same,
    /// The service is going down.
    ServerShuttingDown "SERVER_SHUTTING_DOWN" Unavailable Aborted,
    /// A bug of ours.
    Panic "PANIC" Internal Aborted,
    /// Bedrock's account quota.
    UpstreamThrottled "UPSTREAM_THROTTLED" ResourceExhausted Midstream,
    /// The model is being made ready.
    UpstreamModelNotReady "UPSTREAM_MODEL_NOT_READY" Unavailable Midstream,
    /// Bedrock has no capacity.
    UpstreamUnavailable "UPSTREAM_UNAVAILABLE" Unavailable Midstream,
    /// Bedrock failed inside; the model may have run.
    UpstreamInternal "UPSTREAM_INTERNAL" Internal Midstream,
    /// The model failed; it may have run.
    UpstreamModelError "UPSTREAM_MODEL_ERROR" Internal Midstream,
    /// The model took longer than Bedrock allows.
    UpstreamModelTimeout "UPSTREAM_MODEL_TIMEOUT" DeadlineExceeded Midstream,
    /// Bedrock refused the request.
    UpstreamValidation "UPSTREAM_VALIDATION" InvalidArgument Midstream,
    /// The conversation is longer than the model's context window.
    ContextWindowExceeded "CONTEXT_WINDOW_EXCEEDED" InvalidArgument Midstream,
    /// The gateway's AWS identity may not call the model.
    ModelAccessNotGranted "MODEL_ACCESS_NOT_GRANTED" FailedPrecondition Midstream,
    /// The account has not agreed to the model's terms.
    ModelAgreementMissing "MODEL_AGREEMENT_MISSING" FailedPrecondition Midstream,
    /// The gateway's AWS credentials are missing, expired or wrong.
    UpstreamCredentials "UPSTREAM_CREDENTIALS" Unavailable Midstream,
    /// A service quota of the account.
    UpstreamQuota "UPSTREAM_QUOTA" ResourceExhausted Midstream,
    /// The same token was used with other parameters.
    UpstreamConflict "UPSTREAM_CONFLICT" Aborted Midstream,
    /// The model's stream failed.
    UpstreamStreamError "UPSTREAM_STREAM_ERROR" Internal Midstream,
    /// No connection to Bedrock; nothing was sent.
    UpstreamUnreachable "UPSTREAM_UNREACHABLE" Unavailable Midstream,
    /// The connection was lost after the request had been sent.
    UpstreamConnectionLost "UPSTREAM_CONNECTION_LOST" Internal Aborted,
    /// No content came in time.
    UpstreamFirstEventTimeout "UPSTREAM_FIRST_EVENT_TIMEOUT" DeadlineExceeded Aborted,
    /// The answer took longer than the gateway lets one take.
    UpstreamTotalTimeout "UPSTREAM_TOTAL_TIMEOUT" DeadlineExceeded Aborted,
    /// The stream ended before messageStop and metadata.
    UpstreamStreamTruncated "UPSTREAM_STREAM_TRUNCATED" Internal Aborted,
    /// The stream stood still for too long.
    UpstreamStalled "UPSTREAM_STALLED" Aborted Aborted,
    /// Bytes or events of the stream are damaged, missing or out of order.
    UpstreamCorrupt "UPSTREAM_CORRUPT" DataLoss Same,
    /// The reply is not what AWS's service model says.
    UpstreamProtocol "UPSTREAM_PROTOCOL" Internal Aborted,
    /// An error that AWS's service model does not name.
    UpstreamUnknown "UPSTREAM_UNKNOWN" Internal Midstream,
}

impl Reason {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self, after_content: bool) -> String {
        let (name, _, late) = self.row();
        match late {
            Late::Midstream if after_content => format!("{name}_MIDSTREAM"),
            _ => name.to_owned(),
        }
    }

    /// Its status code.
    #[must_use]
    pub fn code(self, after_content: bool) -> Code {
        let (_, code, late) = self.row();
        match late {
            Late::Midstream | Late::Aborted if after_content => Code::Aborted,
            _ => code,
        }
    }
}
