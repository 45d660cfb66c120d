//! The ledger against the bill, under load, crashes and outages: a binary of its own, since cargo runs those one after
//! the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../e2e/postgres.rs"]
mod postgres;
#[path = "../e2e/the_command_line_works/process.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod process;
#[path = "../e2e/stage.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stage;
/// Where the shared files look for it.
mod the_command_line_works {
    #[allow(unused_imports, reason = "shared with other tests")]
    pub(crate) use crate::process;
}

mod book;
mod caller;
mod gateway;

mod a_crash_loses_no_call;
mod an_outage_loses_nothing;
mod budgets_hold_across_processes;
mod the_ledger_equals_the_bill;
