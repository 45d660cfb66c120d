//! The one built-in guardrail, `demoguardrail1`: it denies a topic, blocks a word and masks e-mail addresses.

use serde_json::{Map, Value, json};

use crate::answer::{Answer, AnswerBlock, StopReason};
use crate::errors::{Failure, Outcome};
use crate::prompt::{Block, GuardrailRequest, Prompt, Role, SystemBlock, TraceLevel};
use crate::prompt_cache::InputSplit;

/// The id of the guardrail; its ARN ends with `guardrail/` and this.
const ID: &str = "demoguardrail1";

/// The account in the guardrail's ARN.
const ACCOUNT: &str = "123456789012";

/// The topic that is denied, and the words that give it away.
const TOPIC: &str = "investment-advice";
const TOPIC_WORDS: &[&str] = &[
    "invest",
    "investing",
    "investment",
    "investments",
    "stock",
    "stocks",
    "shares",
    "crypto",
    "cryptocurrency",
    "bitcoin",
    "portfolio",
];

/// The words that are blocked.
const BLOCKED_WORDS: &[&str] = &["forbiddenword"];

const BLOCKED_INPUT: &str = "Sorry, the demo guardrail does not let the model answer this question.";
const BLOCKED_OUTPUT: &str = "Sorry, the demo guardrail does not let the model say this.";

/// Characters in one text unit, which is what guardrails are charged by.
const CHARACTERS_PER_UNIT: usize = 1_000;

/// An answer after the guardrail.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) answer: Answer,
    /// What the model read; `None` when the input was blocked before it.
    pub(crate) input: Option<InputSplit>,
    /// The `trace.guardrail` member, when it was asked for.
    pub(crate) trace: Option<Value>,
}

/// Assesses the input, lets the model answer unless it is blocked, and assesses the output.
pub(crate) fn answer(
    prompt: &Prompt,
    region: &str,
    streams: bool,
    model: impl FnOnce() -> Outcome<(Answer, InputSplit)>,
) -> Outcome<Guarded> {
    let Some(request) = &prompt.guardrail else {
        let (answer, input) = model()?;
        return Ok(Guarded { answer, input: Some(input), trace: None });
    };
    let guardrail = Guardrail::find(request, region)?;
    let mut trace = Map::new();
    let input = Assessment::of(&guarded_input(prompt), Side::Input);
    trace.insert("inputAssessment".to_owned(), json!({ID: guardrail.shape(&input, Side::Input)}));
    if input.blocks() {
        trace.insert("actionReason".to_owned(), "Guardrail blocked.".into());
        let answer = blocked(BLOCKED_INPUT);
        return Ok(Guarded { answer, input: None, trace: guardrail.traced(trace) });
    }
    let (answer, split) = model()?;
    let masks = !(streams && request.asynchronous);
    let answer = guardrail.guard_output(answer, masks, &mut trace);
    Ok(Guarded { answer, input: Some(split), trace: guardrail.traced(trace) })
}

fn blocked(message: &str) -> Answer {
    Answer {
        blocks: vec![AnswerBlock::Text(message.to_owned())],
        stop_reason: StopReason::GuardrailIntervened,
        stop_sequence: None,
    }
}

/// What the guardrail looks at: the guarded content if there is any, else everything the user said.
fn guarded_input(prompt: &Prompt) -> String {
    let blocks =
        || prompt.messages.iter().flat_map(|message| message.content.iter().map(move |b| (message.role, b)));
    let mut marked: Vec<&str> = Vec::new();
    marked.extend(prompt.system.iter().filter_map(|block| match block {
        SystemBlock::GuardText(text) => Some(text.as_str()),
        _ => None,
    }));
    marked.extend(blocks().filter_map(|(_, block)| match block {
        Block::GuardText(text) => Some(text.as_str()),
        _ => None,
    }));
    if !marked.is_empty() {
        return marked.join("\n");
    }
    let said = blocks().filter(|(role, _)| *role == Role::User).filter_map(|(_, block)| block.as_text());
    said.collect::<Vec<_>>().join("\n")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

/// What was found in a text.
struct Assessment {
    characters: usize,
    topic: bool,
    words: Vec<&'static str>,
    emails: Vec<String>,
}

impl Assessment {
    fn of(text: &str, side: Side) -> Self {
        let lower = text.to_lowercase();
        let has = |wanted: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == wanted);
        Self {
            characters: text.chars().count(),
            // The emulator's answers quote the prompt, so a topic in the output was in the input before.
            topic: side == Side::Input && TOPIC_WORDS.iter().any(|word| has(word)),
            words: BLOCKED_WORDS.iter().copied().filter(|word| has(word)).collect(),
            emails: if side == Side::Output { emails(text) } else { Vec::new() },
        }
    }

    fn blocks(&self) -> bool {
        self.topic || !self.words.is_empty()
    }
}

fn emails(text: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    let words =
        text.split(|c: char| !allowed(c)).map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let is_email = |word: &&str| {
        word.split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
    };
    let mut found: Vec<String> = Vec::new();
    for email in words.filter(is_email) {
        if !found.iter().any(|known| known == email) {
            found.push(email.to_owned());
        }
    }
    found
}

struct Guardrail<'r> {
    request: &'r GuardrailRequest,
    region: &'r str,
}

impl<'r> Guardrail<'r> {
    fn find(request: &'r GuardrailRequest, region: &'r str) -> Outcome<Self> {
        let identifier = request.identifier.as_str();
        let id = match identifier.strip_prefix("arn:") {
            Some(arn) => arn.split_once(":guardrail/").map_or("", |(_, id)| id),
            None => identifier,
        };
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            return Err(Failure::validation("The provided guardrail identifier is invalid."));
        }
        let number = request.version.parse::<u32>().is_ok_and(|version| (1..100_000_000).contains(&version));
        if !number && request.version != "DRAFT" {
            return Err(Failure::validation(
                "The provided guardrail version is invalid: expected a number or DRAFT.",
            ));
        }
        if id != ID {
            return Err(Failure::new(
                "ResourceNotFoundException",
                "The guardrail identifier or version provided in the request does not exist.",
            ));
        }
        Ok(Self { request, region })
    }

    /// Blocks or masks the texts of an answer; tool calls and reasoning pass.
    fn guard_output(&self, mut answer: Answer, masks: bool, trace: &mut Map<String, Value>) -> Answer {
        let mut said: Vec<String> = Vec::new();
        let mut assessments = Vec::new();
        let (mut blocks, mut masked) = (false, false);
        for block in &mut answer.blocks {
            let AnswerBlock::Text(text) = block else { continue };
            said.push(text.clone());
            let mut assessment = Assessment::of(text, Side::Output);
            if !masks {
                assessment.emails.clear();
            }
            blocks |= assessment.blocks();
            masked |= !assessment.emails.is_empty();
            for email in &assessment.emails {
                *text = text.replace(email.as_str(), "{EMAIL}");
            }
            assessments.push(self.shape(&assessment, Side::Output));
        }
        if !assessments.is_empty() {
            trace.insert("outputAssessments".to_owned(), json!({ID: assessments}));
        }
        if blocks || masked {
            trace.insert("modelOutput".to_owned(), json!(said));
        }
        let reason = match (blocks, masked) {
            (true, _) => "Guardrail blocked.",
            (false, true) => "Guardrail masked.",
            (false, false) => "No action.",
        };
        trace.insert("actionReason".to_owned(), reason.into());
        if blocks {
            return blocked(BLOCKED_OUTPUT);
        }
        if masked {
            answer.stop_reason = StopReason::GuardrailIntervened;
            answer.stop_sequence = None;
        }
        answer
    }

    fn traced(&self, trace: Map<String, Value>) -> Option<Value> {
        (self.request.trace != TraceLevel::Disabled).then_some(Value::Object(trace))
    }

    /// A `GuardrailAssessment`; the full trace also lists what was looked for and not found.
    fn shape(&self, found: &Assessment, side: Side) -> Value {
        let full = self.request.trace == TraceLevel::Full;
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
        shape.insert("appliedGuardrailDetails".to_owned(), self.details());
        Value::Object(shape)
    }

    fn details(&self) -> Value {
        json!({
            "guardrailId": ID,
            "guardrailVersion": self.request.version,
            "guardrailArn": format!("arn:aws:bedrock:{}:{ACCOUNT}:guardrail/{ID}", self.region),
            "guardrailOrigin": ["REQUEST"],
            "guardrailOwnership": "SELF",
        })
    }
}

fn entry(matched: &str, detected: bool, action: &str, full: bool) -> Option<Value> {
    let action = if detected { action } else { "NONE" };
    (detected || full).then(|| json!({"match": matched, "action": action, "detected": detected}))
}

fn metrics(found: &Assessment, side: Side) -> Value {
    let units = found.characters.div_ceil(CHARACTERS_PER_UNIT);
    let (topic, pii) = if side == Side::Input { (units, 0) } else { (0, units) };
    json!({
        "guardrailProcessingLatency": 1,
        "usage": {
            "topicPolicyUnits": topic,
            "contentPolicyUnits": 0,
            "wordPolicyUnits": units,
            "sensitiveInformationPolicyUnits": pii,
            "sensitiveInformationPolicyFreeUnits": 0,
            "contextualGroundingPolicyUnits": 0,
        },
        "guardrailCoverage": {"textCharacters": {"guarded": found.characters, "total": found.characters}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_found_without_their_punctuation() {
        assert_eq!(emails("Mail <ada@example.com>, or bob@x.org."), ["ada@example.com", "bob@x.org"]);
        assert!(emails("@ a@ @b a@b no@host@twice.com").is_empty());
    }

    #[test]
    fn topics_are_words_not_parts_of_words() {
        assert!(Assessment::of("Which STOCKS should I buy?", Side::Input).blocks());
        assert!(!Assessment::of("The stockings are warm.", Side::Input).blocks());
        assert!(Assessment::of("a forbiddenword", Side::Output).blocks());
    }
}
