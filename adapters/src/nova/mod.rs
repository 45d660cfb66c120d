//! The Nova family of Amazon.

use crate::contract::Family;
use crate::converse::ConverseAdapter;

/// Nova: its models, called through Converse.
pub const FAMILY: Family =
    Family { adapter: &ConverseAdapter { family: "nova" }, models: include_str!("models.toml") };
