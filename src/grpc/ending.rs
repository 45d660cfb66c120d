//! The end of a call: one log line, whether it is answered, failed, or left by its caller.

use bedrock_inference_proto::v1::CallReport;
use prost::Message;
use tonic::{Code, Status};

use crate::call::Report;
use crate::error::{Error, Reason, status};
use crate::principal::TenantId;

/// Watches one call until its end. Dropped before that, it logs that the caller has left.
#[derive(Debug)]
pub(super) struct Ending {
    report: Report,
    /// The largest message that may be sent, in bytes.
    limit: usize,
    logged: bool,
}

impl Ending {
    /// Watches the call of this report, whose answer has no message above the limit.
    pub(super) fn of(report: Report, limit: usize) -> Self {
        Self { report, limit, logged: false }
    }

    /// What layers and decoders have to tell.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// The response of a call that is answered as a whole, with its report attached, or its status.
    pub(super) fn of_unary<M: Message>(
        self,
        result: Result<M, Error>,
        attach: impl FnOnce(&mut M, CallReport),
    ) -> Result<M, Status> {
        let result = result.and_then(|mut message| {
            attach(&mut message, self.report.finish());
            self.fits(message)
        });
        match result {
            Ok(message) => {
                self.answered();
                Ok(message)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The message, if it may be sent.
    ///
    /// # Errors
    /// It is above the limit. tonic would notice too late: the call would have been logged as answered.
    pub(super) fn fits<M: Message>(&self, message: M) -> Result<M, Error> {
        let bytes = message.encoded_len();
        if bytes > self.limit { Err(Error::answer_too_large(bytes, self.limit)) } else { Ok(message) }
    }

    /// The call has been answered.
    pub(super) fn answered(mut self) {
        self.log(Code::Ok, None);
    }

    /// The call has failed: its status.
    pub(super) fn failed(mut self, error: &Error) -> Status {
        let late = error.partial.is_some();
        let report = self.log(error.reason.code(late), Some(error));
        status(error, &report)
    }

    /// No content, and no words of the upstream, which can quote it.
    fn log(&mut self, code: Code, error: Option<&Error>) -> CallReport {
        self.logged = true;
        let report = self.report.finish();
        tracing::info!(
            request_id = report.request_id,
            tenant = self.report.tenant().as_ref().map(TenantId::as_str),
            grpc.code = ?code,
            error.reason = error.map(|error| error.reason.name(error.partial.is_some())),
            error.source = error.and_then(causes),
            model = report.model,
            region = report.region,
            attempts = report.attempts.len(),
            input_tokens = report.tokens.as_ref().map(|tokens| tokens.input),
            output_tokens = report.tokens.as_ref().map(|tokens| tokens.output),
            cost_usd = report.cost.as_ref().map(|cost| cost.usd.as_str()),
            upstream_request_id = report.aws_request_id,
            replayed = report.replayed,
            "call ended",
        );
        report
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.logged {
            return;
        }
        if std::thread::panicking() {
            let bug = Error::new(Reason::Panic, "a handler panicked");
            self.log(bug.reason.code(false), Some(&bug));
        } else {
            self.log(Code::Cancelled, None);
        }
    }
}

/// The chain of causes in one line.
fn causes(error: &Error) -> Option<String> {
    let first = std::error::Error::source(error)?;
    let chain = std::iter::successors(Some(first), |error| error.source());
    Some(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
