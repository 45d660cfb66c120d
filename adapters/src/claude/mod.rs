//! The Claude family of Anthropic.

use crate::contract::Family;
use crate::converse::ConverseAdapter;

/// Claude: its models, called through Converse.
pub const FAMILY: Family =
    Family { adapter: &ConverseAdapter { family: "claude" }, models: include_str!("models.toml") };
