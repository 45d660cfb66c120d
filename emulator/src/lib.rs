//! An Amazon Bedrock Runtime that runs anywhere: real frames, made-up answers, scripted faults.
//!
//! The judge of this crate is an unmodified AWS SDK. It shares no code with the gateway it is used to test:
//! it reads JSON with `serde_json`, from AWS's documentation of shapes, so that it cannot share a mistake.
//!
//! # Floor plan
//! - `server` binds, accepts, shuts down; `service` turns a request into a call, `route` reads its path.
//! - `regions` runs several at once, `signature` reads who signed a call and for which of them;
//!   `sts` gives out credentials of roles.
//! - `operations` answers calls: faults first, then parse, validate, answer, render. One file an operation;
//!   `operations::native` has the families' own replies, `operations::speech` the steps of every stream.
//! - `prompt` is what a model is asked, whatever the wire format was; it also refuses what Bedrock refuses.
//!   Converse is read in `prompt::converse`, the families' own bodies in `prompt::native`.
//! - `answer` makes the one answer to a prompt; `guardrail`, `prompt_cache` and `tokens` do what the
//!   service does around it.
//! - `event_body` and `frames` are the stream on the wire, `pace` its speed, `faults` its misfortunes,
//!   `mix` how often they strike.
//! - `calls` remembers what came in and how it ended, and with `charges` what it used; `bill` prices that by
//!   `prices`, and `invocation_log` tells it as Bedrock's log does.
//! - `control` shows and sets all this over HTTP.
//! - `models` is the catalogue, `errors` the refusals.

mod answer;
mod bill;
mod calls;
mod charges;
mod control;
mod digest;
mod errors;
mod event_body;
mod faults;
mod frames;
mod guardrail;
mod image_header;
mod invocation_log;
mod mix;
mod models;
mod operations;
mod pace;
mod prices;
mod prompt;
mod prompt_cache;
mod regions;
mod reply;
mod route;
mod server;
mod service;
mod signature;
mod sts;
mod tokens;

pub use bill::{Bill, BillClass, BillEnd, BillLine, BillPart, BilledUsage, Unpriced};
pub use calls::{CallEnd, CallRecord, Counts, Operation};
pub use faults::{Fault, InvalidFault};
pub use guardrail::TextUnits;
pub use mix::{InvalidMix, Mix};
pub use pace::Pace;
pub use regions::Regions;
pub use server::{Emulator, Settings};
pub use sts::{AssumedRole, access_key_id_of};
