//! What the rules have found.

use std::fmt::Display;

use bedrock_inference_proto::codec::Violation;

/// The rules go on after so many findings of either kind but note no more: each costs memory, and a request of a
/// few megabytes can hold millions.
const MOST_FINDINGS: usize = 1000;

/// Members that are refused, by who refuses them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Refused by Converse, whatever the model.
    pub by_service: Vec<Violation>,
    /// Refused by this model.
    pub by_model: Vec<Violation>,
}

impl Findings {
    /// The same findings of a request inside another, as the member of this path.
    #[must_use]
    pub fn inside(mut self, path: &str) -> Self {
        for finding in self.by_service.iter_mut().chain(&mut self.by_model) {
            finding.path.insert_str(0, &format!("{path}."));
        }
        self
    }

    /// Notes what Converse refuses.
    pub(super) fn of_service(&mut self, path: impl Display, description: impl Display) {
        note(&mut self.by_service, path, description);
    }

    /// Notes what the model refuses.
    pub(super) fn of_model(&mut self, path: impl Display, description: impl Display) {
        note(&mut self.by_model, path, description);
    }
}

/// What is not noted is not put into words either.
fn note(found: &mut Vec<Violation>, path: impl Display, description: impl Display) {
    if found.len() < MOST_FINDINGS {
        found.push(Violation { path: path.to_string(), description: description.to_string() });
    }
}
