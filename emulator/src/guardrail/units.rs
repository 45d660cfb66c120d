//! Text units, which is what guardrails are charged by.

use std::ops::AddAssign;

use serde::Serialize;
use serde_json::{Value, json};

use super::assessment::Side;

/// Characters in one text unit.
const CHARACTERS_PER_UNIT: usize = 1_000;

/// Text units by policy: every policy of a side looks at every unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextUnits {
    /// Looked through for denied topics.
    pub topic: u64,
    /// Looked through for words.
    pub word: u64,
    /// Looked through for sensitive information.
    pub sensitive_information: u64,
}

impl TextUnits {
    /// The units of a text of so many characters.
    pub(super) fn of(characters: usize, side: Side) -> Self {
        let units = u64::try_from(characters.div_ceil(CHARACTERS_PER_UNIT)).unwrap_or(u64::MAX);
        match side {
            Side::Input => Self { topic: units, word: units, sensitive_information: 0 },
            Side::Output => Self { topic: 0, word: units, sensitive_information: units },
        }
    }

    /// A `GuardrailUsage`.
    pub(super) fn shape(self) -> Value {
        json!({
            "topicPolicyUnits": self.topic,
            "contentPolicyUnits": 0,
            "wordPolicyUnits": self.word,
            "sensitiveInformationPolicyUnits": self.sensitive_information,
            "sensitiveInformationPolicyFreeUnits": 0,
            "contextualGroundingPolicyUnits": 0,
        })
    }
}

impl AddAssign for TextUnits {
    fn add_assign(&mut self, other: Self) {
        self.topic = self.topic.saturating_add(other.topic);
        self.word = self.word.saturating_add(other.word);
        self.sensitive_information = self.sensitive_information.saturating_add(other.sensitive_information);
    }
}
