//! Permit: leave to run, which a call holds until its work has ended.

use std::any::Any;
use std::sync::Arc;

/// Leave to run. Whoever gave it has it back once its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Permit {
    _lent: Arc<dyn Any + Send + Sync>,
}

impl Permit {
    /// A permit that holds on to this.
    pub fn of(lent: impl Any + Send + Sync) -> Self {
        Self { _lent: Arc::new(lent) }
    }
}
