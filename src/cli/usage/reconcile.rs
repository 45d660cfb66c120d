//! `usage reconcile`: a file of AWS's log beside the ledger.

use std::collections::HashSet;
use std::path::PathBuf;

use bedrock_inference_proto::v1::usage_client::UsageClient;
use bedrock_inference_proto::v1::{Drift, LedgerRow, LogTokens, ReconcileRequest, ReconcileResponse};
use serde_json::{Map, Value};

use super::{failed, print_json};
use crate::cli::ask::Service;
use crate::cli::{Failure, show, time};

/// The most lines that the service takes at once.
const AT_ONCE: usize = 10_000;

/// What the service reads of a line: the bodies stay here.
const READ: [&str; 6] = ["requestId", "timestamp", "region", "operation", "modelId", "errorCode"];

#[derive(Debug, clap::Args)]
pub(super) struct Reconcile {
    #[command(flatten)]
    service: Service,
    /// The log, a JSON object a line, as AWS writes it to CloudWatch and, unpacked, to S3
    file: PathBuf,
    /// Print the comparison as JSON, one message for each 10,000 lines
    #[arg(long)]
    json: bool,
}

impl Reconcile {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let told = |error| Failure::usage(format!("{}: {error}", self.file.display()));
        let text = std::fs::read_to_string(&self.file).map_err(told)?;
        let mut lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).map(cut).collect();
        // In the order of their times, so that each part has a time of its own.
        lines.sort_by(|one, other| one.time.cmp(&other.time));
        let ids: HashSet<_> = lines.iter().map(|line| line.id.clone()).collect();
        let mut client =
            UsageClient::new(self.service.connect().await?).max_decoding_message_size(usize::MAX);
        let (mut agrees, mut began, mut parts) = (true, None, lines.chunks(AT_ONCE).peekable());
        if parts.peek().is_none() {
            return Err(Failure::usage(format!("{}: has no lines", self.file.display())));
        }
        while let Some(part) = parts.next() {
            let lines = part.iter().map(|line| line.text.clone()).collect();
            let next = parts.peek().and_then(|next| time(&next.first()?.time).ok());
            let request = ReconcileRequest { lines, from: began.map(Into::into), to: next.map(Into::into) };
            began = next;
            let mut compared = client.reconcile(request).await.map_err(failed)?.into_inner();
            // Another part of the file may have a row of this time.
            let listed = compared.not_in_log.len();
            compared
                .not_in_log
                .retain(|row| row.aws_request_id.is_empty() || !ids.contains(&row.aws_request_id));
            let elsewhere = listed.saturating_sub(compared.not_in_log.len());
            compared.missing_in_log -= i64::try_from(elsewhere).unwrap_or_default();
            agrees &= compared.drifted + compared.missing_in_ledger + compared.missing_in_log == 0;
            if self.json { print_json("ReconcileResponse", &compared)? } else { print(&compared) }
        }
        if agrees { Ok(()) } else { Err(Failure::run("the log and the ledger differ")) }
    }
}

/// A line without bodies.
struct Line {
    id: String,
    time: String,
    text: String,
}

fn cut(line: &str) -> Line {
    let whole: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
    let mut kept = Map::new();
    for name in READ {
        kept.extend(whole.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    for name in ["input", "output"] {
        let counts = whole.get(name).and_then(Value::as_object).into_iter().flatten();
        let counts = counts.filter(|(name, _)| name.ends_with("TokenCount"));
        let counts: Map<_, _> = counts.map(|(name, value)| (name.clone(), value.clone())).collect();
        kept.insert(name.to_owned(), Value::Object(counts));
    }
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Line { id: text("requestId"), time: text("timestamp"), text: Value::Object(kept).to_string() }
}

fn print(compared: &ReconcileResponse) {
    let ReconcileResponse { lines, matched, failed, drifted, .. } = compared;
    show::line(format!("{lines} lines, {matched} in the ledger, {failed} of them failed; {drifted} differ"));
    show::line(format!("log     {}", tokens(compared.log_tokens.as_ref())));
    show::line(format!("ledger  {}", tokens(compared.ledger_tokens.as_ref())));
    let usd = bedrock_inference_adapters::contract::decimal(compared.drift_pico_usd, 12);
    show::line(format!("drift   {usd} USD, and {} of unknown cost", compared.drifts_without_price));
    compared.drifts.iter().for_each(|drift| show::line(differs(drift)));
    for line in &compared.not_in_ledger {
        show::line(format!(
            "not in the ledger  {} {} {}",
            line.timestamp, line.aws_request_id, line.model_id
        ));
    }
    for row in &compared.not_in_log {
        let LedgerRow { request_id, aws_request_id, model_id, .. } = row;
        show::line(format!("not in the log  {request_id} {aws_request_id} {model_id}"));
    }
    if !compared.unreadable.is_empty() {
        show::line(format!("{} lines cannot be read", compared.unreadable.len()));
    }
}

fn differs(drift: &Drift) -> String {
    let id = drift.row.as_ref().map(|row| row.aws_request_id.as_str()).unwrap_or_default();
    let cost = drift.pico_usd.map_or_else(|| "unknown".to_owned(), |pico| format!("{pico} pico-USD"));
    format!("differs  {id}: {}, {cost}", tokens(drift.tokens.as_ref()))
}

fn tokens(tokens: Option<&LogTokens>) -> String {
    let LogTokens { input, cache_read, cache_write, output } = tokens.copied().unwrap_or_default();
    format!("{input} in, {output} out, cache {cache_read} read {cache_write} written")
}
