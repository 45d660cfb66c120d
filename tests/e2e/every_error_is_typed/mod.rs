//! Every way in which AWS can refuse or fail, by every RPC and at every place of a stream, is a status of its own.

mod advice;
mod ids;
mod no_answer;
mod refusals;
mod rows;
mod rpcs;
