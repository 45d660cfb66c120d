//! Input tags: `<amazon-bedrock-guardrails-guardContent_xyz>` marks in text what Converse marks with a block.

use serde_json::{Map, Value};

use super::invocation::Invocation;
use crate::errors::{Failure, Outcome};
use crate::prompt::reader::{Place, present};
use crate::prompt::{Block, Prompt, SystemBlock};

/// The member of every family's body that says how the guardrail reads it.
const CONFIG: &str = "amazon-bedrock-guardrailConfig";

/// Takes the guardrail's settings out of the body and gives the suffix of its tags, if there is one.
pub(super) fn settings(
    body: &mut Map<String, Value>,
    invocation: &mut Invocation,
) -> Outcome<Option<String>> {
    let Some(value) = present(body, CONFIG) else { return Ok(None) };
    let Some(guardrail) = &mut invocation.guardrail else {
        return Err(Failure::validation(format!(
            "A guardrail identifier is required when {CONFIG} is in the request body."
        )));
    };
    let at = Place::root(CONFIG);
    let mut members = at.object(value)?;
    let mode = at.optional_word(&mut members, "streamProcessingMode", &["SYNCHRONOUS", "ASYNCHRONOUS"])?;
    guardrail.asynchronous = mode.as_deref() == Some("ASYNCHRONOUS");
    let suffix = at.optional_string(&mut members, "tagSuffix")?;
    let allowed =
        |suffix: &str| (1..=20).contains(&suffix.len()) && suffix.chars().all(|c| c.is_ascii_alphanumeric());
    if suffix.as_deref().is_some_and(|suffix| !allowed(suffix)) {
        return Err(at.member("tagSuffix").constraint("Member must be 1 to 20 letters and digits"));
    }
    Ok(suffix)
}

/// Turns tagged text into guarded blocks. The tags themselves are not for the model.
pub(super) fn mark(prompt: &mut Prompt, suffix: &str) {
    let open = format!("<amazon-bedrock-guardrails-guardContent_{suffix}>");
    let close = format!("</amazon-bedrock-guardrails-guardContent_{suffix}>");
    for message in &mut prompt.messages {
        let blocks = std::mem::take(&mut message.content).into_iter();
        message.content = blocks
            .flat_map(|block| match block {
                Block::Text(text) => parts(&text, &open, &close)
                    .map(|(text, marked)| if marked { Block::GuardText(text) } else { Block::Text(text) })
                    .collect(),
                other => vec![other],
            })
            .collect();
    }
    let blocks = std::mem::take(&mut prompt.system).into_iter();
    prompt.system = blocks
        .flat_map(|block| match block {
            SystemBlock::Text(text) => parts(&text, &open, &close)
                .map(
                    |(text, marked)| {
                        if marked { SystemBlock::GuardText(text) } else { SystemBlock::Text(text) }
                    },
                )
                .collect(),
            other => vec![other],
        })
        .collect();
}

/// The parts of a text, and whether each was tagged; blank parts between tags are dropped.
fn parts(text: &str, open: &str, close: &str) -> impl Iterator<Item = (String, bool)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((marked, after)) = after.split_once(close) else { break };
        found.push((before.to_owned(), false));
        found.push((marked.to_owned(), true));
        rest = after;
    }
    found.push((rest.to_owned(), false));
    found.into_iter().filter(|(text, _)| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_the_tags() {
        let cut = |text: &str| parts(text, "<g>", "</g>").collect::<Vec<_>>();
        let part = |text: &str, marked: bool| (text.to_owned(), marked);
        assert_eq!(cut("a <g>b</g> c"), [part("a ", false), part("b", true), part(" c", false)]);
        assert_eq!(cut("<g>a</g> <g>b</g>"), [part("a", true), part("b", true)]);
        assert_eq!(cut("a <g>b"), [part("a <g>b", false)]);
    }
}
