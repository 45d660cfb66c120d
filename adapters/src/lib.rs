//! Pure translation between the API's messages and what each Bedrock model family speaks.
//!
//! Nothing here does I/O, reads a clock or spawns a task: the same input gives the same output, so that a
//! fixture is a full test.
//!
//! - [`contract`]: the trait, the events, their grammar, the fold.
//! - [`converse`]: the Converse side of Bedrock, shared by every family.
//! - [`rules`]: what Converse and the models refuse, known beforehand.
//! - one folder a family, with the same rooms in each.

pub mod contract;
pub mod converse;

pub mod claude;
pub mod generic;
pub mod nova;
pub mod rules;
pub mod titan;

use contract::Family;

/// Every family, in the order in which the catalogue lists them.
pub const FAMILIES: &[Family] = &[claude::FAMILY, generic::FAMILY, nova::FAMILY, titan::FAMILY];
