//! The layers of the corridor, one file each. `stack.rs` puts them in order and says why.

mod admission;
mod attempts;
mod first_content;
mod flight;
mod idle;
mod ledger;
mod policy;
mod price;
mod quota;
mod record;
mod requests;
mod resolve;
mod total;
mod validate;

use std::future::Future;

use tower::Layer;

use crate::call::{Call, CallService, Reply};
use crate::error::Error;
use crate::service;

pub use admission::{Admission, admission};
pub use attempts::{TargetHealth, attempts};
pub use first_content::first_content;
pub use flight::{Flights, flight};
pub use idle::idle;
pub use ledger::ledger;
pub use policy::policy;
pub use price::price;
pub use quota::quota;
pub use record::{Attempts, Tally, record};
pub use requests::requests;
pub use resolve::resolve;
pub use total::total;
pub use validate::{mistakes, validate};

/// A layer from a function of the service inside and the call.
fn layer<F, R>(around: F) -> impl Layer<CallService, Service = CallService> + Clone
where
    F: Fn(CallService, Call) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    service::layer(around)
}
