//! `usage`: what a tenant's calls have used and cost, as a running service's ledger has it.

mod reconcile;
mod table;

use std::time::SystemTime;

use bedrock_inference_proto::v1::usage_client::UsageClient;
use bedrock_inference_proto::v1::{
    Amount, BudgetStanding, GetUsageRequest, GetUsageResponse, LedgerKind, LedgerRow, ListCallsRequest,
    UsageGroup, UsageGrouping,
};
use clap::ValueEnum;
use prost::Message;
use tonic::Status;

use super::ask::Service;
use super::{Failure, show, time};

use table::Table;

/// Tell what a tenant's calls have used and cost.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        bedrock-inference usage --by day --by model\n  \
        bedrock-inference usage --from 2026-11-01 --to 2026-12-01 --by label:team --format csv\n  \
        bedrock-inference usage calls --outcome UPSTREAM_THROTTLED\n  \
        bedrock-inference usage reconcile invocations.jsonl"
)]
pub(super) struct Usage {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sums: Sums,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List attempts at calls, the newest first
    Calls(Calls),
    /// Compare the ledger with a file of Bedrock's log of model invocations, a JSON object a line
    Reconcile(reconcile::Reconcile),
}

#[derive(Debug, clap::Args)]
struct Sums {
    #[command(flatten)]
    service: Service,
    /// Attempts that began then or later: 2026-11-01, or RFC 3339 [default: the running month]
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<SystemTime>,
    /// Attempts that began before then [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<SystemTime>,
    /// Group by model, day, hour, operation, or label:NAME; several times for several
    #[arg(long, value_name = "WHAT")]
    by: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Calls {
    #[command(flatten)]
    service: Service,
    /// Attempts that began then or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<SystemTime>,
    /// Attempts that began before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<SystemTime>,
    /// Attempts at one call
    #[arg(long, value_name = "ID", default_value = "")]
    request_id: String,
    /// Attempts with a label: NAME, or NAME=VALUE
    #[arg(long)]
    label: Option<String>,
    /// Attempts that ended so, such as OK
    #[arg(long, default_value = "")]
    outcome: String,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// RFC 4180
    Csv,
    /// One JSON object a line
    Json,
}

impl Usage {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.sums.run().await,
            Some(Command::Calls(calls)) => calls.run().await,
            Some(Command::Reconcile(reconcile)) => reconcile.run().await,
        }
    }
}

impl Sums {
    async fn run(self) -> Result<(), Failure> {
        let mut request = GetUsageRequest {
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
            ..GetUsageRequest::default()
        };
        for by in &self.by {
            let grouping = match by.as_str() {
                "model" => UsageGrouping::Model,
                "day" => UsageGrouping::Day,
                "hour" => UsageGrouping::Hour,
                "operation" => UsageGrouping::Operation,
                _ => match by.strip_prefix("label:") {
                    Some(name) if request.label.is_empty() || request.label == name => {
                        name.clone_into(&mut request.label);
                        UsageGrouping::Label
                    }
                    _ => {
                        let what = "model, day, hour, operation and one label:NAME are accepted";
                        return Err(Failure::usage(format!("--by {by:?}: {what}")));
                    }
                },
            };
            request.group_by.push(grouping.into());
        }
        let mut client =
            UsageClient::new(self.service.connect().await?).max_decoding_message_size(usize::MAX);
        let usage = client.get_usage(request.clone()).await.map_err(failed)?.into_inner();
        print_sums(&usage, &request, self.format)
    }
}

fn print_sums(usage: &GetUsageResponse, asked: &GetUsageRequest, format: Format) -> Result<(), Failure> {
    let by: Vec<_> = [
        (UsageGrouping::Day, "day"),
        (UsageGrouping::Hour, "hour"),
        (UsageGrouping::Model, "model"),
        (UsageGrouping::Label, "label"),
        (UsageGrouping::Operation, "operation"),
    ]
    .into_iter()
    .filter(|(grouping, _)| asked.group_by().any(|asked| asked == *grouping))
    .collect();
    let sums = [
        "calls",
        "attempts",
        "failed",
        "open",
        "unpriced",
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
        "cost_usd",
        "estimated_usd",
        "reserved_usd",
        "saved_usd",
    ];
    let mut table = Table::new(by.iter().map(|(_, name)| *name).chain(sums));
    for group in &usage.groups {
        if matches!(format, Format::Json) {
            print_json("UsageGroup", group)?;
        }
        let names = by.iter().map(|(grouping, _)| name(group, *grouping));
        table.add(names.chain(numbers(group)));
    }
    match format {
        Format::Json => {}
        Format::Csv => show::piece(table.csv()),
        Format::Table => {
            show::piece(table.aligned());
            usage.budgets.iter().for_each(|standing| show::note(words(standing)));
        }
    }
    Ok(())
}

fn name(group: &UsageGroup, grouping: UsageGrouping) -> String {
    match grouping {
        UsageGrouping::Day => group.day().to_owned(),
        UsageGrouping::Hour => group.hour().to_owned(),
        UsageGrouping::Model => group.model().to_owned(),
        UsageGrouping::Label => group.label().to_owned(),
        UsageGrouping::Operation => group.operation().to_owned(),
        UsageGrouping::Unspecified => String::new(),
    }
}

fn numbers(group: &UsageGroup) -> impl Iterator<Item = String> + use<> {
    let tokens = group.tokens.unwrap_or_default();
    let counts = [
        group.calls,
        group.attempts,
        group.failed_attempts,
        group.open_attempts,
        group.unpriced_attempts,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.output,
    ];
    let amounts = [&group.cost, &group.estimated, &group.reserved, &group.saved];
    let amounts = amounts.map(|amount| amount.as_ref().map(|amount| amount.usd.clone()).unwrap_or_default());
    counts.map(|count| count.to_string()).into_iter().chain(amounts)
}

fn words(standing: &BudgetStanding) -> String {
    let usd = |amount: &Option<Amount>| match amount {
        Some(amount) => format!("{} USD", amount.usd),
        None => "no budget".to_owned(),
    };
    let resets = standing.resets.and_then(|resets| SystemTime::try_from(resets).ok());
    let resets = resets.map(humantime::format_rfc3339_seconds);
    let resets = resets.map(|resets| format!(", until {resets}")).unwrap_or_default();
    let (spent, held) = (usd(&standing.spent), usd(&standing.held));
    format!("this {}: {spent} spent, {held} held, of {}{resets}", standing.period, usd(&standing.limit))
}

impl Calls {
    async fn run(self) -> Result<(), Failure> {
        let (label, value) = match self.label.as_deref().map(|label| (label, label.split_once('='))) {
            None => ("", None),
            Some((_, Some((name, value)))) => (name, Some(value.to_owned())),
            Some((name, None)) => (name, None),
        };
        let mut request = ListCallsRequest {
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
            request_id: self.request_id,
            label: label.to_owned(),
            label_value: value,
            outcome: self.outcome,
            ..ListCallsRequest::default()
        };
        let mut client =
            UsageClient::new(self.service.connect().await?).max_decoding_message_size(usize::MAX);
        let mut left = self.limit;
        let mut table = Table::new(COLUMNS);
        while left > 0 {
            request.page_size = i32::try_from(left.min(1000)).unwrap_or(1000);
            let page = client.list_calls(request.clone()).await.map_err(failed)?.into_inner();
            left = left.saturating_sub(page.rows.len());
            for row in &page.rows {
                if matches!(self.format, Format::Json) {
                    print_json("LedgerRow", row)?;
                }
                table.add(columns(row));
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        match self.format {
            Format::Json => {}
            Format::Csv => show::piece(table.csv()),
            Format::Table => show::piece(table.aligned()),
        }
        Ok(())
    }
}

const COLUMNS: [&str; 16] = [
    "began",
    "request_id",
    "number",
    "operation",
    "model_id",
    "region",
    "kind",
    "outcome",
    "aws_request_id",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "cost_usd",
    "labels",
];

fn columns(row: &LedgerRow) -> [String; 16] {
    let began = row.began.and_then(|began| SystemTime::try_from(began).ok());
    let tokens = row.tokens.unwrap_or_default();
    let mut labels: Vec<_> = row.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort_unstable();
    let kind = match row.kind() {
        LedgerKind::Unspecified => "open",
        LedgerKind::Exact => "exact",
        LedgerKind::Estimated => "estimated",
        LedgerKind::Unpriced => "unpriced",
        LedgerKind::Void => "void",
    };
    [
        began.map(|began| humantime::format_rfc3339_micros(began).to_string()).unwrap_or_default(),
        row.request_id.clone(),
        row.number.to_string(),
        row.operation.clone(),
        row.model_id.clone(),
        row.region.clone(),
        kind.to_owned(),
        row.outcome.clone(),
        row.aws_request_id.clone(),
        tokens.input.to_string(),
        tokens.cache_read.to_string(),
        tokens.cache_write_5m.to_string(),
        tokens.cache_write_1h.to_string(),
        tokens.output.to_string(),
        row.cost.as_ref().map(|cost| cost.usd.clone()).unwrap_or_default(),
        labels.join(" "),
    ]
}

/// A message as one line of JSON.
fn print_json(name: &str, message: &impl Message) -> Result<(), Failure> {
    show::line(show::json(name, message, false).map_err(Failure::run)?);
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err")]
fn failed(status: Status) -> Failure {
    Failure::run(show::status(&status))
}
