//! Bedrock's log of model invocations: one JSON object a line, here without the bodies.
//!
//! The shape is that of AWS's user guide, "Monitor model invocation using CloudWatch Logs and Amazon S3".

use std::time::UNIX_EPOCH;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Serialize;

use crate::calls::Operation;
use crate::charges::{Charge, ChargeEnd};
use crate::guardrail::ACCOUNT;
use crate::reply::JSON;
use crate::sts::Sessions;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'c> {
    schema_type: &'static str,
    schema_version: &'static str,
    timestamp: Option<String>,
    account_id: &'c str,
    identity: Identity<'c>,
    region: &'c str,
    request_id: &'c str,
    operation: Operation,
    model_id: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'c str>,
    input: Input,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Output>,
}

#[derive(Serialize)]
struct Identity<'c> {
    arn: &'c str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    input_content_type: &'static str,
    input_token_count: u32,
    cache_read_input_token_count: u32,
    cache_write_input_token_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    output_content_type: &'static str,
    output_token_count: u32,
}

/// The log of the charges. ApplyGuardrail invokes no model and is not in it.
pub(crate) fn lines(charges: &[Charge], sessions: &Sessions) -> String {
    let mut log = String::new();
    for charge in charges.iter().filter(|charge| charge.operation != Operation::ApplyGuardrail) {
        let arn = caller(charge.access_key_id.as_deref(), sessions);
        // Fails only for maps whose keys are no strings, of which there are none.
        log.push_str(&serde_json::to_string(&Entry::of(charge, &arn)).unwrap_or_default());
        log.push('\n');
    }
    log
}

impl<'c> Entry<'c> {
    /// A failed invocation has an error code and no output.
    fn of(charge: &'c Charge, arn: &'c str) -> Self {
        let input = charge.usage.input;
        let error_code = match &charge.end {
            ChargeEnd::Failed(exception) => Some(exception.as_deref().unwrap_or("InternalServerException")),
            ChargeEnd::Open | ChargeEnd::Finished | ChargeEnd::Aborted => None,
        };
        let output = Output { output_content_type: JSON, output_token_count: charge.usage.output };
        Self {
            schema_type: "ModelInvocationLog",
            schema_version: "1.0",
            timestamp: timestamp(charge),
            account_id: arn.split(':').nth(4).unwrap_or(ACCOUNT),
            identity: Identity { arn },
            region: &charge.region,
            request_id: &charge.request_id,
            operation: charge.operation,
            model_id: &charge.model_id,
            error_code,
            input: Input {
                input_content_type: JSON,
                input_token_count: input.plain,
                cache_read_input_token_count: input.read,
                cache_write_input_token_count: input.written(),
            },
            output: error_code.is_none().then_some(output),
        }
    }
}

/// The role that a key was given out for, or a user of the key's name.
fn caller(access_key_id: Option<&str>, sessions: &Sessions) -> String {
    let assumed = access_key_id.and_then(|key| sessions.arn_of(key));
    assumed
        .unwrap_or_else(|| format!("arn:aws:iam::{ACCOUNT}:user/{}", access_key_id.unwrap_or("bearer-token")))
}

/// Whole seconds, as AWS writes them.
fn timestamp(charge: &Charge) -> Option<String> {
    let seconds = charge.at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    DateTime::from_secs(i64::try_from(seconds).ok()?).fmt(Format::DateTime).ok()
}
