//! The whole service against the emulator, through real gRPC clients. Files are named by the promise they keep.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::allow_attributes,
    reason = "tests"
)]

mod stage;

mod a_cancel_reaches_the_upstream;
mod same_request_same_bytes;
mod streams_end_truthfully;
