//! Tests that need the machine for themselves: a binary of its own, since cargo runs those one after the other, and one
//! test at a time. Their load disturbs no clocks of others, and nobody disturbs what they measure.
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

#[path = "../e2e/apart.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod apart;
#[path = "../e2e/the_command_line_works/process.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod process;
#[path = "../e2e/shed.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod shed;
#[path = "../e2e/stage.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stage;
/// Where the shared files look for it.
mod the_command_line_works {
    pub(crate) use crate::process;
}

mod goodput;
mod soak;

/// Whoever has it has the machine.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
