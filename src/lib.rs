//! A gRPC gateway to Amazon Bedrock.
//!
//! The modules stand in one line, ground first; each uses only names of those before it
//! (`tests/house/` checks it). `ARCHITECTURE.md` has the plan of the whole house.
//!
//! - ground: [`service`], [`error`], [`config`], [`telemetry`], [`memory`]
//! - facts: [`principal`], [`catalog`], [`price`], [`ledger`], [`limits`]
//! - one call: [`call`], [`upstream`], [`invoke`], [`layers`], [`stack`]
//! - the door: [`edge`], [`grpc`], [`server`], [`app`], [`cli`]

pub mod service;

pub mod error;

pub mod config;

pub mod telemetry;

pub mod memory;

pub mod principal;

pub mod catalog;

pub mod price;

pub mod ledger;

pub mod limits;

pub mod call;

pub mod upstream;

pub mod invoke;

pub mod layers;

pub mod stack;

pub mod edge;

pub mod grpc;

pub mod server;

pub mod app;

pub mod cli;
