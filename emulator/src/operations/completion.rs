//! A prompt with its answer: parsed, answered, guarded and accounted for, ready to be rendered.

use std::time::Duration;

use crate::answer::{self, Answer, Usage};
use crate::calls::Operation;
use crate::charges::Charge;
use crate::errors::{Failure, Outcome};
use crate::guardrail::{self, Guarded, Verdict};
use crate::models::Family;
use crate::pace::Pace;
use crate::prompt::{Invocation, Prompt, parse_converse, parse_native};
use crate::server::Shared;

use super::{Body, Call};

/// Everything a response is made of.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) prompt: Prompt,
    pub(super) answer: Answer,
    pub(super) usage: Usage,
    /// What the guardrail did, when one was applied.
    pub(super) verdict: Option<Verdict>,
    /// The pace that was in force when the call arrived.
    pub(super) pace: Pace,
}

impl Completion {
    /// How long after the request the whole answer is there, at the pace in force.
    pub(super) fn due(&self) -> Duration {
        self.pace.time_of(f64::from(self.usage.output))
    }

    /// The same in milliseconds.
    pub(super) fn latency_ms(&self) -> u64 {
        u64::try_from(self.due().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether the model knows prompt caching: others have no cache counters.
    pub(super) fn caches(&self) -> bool {
        self.prompt.model.supports.prompt_caching
    }

    /// Whether a guardrail blocked or masked something.
    pub(super) fn intervened(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.intervened)
    }
}

/// Parses, answers, guards, accounts and charges: the same for every wire format.
pub(super) fn complete(shared: &Shared, call: &Call, body: Body) -> Outcome<Completion> {
    let model = shared.catalogue.resolve(&call.id)?;
    let streams = call.operation.streams();
    if streams && !model.supports.streaming {
        return Err(Failure::validation("The model is unsupported for streaming."));
    }
    let prompt = match call.operation {
        Operation::InvokeModel | Operation::InvokeModelWithResponseStream => {
            parse_native(model, body, Invocation::from_headers(&call.headers)?)?
        }
        _ => parse_converse(model, body)?,
    };
    if streams && !prompt.tools.is_empty() && !prompt.model.supports.streaming_tools {
        return Err(Failure::validation("This model doesn't support tool use in streaming mode."));
    }
    let guarded = guardrail::answer(&prompt, &shared.region, streams, || {
        let input = shared.prompt_cache.account(&prompt, call.arrived);
        check_context(&prompt, input.plain.saturating_add(input.read))?;
        Ok((answer::compose(&prompt), input))
    })?;
    let Guarded { answer, input, verdict, units } = guarded;
    // An input that was blocked never reached the model, so nobody pays for the blocked message.
    let usage = input.map_or_else(Usage::default, |input| Usage { input, output: answer.tokens() });
    call.open.charge(Charge {
        service_tier: prompt.service_tier.clone(),
        latency: prompt.latency.clone(),
        usage,
        units,
        ..call.charge(shared)
    });
    Ok(Completion { prompt, answer, usage, verdict, pace: shared.pace.get() })
}

/// Every family says it differently when the context window is too small.
fn check_context(prompt: &Prompt, tokens: u32) -> Outcome<()> {
    let limit = prompt.model.max_input_tokens;
    if tokens <= limit {
        return Ok(());
    }
    Err(match prompt.model.family {
        Family::Claude => {
            Failure::from_model(format!("prompt is too long: {tokens} tokens > {limit} maximum"))
        }
        Family::Nova => Failure::from_model(format!(
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length of {limit}"
        )),
        Family::TitanText | Family::Other => Failure::from_model("Input is too long for requested model."),
    })
}
