//! Fuzzes every decoder and meter: `cargo fuzz run decoders`.
#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::decode(data));
