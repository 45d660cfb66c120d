//! The command line works: every command, as a user starts it.

mod ask;
pub(crate) mod aws;
mod configuration;
mod emulator;
pub(crate) mod process;
mod serve;
mod tell;
