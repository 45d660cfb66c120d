//! What each failure of AWS is for the caller.

use tonic::Code::{
    self, Aborted, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound,
    ResourceExhausted, Unavailable,
};

/// One failure, and what becomes of it before the first content.
pub struct Row {
    /// As the emulator is asked for it.
    pub fault: &'static str,
    pub code: Code,
    pub reason: &'static str,
    /// Seconds, between which a repeat is advised; `None` where no wait helps.
    pub wait: Option<(f64, f64)>,
    pub billed: &'static str,
    pub retryable: bool,
}

impl Row {
    /// AWS's name of it; nothing names what a proxy sends.
    pub fn upstream_code(&self) -> &'static str {
        match self.fault.split_once('=') {
            Some(("http", _)) => "",
            _ => self.fault.split(',').next().unwrap(),
        }
    }

    /// The same failure as a frame behind so many good ones; a proxy's page is none.
    pub fn behind(&self, frames: usize) -> Option<String> {
        let name = self.upstream_code();
        (!name.is_empty()).then(|| self.fault.replacen(name, &format!("{name}@{frames}"), 1))
    }

    /// The reason behind content.
    pub fn midstream(&self) -> String {
        format!("{}_MIDSTREAM", self.reason)
    }
}

type Columns = (&'static str, Code, &'static str, Option<(f64, f64)>, &'static str, bool);

#[rustfmt::skip]
const ROWS: &[Columns] = &[
    // The exceptions of AWS's service model.
    ("ThrottlingException",           ResourceExhausted,  "UPSTREAM_THROTTLED",       Some((1.0, 2.0)),     "none",    true),
    ("ModelNotReadyException",        Unavailable,        "UPSTREAM_MODEL_NOT_READY", Some((1.0, 5.0)),     "none",    true),
    ("ServiceUnavailableException",   Unavailable,        "UPSTREAM_UNAVAILABLE",     Some((0.2, 2.0)),     "none",    true),
    ("InternalServerException",       Internal,           "UPSTREAM_INTERNAL",        Some((1.0, 1.2)),     "unknown", true),
    ("ModelErrorException",           Internal,           "UPSTREAM_MODEL_ERROR",     None,                 "unknown", true),
    ("ModelErrorException,original-status=404",
                                      Internal,           "UPSTREAM_MODEL_ERROR",     None,                 "unknown", false),
    ("ModelTimeoutException",         DeadlineExceeded,   "UPSTREAM_MODEL_TIMEOUT",   None,                 "unknown", false),
    ("ValidationException",           InvalidArgument,    "UPSTREAM_VALIDATION",      None,                 "none",    false),
    ("AccessDeniedException",         FailedPrecondition, "MODEL_ACCESS_NOT_GRANTED", None,                 "none",    false),
    ("ResourceNotFoundException",     NotFound,           "MODEL_NOT_FOUND",          None,                 "none",    false),
    ("ServiceQuotaExceededException", ResourceExhausted,  "UPSTREAM_QUOTA",           Some((60.0, 72.0)),   "none",    true),
    ("ConflictException",             Aborted,            "UPSTREAM_CONFLICT",        None,                 "none",    false),
    ("ModelStreamErrorException",     Internal,           "UPSTREAM_STREAM_ERROR",    Some((1.0, 1.2)),     "unknown", true),
    // The account is not set up for the model.
    ("FTUFormNotFilled",              FailedPrecondition, "MODEL_AGREEMENT_MISSING",  None,                 "none",    false),
    ("MPAgreementBeingCreated",       Unavailable,        "MODEL_AGREEMENT_PENDING",  Some((120.0, 144.0)), "none",    true),
    ("MPAgreementExpired",            FailedPrecondition, "MODEL_AGREEMENT_MISSING",  None,                 "none",    false),
    // The gateway's own credentials.
    ("IncompleteSignature",           Unavailable,        "UPSTREAM_CREDENTIALS",     Some((5.0, 6.0)),     "none",    true),
    ("RequestExpired",                Unavailable,        "UPSTREAM_CREDENTIALS",     Some((5.0, 6.0)),     "none",    true),
    ("InvalidClientTokenId",          Unavailable,        "UPSTREAM_CREDENTIALS",     Some((5.0, 6.0)),     "none",    true),
    ("UnrecognizedClientException",   Unavailable,        "UPSTREAM_CREDENTIALS",     Some((5.0, 6.0)),     "none",    true),
    ("ExpiredTokenException",         Unavailable,        "UPSTREAM_CREDENTIALS",     Some((5.0, 6.0)),     "none",    true),
    // What nobody has heard of, and what stands between us and AWS.
    ("NeverHeardOfException",         Internal,           "UPSTREAM_UNKNOWN",         None,                 "unknown", false),
    ("http=403",                      Internal,           "UPSTREAM_UNKNOWN",         None,                 "unknown", false),
    ("http=413",                      InvalidArgument,    "UPSTREAM_VALIDATION",      None,                 "none",    false),
    ("http=429",                      ResourceExhausted,  "UPSTREAM_THROTTLED",       Some((1.0, 2.0)),     "none",    true),
    ("http=502",                      Internal,           "UPSTREAM_UNKNOWN",         None,                 "unknown", false),
    ("http=503",                      Unavailable,        "UPSTREAM_UNAVAILABLE",     Some((0.2, 2.0)),     "none",    true),
];

/// Every failure.
pub fn rows() -> impl Iterator<Item = Row> {
    ROWS.iter().map(|&(fault, code, reason, wait, billed, retryable)| Row {
        fault,
        code,
        reason,
        wait,
        billed,
        retryable,
    })
}
