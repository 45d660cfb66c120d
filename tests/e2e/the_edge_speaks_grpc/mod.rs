//! The edge speaks gRPC as any client expects it: health, reflection, compression, sizes, deadlines, gRPC-Web.

mod compression;
mod connections;
mod deadlines;
mod health;
mod message_sizes;
pub mod raw;
mod reflection;
mod web;
