//! The one built-in guardrail, `demoguardrail1`: it denies a topic and blocks a word in what is asked, and
//! blocks the word and masks e-mail addresses in what is answered.

mod apply;
mod assessment;
mod shapes;
mod units;

use serde_json::Value;

use crate::answer::{Answer, AnswerBlock, StopReason};
use crate::errors::{Failure, Outcome};
use crate::prompt::{Block, GuardrailRequest, Prompt, Role, SystemBlock, TraceLevel};
use crate::prompt_cache::InputSplit;

pub(crate) use apply::{Content, apply};
pub(crate) use assessment::Side;
use assessment::{Assessment, masked};
pub(crate) use shapes::{ACCOUNT, Trace};
pub use units::TextUnits;

/// The id of the guardrail; its ARN ends with `guardrail/` and this.
const ID: &str = "demoguardrail1";

const BLOCKED_INPUT: &str = "Sorry, the demo guardrail does not let the model answer this question.";
const BLOCKED_OUTPUT: &str = "Sorry, the demo guardrail does not let the model say this.";

/// An answer after the guardrail.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) answer: Answer,
    /// What the model read; `None` when the input was blocked before it.
    pub(crate) input: Option<InputSplit>,
    /// What the guardrail did; `None` when none was asked for.
    pub(crate) verdict: Option<Verdict>,
    /// What it looked at; nothing when none was asked for.
    pub(crate) units: TextUnits,
}

/// What a guardrail did.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whether it blocked or masked something.
    pub(crate) intervened: bool,
    /// Its reasons, when a trace was asked for.
    pub(crate) trace: Option<Trace>,
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
        return Ok(Guarded { answer, input: Some(input), verdict: None, units: TextUnits::default() });
    };
    let guardrail = Guardrail::find(request, region)?;
    let input = Assessment::of(&guarded_input(prompt), Side::Input);
    let mut units = TextUnits::of(input.characters, Side::Input);
    let mut trace = Trace::of_input(guardrail.shape(&input, Side::Input));
    if input.blocks() {
        trace.reason = reason(true, false);
        let verdict = guardrail.verdict(true, trace);
        return Ok(Guarded { answer: blocked(BLOCKED_INPUT), input: None, verdict: Some(verdict), units });
    }
    let (answer, split) = model()?;
    let masks = !(streams && request.asynchronous);
    let (answer, intervened) = guardrail.guard_output(answer, masks, &mut trace, &mut units);
    let verdict = Some(guardrail.verdict(intervened, trace));
    Ok(Guarded { answer, input: Some(split), verdict, units })
}

fn blocked(message: &str) -> Answer {
    Answer {
        blocks: vec![AnswerBlock::Text(message.to_owned())],
        stop_reason: StopReason::EndTurn,
        stop_sequence: None,
    }
}

/// The `actionReason`.
fn reason(blocks: bool, masks: bool) -> &'static str {
    match (blocks, masks) {
        (true, _) => "Guardrail blocked.",
        (false, true) => "Guardrail masked.",
        (false, false) => "No action.",
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

/// The guardrail as one call asks for it.
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

    /// Blocks or masks the texts of an answer; tool calls and reasoning pass. Also tells whether it did.
    fn guard_output(
        &self,
        mut answer: Answer,
        masks: bool,
        trace: &mut Trace,
        units: &mut TextUnits,
    ) -> (Answer, bool) {
        let mut said: Vec<String> = Vec::new();
        let (mut blocks, mut masked_any) = (false, false);
        for text in answer.blocks.iter_mut().filter_map(AnswerBlock::said_mut) {
            said.push(text.clone());
            let mut assessment = Assessment::of(text, Side::Output);
            *units += TextUnits::of(assessment.characters, Side::Output);
            if !masks {
                assessment.emails.clear();
            }
            blocks |= assessment.blocks();
            masked_any |= !assessment.emails.is_empty();
            *text = masked(text, &assessment);
            trace.outputs.push(self.shape(&assessment, Side::Output));
        }
        let intervened = blocks || masked_any;
        if intervened {
            trace.model_output = said;
        }
        trace.reason = reason(blocks, masked_any);
        (if blocks { blocked(BLOCKED_OUTPUT) } else { answer }, intervened)
    }

    fn verdict(&self, intervened: bool, trace: Trace) -> Verdict {
        let wanted = self.request.trace != TraceLevel::Disabled;
        Verdict { intervened, trace: wanted.then_some(trace) }
    }

    fn shape(&self, found: &Assessment, side: Side) -> Value {
        shapes::assessment(self.request, self.region, found, side)
    }
}
