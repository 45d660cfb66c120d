//! What each call used that Bedrock bills, noted when it was answered.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::answer::Usage;
use crate::calls::Operation;
use crate::guardrail::TextUnits;

/// The most charges kept; older ones are forgotten.
const MAX_CHARGES: usize = 100_000;

/// What one call used.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) request_id: String,
    /// The model id as it was called, or the guardrail of ApplyGuardrail.
    pub(crate) model_id: String,
    /// The region that was called: that of the signature, as the emulator of one region may stand for any.
    pub(crate) region: String,
    pub(crate) operation: Operation,
    /// The tier that served, as the answer says; `None` where it does not.
    pub(crate) service_tier: Option<String>,
    /// The latency mode that served, as the answer says; `None` where it does not.
    pub(crate) latency: Option<String>,
    pub(crate) usage: Usage,
    pub(crate) units: TextUnits,
    /// Who signed the call.
    pub(crate) access_key_id: Option<String>,
    pub(crate) at: SystemTime,
    pub(crate) end: ChargeEnd,
}

/// How the answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChargeEnd {
    /// It is still being given.
    Open,
    /// It was given to its end.
    Finished,
    /// The client went away; the model answers to the end all the same.
    Aborted,
    /// A scripted fault spoiled it; the name of the exception, where there was one.
    Failed(Option<String>),
}

/// The charges by the numbers of their calls.
#[derive(Debug, Default)]
pub(crate) struct Charges(BTreeMap<u64, Charge>);

impl Charges {
    /// Notes a charge whose answer is on its way.
    pub(crate) fn add(&mut self, number: u64, charge: Charge) {
        self.0.insert(number, charge);
        if self.0.len() > MAX_CHARGES {
            self.0.pop_first();
        }
    }

    /// Notes how an answer ended; the first word stands. A call without a charge has none to settle.
    pub(crate) fn settle(&mut self, number: u64, end: ChargeEnd) {
        let open = self.0.get_mut(&number).filter(|charge| charge.end == ChargeEnd::Open);
        if let Some(charge) = open {
            charge.end = end;
        }
    }

    /// The charges whose answers have ended, in the order in which the calls came.
    pub(crate) fn settled(&self) -> Vec<Charge> {
        self.0.values().filter(|charge| charge.end != ChargeEnd::Open).cloned().collect()
    }
}
