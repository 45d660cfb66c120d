//! The Titan Text family of Amazon.

use crate::contract::Family;
use crate::converse::ConverseAdapter;

/// Titan Text: its models, called through Converse.
pub const FAMILY: Family =
    Family { adapter: &ConverseAdapter { family: "titan" }, models: include_str!("models.toml") };
