//! Aliases, fallbacks, breakers and hedges: a call finds a target that serves, and the report says which.

mod aliases;
mod breakers;
mod hedges;
mod places;

use bedrock_inference_proto::v1::{CallOptions, CallReport, ConverseRequest};
use tonic::Status;

use crate::stage::{ask, report};
use crate::world::World;

const ALIAS: &str = "assistant";

/// The report of one unary call, and how it ended.
async fn call(world: &World, request: ConverseRequest) -> (CallReport, Option<Status>) {
    match world.stage.inference().converse(request).await {
        Ok(response) => (response.into_inner().call.unwrap(), None),
        Err(status) => (report(&status), Some(status)),
    }
}

/// What each attempt called, and how it ended.
fn rows(report: &CallReport) -> Vec<(&str, &str)> {
    report.attempts.iter().map(|row| (row.region.as_str(), row.outcome.as_str())).collect()
}

fn with(options: CallOptions, model: &str) -> ConverseRequest {
    ConverseRequest { options: Some(options), ..ask(model, "hello") }
}
