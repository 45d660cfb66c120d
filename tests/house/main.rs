//! The rules of the house, asserted: floors, sizes, names, and that documents say what the code does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

mod documents;
mod faults;
mod files;
mod floors;
mod privacy;
mod tree;
