//! The text of an answer: honest about who speaks, and about what was asked.

use super::{attachments, tool_results, topics};
use crate::prompt::{Prompt, Role, SystemBlock};

/// The text that answers the prompt.
pub(super) fn reply(prompt: &Prompt) -> String {
    if prompt.last_tool_results().next().is_some() {
        return tool_results::report(prompt);
    }
    let question = prompt.last_user_text();
    if let Some(echo) = topics::echo(&question) {
        return echo;
    }
    let last = prompt.messages.iter().rfind(|message| message.role == Role::User);
    let seen = last.map(attachments::describe).unwrap_or_default();
    let mut text = if seen.is_empty() {
        topics::answer(prompt, &question).unwrap_or_else(|| general(prompt, &question))
    } else {
        with_attachments(&question, &seen)
    };
    // Remarks after verses and lists start a paragraph of their own.
    let mut gap = if text.contains('\n') { "\n\n" } else { " " };
    let remarks = [about_speaker(prompt, &text), about_conversation(prompt), about_system(prompt)];
    for remark in remarks.into_iter().flatten() {
        text.push_str(gap);
        text.push_str(&remark);
        gap = " ";
    }
    text
}

fn general(prompt: &Prompt, question: &str) -> String {
    let name = &prompt.model.name;
    let words = question.split_whitespace().count();
    format!(
        "You wrote \u{201c}{}\u{201d}. I am the Bedrock emulator, speaking as {name}: your {words} words arrived \
         whole, and where the real model would now think, I only count. Ask me for a capital city, some \
         arithmetic, a haiku or a list of three, and I will do better.",
        few_words(question, 8)
    )
}

fn with_attachments(question: &str, seen: &[String]) -> String {
    let seen = listed(seen);
    if question.is_empty() {
        return format!("I see {seen}.");
    }
    let asked = few_words(question, 10);
    format!("I see {seen}. You asked \u{201c}{asked}\u{201d}; I cannot look inside, but it arrived whole.")
}

/// Nobody shall take the answer for the model's.
fn about_speaker(prompt: &Prompt, text: &str) -> Option<String> {
    let said = text.contains("the Bedrock emulator");
    (!said).then(|| format!("(The Bedrock emulator, as {}.)", prompt.model.name))
}

fn about_conversation(prompt: &Prompt) -> Option<String> {
    let turns = prompt.messages.iter().filter(|message| message.role == Role::User).count();
    if turns < 2 {
        return None;
    }
    let first = prompt.messages.first().map(|message| few_words(&message.text(), 8)).unwrap_or_default();
    Some(format!("This is turn {turns} of our conversation, which began with \u{201c}{first}\u{201d}."))
}

fn about_system(prompt: &Prompt) -> Option<String> {
    let text = prompt.system.iter().find_map(|block| match block {
        SystemBlock::Text(text) | SystemBlock::GuardText(text) => Some(text),
        SystemBlock::CachePoint(_) => None,
    })?;
    Some(format!("I keep your instruction in mind: \u{201c}{}\u{201d}.", few_words(text, 10)))
}

/// The first words of a text, with an ellipsis when there is more.
pub(super) fn few_words(text: &str, count: usize) -> String {
    let mut words = text.split_whitespace();
    let mut joined = words.by_ref().take(count).collect::<Vec<_>>().join(" ");
    // A single word may be as long as the whole prompt.
    let end = joined.char_indices().nth(count * 12).map(|(end, _)| end);
    joined.truncate(end.unwrap_or(joined.len()));
    if end.is_some() || words.next().is_some() {
        joined.push('\u{2026}');
    }
    joined.trim_end_matches(['.', '!']).to_owned()
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        items => items.concat(),
    }
}
