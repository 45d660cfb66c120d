//! Every reason for which a call can fail, and all that follows from it.

use std::time::Duration;

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $code:ident $late:ident $billed:ident $repeat:tt $(($($wait:tt)*))? $retry:ident,)+) => {
        /// Why a call failed: `ErrorInfo.reason` of the status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        name: $name,
                        code: Code::$code,
                        late: Late::$late,
                        billed: Billed::$billed,
                        repeat: $repeat $(($($wait)*))?,
                        retry: Retry::$retry,
                    },)+
                }
            }
        }
    };
}

/// What follows from a reason.
struct Row {
    name: &'static str,
    code: Code,
    late: Late,
    billed: Billed,
    repeat: Repeat,
    retry: Retry,
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

/// What of a failed call AWS may have billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billed {
    /// Nothing: the model did not run.
    Nothing,
    /// What was answered until the failure.
    Partial,
    /// The whole answer.
    Full,
    /// Anything from nothing to all of it.
    Unknown,
}

/// Whether the gateway makes another attempt by itself, before the first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No.
    Never,
    /// At another target only: at this one it would end the same way.
    Elsewhere,
    /// Yes: the last one was not processed.
    Freely,
    /// Yes, once a call: the last one may have been paid, or another would end the same way.
    Once,
    /// The same, where the operator allows paying twice: it is not even known whether AWS failed.
    IfPaidTwice,
}

/// Whether the same call made anew makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It would end the same way.
    Futile,
    /// It can go better, and no wait helps it.
    Sensible,
    /// After a wait between these two.
    After(Duration, Duration),
}

use Repeat::{Futile, Sensible};

// Reason, its name on the wire, its code before the first content, what becomes of it afterwards, what may have
// been billed where the upstream was called, whether a repeat makes sense, and whether the gateway makes one by
// itself. UNAVAILABLE stands for what was
// never processed and is free to repeat; what may have been billed never has it.
reasons! {
    /// The request cannot be accepted; the violations say why.
    InvalidRequest "INVALID_REQUEST" InvalidArgument Same Nothing Futile Elsewhere,
    /// The `grpc-timeout` header is not of gRPC's form.
    InvalidDeadline "INVALID_DEADLINE" InvalidArgument Same Nothing Futile Never,
    /// The request's bytes are no message of its type.
    MalformedMessage "MALFORMED_MESSAGE" InvalidArgument Same Nothing Futile Never,
    /// A message in either direction is above the limit.
    MessageTooLarge "MESSAGE_TOO_LARGE" ResourceExhausted Same Nothing Futile Never,
    /// There is no such service or method.
    UnknownMethod "UNKNOWN_METHOD" Unimplemented Same Nothing Futile Never,
    /// The request is compressed in a way that is not read here.
    UnsupportedEncoding "UNSUPPORTED_ENCODING" Unimplemented Same Nothing Futile Never,
    /// Nobody knows who calls: there is no credential.
    CredentialsMissing "CREDENTIALS_MISSING" Unauthenticated Same Nothing Futile Never,
    /// The credentials are nobody's, or not good any more.
    CredentialsInvalid "CREDENTIALS_INVALID" Unauthenticated Same Nothing Futile Never,
    /// Many calls with missing or bad credentials came from the caller's address.
    TooManyFailures "TOO_MANY_FAILURES" ResourceExhausted Same Nothing millis(15000, 60000) Never,
    /// The tenant may not call the RPC, or not with such a model.
    MethodNotAllowed "METHOD_NOT_ALLOWED" PermissionDenied Same Nothing Futile Never,
    /// The tenant may not call the model, if there is one.
    ModelNotAllowed "MODEL_NOT_ALLOWED" PermissionDenied Same Nothing Futile Never,
    /// The tenant has made as many calls, or used as many tokens, as it may in a minute.
    TenantRateLimited "TENANT_RATE_LIMITED" ResourceExhausted Same Nothing Sensible Never,
    /// The catalogue has no such model, or AWS has none.
    ModelNotFound "MODEL_NOT_FOUND" NotFound Midstream Nothing Futile Elsewhere,
    /// AWS does not know an id that the gateway itself has made.
    CatalogMismatch "CATALOG_MISMATCH" Internal Midstream Nothing Futile Elsewhere,
    /// AWS has no such guardrail, or not in that version.
    GuardrailNotFound "GUARDRAIL_NOT_FOUND" NotFound Midstream Nothing Futile Never,
    /// The model is only sold through inference profiles, and none fits.
    InferenceProfileRequired "INFERENCE_PROFILE_REQUIRED" FailedPrecondition Midstream Nothing Futile Never,
    /// The catalogue has no price of the model as it is called, and the operator lets nothing pass without one.
    ModelNotPriced "MODEL_NOT_PRICED" FailedPrecondition Same Nothing Futile Never,
    /// The call could cost more than its caller allows.
    CostCapExceeded "COST_CAP_EXCEEDED" FailedPrecondition Same Nothing Futile Elsewhere,
    /// A budget of the tenant does not last for the call.
    TenantBudgetExceeded "TENANT_BUDGET_EXCEEDED" ResourceExhausted Same Nothing Futile Never,
    /// The ledger cannot write the call down now.
    LedgerUnavailable "LEDGER_UNAVAILABLE" Unavailable Same Nothing about(1) Never,
    /// The caller's own id of the call is that of an earlier one with another request.
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" InvalidArgument Same Nothing Futile Never,
    /// The call with this id is under way where it cannot be joined.
    IdempotencyInFlight "IDEMPOTENCY_IN_FLIGHT" Aborted Same Nothing about(1) Never,
    /// The call that had this id first may have been paid, and there is no answer of it.
    IdempotencyNoResult "IDEMPOTENCY_NO_RESULT" FailedPrecondition Same Nothing Futile Never,
    /// The operator does not allow calls to reach there.
    RegionNotAllowed "REGION_NOT_ALLOWED" PermissionDenied Same Nothing Futile Never,
    /// No target can serve now: their breakers are open.
    NoRegionAvailable "NO_REGION_AVAILABLE" Unavailable Same Nothing millis(5000, 15000) Never,
    /// The caller's deadline has passed.
    ClientDeadline "CLIENT_DEADLINE" DeadlineExceeded Same Unknown Futile Never,
    /// The caller does not read what waits for it, or does not go on with its request.
    ClientTooSlow "CLIENT_TOO_SLOW" ResourceExhausted Same Unknown Futile Never,
    /// The gateway's own AWS client could not build the request: a bug of the gateway's, not of the caller's.
    ClientBug "CLIENT_BUG" Internal Aborted Nothing Futile Never,
    /// The service is going down.
    ServerShuttingDown "SERVER_SHUTTING_DOWN" Unavailable Aborted Nothing millis(200, 2000) Never,
    /// The service has as much to do as it takes on.
    ServerOverloaded "SERVER_OVERLOADED" Unavailable Aborted Nothing millis(200, 1000) Never,
    /// A bug of the gateway's.
    Panic "PANIC" Internal Aborted Unknown Futile Never,
    /// Bedrock's account quota.
    UpstreamThrottled "UPSTREAM_THROTTLED" ResourceExhausted Midstream Nothing millis(1000, 2000) Freely,
    /// The model is being made ready.
    UpstreamModelNotReady "UPSTREAM_MODEL_NOT_READY" Unavailable Midstream Nothing millis(1000, 5000) Freely,
    /// Bedrock has no capacity.
    UpstreamUnavailable "UPSTREAM_UNAVAILABLE" Unavailable Midstream Nothing millis(200, 2000) Freely,
    /// Bedrock failed inside; the model may have run.
    UpstreamInternal "UPSTREAM_INTERNAL" Internal Midstream Unknown about(1) Once,
    /// The model failed; it may have run.
    UpstreamModelError "UPSTREAM_MODEL_ERROR" Internal Midstream Unknown Sensible Once,
    /// The model took longer than Bedrock allows.
    UpstreamModelTimeout "UPSTREAM_MODEL_TIMEOUT" DeadlineExceeded Midstream Unknown Futile Never,
    /// Bedrock refused the request.
    UpstreamValidation "UPSTREAM_VALIDATION" InvalidArgument Midstream Nothing Futile Never,
    /// The conversation is longer than the model's context window.
    ContextWindowExceeded "CONTEXT_WINDOW_EXCEEDED" InvalidArgument Midstream Nothing Futile Never,
    /// The gateway's AWS identity may not call the model.
    ModelAccessNotGranted "MODEL_ACCESS_NOT_GRANTED" FailedPrecondition Midstream Nothing Futile Elsewhere,
    /// The account has not agreed to the model's terms.
    ModelAgreementMissing "MODEL_AGREEMENT_MISSING" FailedPrecondition Midstream Nothing Futile Elsewhere,
    /// The account has agreed to the model's terms, and AWS is still noting it down.
    ModelAgreementPending "MODEL_AGREEMENT_PENDING" Unavailable Midstream Nothing about(120) Elsewhere,
    /// The gateway's AWS credentials are missing, expired or wrong.
    UpstreamCredentials "UPSTREAM_CREDENTIALS" Unavailable Midstream Nothing about(5) Once,
    /// A service quota of the account.
    UpstreamQuota "UPSTREAM_QUOTA" ResourceExhausted Midstream Nothing about(60) Elsewhere,
    /// The same token was used with other parameters.
    UpstreamConflict "UPSTREAM_CONFLICT" Aborted Midstream Nothing Futile Never,
    /// The model's stream failed.
    UpstreamStreamError "UPSTREAM_STREAM_ERROR" Internal Midstream Unknown about(1) Once,
    /// No connection to Bedrock; nothing was sent.
    UpstreamUnreachable "UPSTREAM_UNREACHABLE" Unavailable Midstream Nothing millis(200, 2000) Freely,
    /// The connection was lost after the request had been sent.
    UpstreamConnectionLost "UPSTREAM_CONNECTION_LOST" Internal Midstream Unknown about(1) IfPaidTwice,
    /// No content came in time.
    UpstreamFirstEventTimeout "UPSTREAM_FIRST_EVENT_TIMEOUT" DeadlineExceeded Aborted Unknown about(1) IfPaidTwice,
    /// The answer as a whole took too long.
    UpstreamTotalTimeout "UPSTREAM_TOTAL_TIMEOUT" DeadlineExceeded Aborted Unknown Futile Never,
    /// The stream ended before messageStop and metadata.
    UpstreamStreamTruncated "UPSTREAM_STREAM_TRUNCATED" Internal Aborted Unknown about(1) Once,
    /// The stream stood still for too long.
    UpstreamStalled "UPSTREAM_STALLED" Aborted Aborted Unknown about(1) Never,
    /// Bytes or events of the stream are damaged, missing or out of order.
    UpstreamCorrupt "UPSTREAM_CORRUPT" DataLoss Same Unknown about(1) Once,
    /// The reply is not what AWS's service model says.
    UpstreamProtocol "UPSTREAM_PROTOCOL" Internal Midstream Unknown Futile Never,
    /// An error that AWS's service model does not name.
    UpstreamUnknown "UPSTREAM_UNKNOWN" Internal Midstream Unknown Futile Never,
}

impl Reason {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self, after_content: bool) -> String {
        let row = self.row();
        match row.late {
            Late::Midstream if after_content => format!("{}_MIDSTREAM", row.name),
            _ => row.name.to_owned(),
        }
    }

    /// Its status code.
    #[must_use]
    pub fn code(self, after_content: bool) -> Code {
        let row = self.row();
        match row.late {
            Late::Midstream | Late::Aborted if after_content => Code::Aborted,
            _ => row.code,
        }
    }

    /// What may have been billed before the first content, where the upstream was called.
    #[must_use]
    pub fn billed(self) -> Billed {
        self.row().billed
    }

    /// Whether the gateway makes another attempt by itself.
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().retry
    }

    /// Whether a repeat makes sense.
    #[must_use]
    pub fn repeat(self) -> Repeat {
        self.row().repeat
    }
}

impl Billed {
    /// Its name in `ErrorInfo.metadata`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Partial => "partial",
            Self::Full => "full",
            Self::Unknown => "unknown",
        }
    }
}

impl Repeat {
    /// How long to wait, anew at each call, so that those who failed together do not come back together.
    #[must_use]
    pub fn wait(self) -> Option<Duration> {
        match self {
            Self::After(shortest, longest) => {
                Some(shortest + longest.saturating_sub(shortest).mul_f64(fastrand::f64()))
            }
            Self::Futile | Self::Sensible => None,
        }
    }
}

const fn millis(shortest: u64, longest: u64) -> Repeat {
    Repeat::After(Duration::from_millis(shortest), Duration::from_millis(longest))
}

/// At least so long, and up to a fifth more.
const fn about(seconds: u64) -> Repeat {
    millis(seconds * 1000, seconds * 1200)
}
