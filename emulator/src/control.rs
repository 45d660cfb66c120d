//! The emulator's own interface under `/_emulator/`: scripts, mix, pace, credentials, records, counts and the bill.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::CallRecord;
use crate::errors::{Failure, Outcome};
use crate::faults::Fault;
use crate::mix::Mix;
use crate::pace::Pace;
use crate::reply::{self, JSON, ReplyBody};
use crate::server::Shared;
use crate::sts::AssumedRole;

/// One JSON object a line.
const JSON_LINES: &str = "application/jsonl";

/// `POST /_emulator/script`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// One fault for each of the next calls.
    faults: Vec<Value>,
}

/// `POST /_emulator/mix`; without faults there is no mix.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixBody {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    faults: Vec<MixPart>,
}

/// A fault, and the share of calls that it hits: 0 to 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixPart {
    share: f64,
    fault: Value,
}

/// `POST /_emulator/pace`; what is absent goes back to its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PaceBody {
    #[serde(default)]
    first_token_ms: u64,
    #[serde(default)]
    tokens_per_second: Option<f64>,
}

/// `POST /_emulator/keys`: access key ids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysBody {
    #[serde(default)]
    refuse: Vec<String>,
    #[serde(default)]
    accept: Vec<String>,
}

/// `POST /_emulator/sessions`; without a lifetime each request has its own again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SessionsBody {
    #[serde(default)]
    lifetime_ms: Option<u64>,
}

/// Answers a request to the control interface.
pub(crate) fn answer(shared: &Arc<Shared>, method: &Method, path: &str, body: &[u8]) -> Response<ReplyBody> {
    let outcome = match (method, path) {
        (&Method::POST, "script") => script(shared, body),
        (&Method::POST, "mix") => mix(shared, body),
        (&Method::POST, "pace") => pace(shared, body),
        (&Method::POST, "keys") => keys(shared, body),
        (&Method::POST, "sessions") => sessions(shared, body),
        (&Method::GET, "roles") => {
            let roles: Vec<Value> = shared.sessions.assumed().iter().map(role).collect();
            Ok(json!({"roles": roles}))
        }
        (&Method::GET, "bill") => serde_json::to_value(shared.bill())
            .map_err(|error| Failure::new("InternalServerException", error.to_string())),
        (&Method::GET, "invocation-logs") => {
            return reply::whole(StatusCode::OK, JSON_LINES, shared.invocation_logs(), None);
        }
        (&Method::GET, "calls") => {
            let calls: Vec<Value> = shared.calls.records().iter().map(call).collect();
            Ok(json!({"calls": calls}))
        }
        (&Method::DELETE, "calls") => {
            shared.calls.reset();
            Ok(json!({}))
        }
        (&Method::GET, "counts") => {
            let counts = shared.calls.counts();
            Ok(json!({"started": counts.started, "finished": counts.finished, "aborted": counts.aborted}))
        }
        _ => Err(Failure::new(
            "UnknownOperationException",
            format!("the emulator has no {method} /_emulator/{path}"),
        )),
    };
    match outcome {
        Ok(body) => reply::whole(StatusCode::OK, JSON, body.to_string(), None),
        Err(failure) => reply::refusal(&failure, None),
    }
}

/// All faults are read before the first is queued: a mistake leaves the script as it was.
fn script(shared: &Shared, body: &[u8]) -> Outcome<Value> {
    let body: ScriptBody = read(body)?;
    let faults: Vec<Fault> = body.faults.into_iter().map(fault).collect::<Outcome<_>>()?;
    let queued = faults.len();
    faults.into_iter().for_each(|fault| shared.script.push(fault));
    Ok(json!({"queued": queued}))
}

/// A mistake leaves the mix as it was.
fn mix(shared: &Shared, body: &[u8]) -> Outcome<Value> {
    let body: MixBody = read(body)?;
    let parts: Vec<_> =
        body.faults.into_iter().map(|part| Ok((part.share, fault(part.fault)?))).collect::<Outcome<_>>()?;
    let mix = Mix::new(body.seed, parts).map_err(|error| Failure::validation(error.to_string()))?;
    shared.set_mix(mix);
    Ok(json!({}))
}

fn fault(value: Value) -> Outcome<Fault> {
    Fault::from_json(value).map_err(|error| Failure::validation(error.to_string()))
}

fn pace(shared: &Shared, body: &[u8]) -> Outcome<Value> {
    let body: PaceBody = read(body)?;
    shared.pace.set(Pace {
        first_token: Duration::from_millis(body.first_token_ms),
        tokens_per_second: body.tokens_per_second,
    });
    Ok(json!({}))
}

fn keys(shared: &Shared, body: &[u8]) -> Outcome<Value> {
    let body: KeysBody = read(body)?;
    body.refuse.iter().for_each(|key| shared.refused_keys.refuse(key));
    body.accept.iter().for_each(|key| shared.refused_keys.accept(key));
    Ok(json!({}))
}

fn sessions(shared: &Shared, body: &[u8]) -> Outcome<Value> {
    let body: SessionsBody = read(body)?;
    shared.sessions.set_lifetime(body.lifetime_ms.map(Duration::from_millis));
    Ok(json!({}))
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| Failure::validation(error.to_string()))
}

fn role(role: &AssumedRole) -> Value {
    json!({
        "roleArn": role.role_arn,
        "sessionName": role.session_name,
        "externalId": role.external_id,
        "signedBy": role.signed_by,
        "accessKeyId": role.access_key_id,
    })
}

fn call(record: &CallRecord) -> Value {
    json!({
        "number": record.number,
        "operation": record.operation.to_string(),
        "modelId": record.model_id,
        "body": String::from_utf8_lossy(&record.body),
        "authorized": record.authorized,
        "accessKeyId": record.access_key_id,
        "sdkInvocationId": record.sdk_invocation_id,
        "accept": record.accept,
        "end": record.end.to_string(),
    })
}
