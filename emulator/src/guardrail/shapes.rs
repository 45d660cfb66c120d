//! Assessments and traces in the shapes of the service.

use serde_json::{Map, Value, json};

use super::ID;
use super::assessment::{Assessment, BLOCKED_WORDS, Side};
use super::units::TextUnits;
use crate::prompt::{GuardrailRequest, TraceLevel};

/// The account that everything of the emulator belongs to.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The topic that is denied.
const TOPIC: &str = "investment-advice";

/// Why a guardrail did what it did.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(super) input: Value,
    /// One assessment for each text of the answer.
    pub(super) outputs: Vec<Value>,
    /// What the model had said before it was blocked or masked.
    pub(super) model_output: Vec<String>,
    pub(super) reason: &'static str,
}

impl Trace {
    /// A trace that knows the assessment of the input only.
    pub(super) fn of_input(input: Value) -> Self {
        Self { input, outputs: Vec::new(), model_output: Vec::new(), reason: super::reason(false, false) }
    }

    /// Converse's `trace.guardrail`.
    pub(crate) fn converse(&self) -> Value {
        let mut shape = Map::from_iter([("inputAssessment".to_owned(), json!({ID: self.input}))]);
        if !self.outputs.is_empty() {
            shape.insert("outputAssessments".to_owned(), json!({ID: self.outputs}));
        }
        self.with_output_and_reason(shape)
    }

    /// InvokeModel's `amazon-bedrock-trace.guardrail`: other names, and one map for each output.
    pub(crate) fn invoke(&self) -> Value {
        let mut shape = Map::from_iter([("input".to_owned(), json!({ID: self.input}))]);
        if !self.outputs.is_empty() {
            let outputs = self.outputs.iter().map(|output| json!({ID: output})).collect();
            shape.insert("outputs".to_owned(), outputs);
        }
        self.with_output_and_reason(shape)
    }

    fn with_output_and_reason(&self, mut shape: Map<String, Value>) -> Value {
        if !self.model_output.is_empty() {
            shape.insert("modelOutput".to_owned(), json!(self.model_output));
        }
        shape.insert("actionReason".to_owned(), self.reason.into());
        Value::Object(shape)
    }
}

/// A `GuardrailAssessment`; the full trace also lists what was looked for and not found.
pub(super) fn assessment(request: &GuardrailRequest, region: &str, found: &Assessment, side: Side) -> Value {
    let full = request.trace == TraceLevel::Full;
    let mut shape = Map::new();
    if side == Side::Input && (found.topic || full) {
        let action = if found.topic { "BLOCKED" } else { "NONE" };
        let topic = json!({"name": TOPIC, "type": "DENY", "action": action, "detected": found.topic});
        shape.insert("topicPolicy".to_owned(), json!({"topics": [topic]}));
    }
    let words: Vec<Value> = BLOCKED_WORDS
        .iter()
        .filter_map(|word| entry(word, found.words.contains(word), "BLOCKED", full))
        .collect();
    if !words.is_empty() {
        shape.insert("wordPolicy".to_owned(), json!({"customWords": words, "managedWordLists": []}));
    }
    if side == Side::Output {
        let mut entities: Vec<Value> =
            found.emails.iter().filter_map(|email| entry(email, true, "ANONYMIZED", full)).collect();
        if entities.is_empty() {
            entities.extend(entry("", false, "ANONYMIZED", full));
        }
        entities.iter_mut().for_each(|entity| entity["type"] = "EMAIL".into());
        if !entities.is_empty() {
            let policy = json!({"piiEntities": entities, "regexes": []});
            shape.insert("sensitiveInformationPolicy".to_owned(), policy);
        }
    }
    shape.insert("invocationMetrics".to_owned(), metrics(found, side));
    shape.insert("appliedGuardrailDetails".to_owned(), details(request, region));
    Value::Object(shape)
}

fn details(request: &GuardrailRequest, region: &str) -> Value {
    json!({
        "guardrailId": ID,
        "guardrailVersion": request.version,
        "guardrailArn": format!("arn:aws:bedrock:{region}:{ACCOUNT}:guardrail/{ID}"),
        "guardrailOrigin": ["REQUEST"],
        "guardrailOwnership": "SELF",
    })
}

fn entry(matched: &str, detected: bool, action: &str, full: bool) -> Option<Value> {
    let action = if detected { action } else { "NONE" };
    (detected || full).then(|| json!({"match": matched, "action": action, "detected": detected}))
}

fn metrics(found: &Assessment, side: Side) -> Value {
    json!({
        "guardrailProcessingLatency": 1,
        "usage": TextUnits::of(found.characters, side).shape(),
        "guardrailCoverage": {"textCharacters": {"guarded": found.characters, "total": found.characters}},
    })
}
