//! The few things the emulator knows: capitals, arithmetic, haiku, one-sentence explanations, lists, echoes.

mod arithmetic;
mod facts;

use super::hints::words;
use super::text::few_words;
use crate::prompt::{Prompt, Role};

/// Words that ask for the rest of the prompt to be said back, exactly.
const ECHOES: &[&str] = &["repeat after me:", "repeat after me", "repeat:", "echo:", "say exactly:", "say:"];

/// The text to say back, if that is what the prompt asks for. Nothing is added to it, so that tests know
/// every byte of the answer.
pub(super) fn echo(question: &str) -> Option<String> {
    let start = ECHOES
        .iter()
        .find(|start| question.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start)))?;
    let rest = question.get(start.len()..)?.trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// An answer to a question the emulator knows.
pub(super) fn answer(prompt: &Prompt, question: &str) -> Option<String> {
    let lower = question.to_lowercase();
    my_name(prompt, &lower)
        .or_else(|| capital(&lower))
        .or_else(|| haiku(&lower))
        .or_else(|| explanation(question, &lower))
        .or_else(|| letters(&lower))
        .or_else(|| arithmetic::sentence(question))
        .or_else(|| list(&lower))
        .or_else(|| greeting(prompt, &lower))
}

/// What the user said about their name, in any earlier turn.
fn my_name(prompt: &Prompt, lower: &str) -> Option<String> {
    if !(lower.contains("what is my name") || lower.contains("what's my name")) {
        return None;
    }
    let said = prompt.messages.iter().filter(|message| message.role == Role::User).find_map(|message| {
        let text = message.text();
        let at = text.to_lowercase().find("my name is ")?;
        let rest = text.get(at + "my name is ".len()..)?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '-').next().map(str::to_owned)
    });
    Some(said.map_or_else(
        || "You have not told me your name yet.".to_owned(),
        |name| format!("Your name is {name}; you told me so earlier."),
    ))
}

fn capital(lower: &str) -> Option<String> {
    let (_, place) = lower.split_once("capital of ").or_else(|| lower.split_once("capital city of "))?;
    let place = place.trim_start_matches("the ");
    let found = facts::CAPITALS.iter().find(|(country, _, _)| place.starts_with(&country.to_lowercase()))?;
    let (country, city, remark) = found;
    Some(format!("The capital of {country} is {city}, {remark}."))
}

fn haiku(lower: &str) -> Option<String> {
    if !lower.contains("haiku") {
        return None;
    }
    let subject = lower.split_once(" about ").map(|(_, rest)| few_words(rest, 4));
    let heading =
        subject.map_or_else(String::new, |subject| format!("On {}:\n", subject.trim_end_matches('?')));
    Some(format!("{heading}Quiet tokens fall,\neach word a stone in the stream;\nthe cloud dreams nearby."))
}

fn explanation(question: &str, lower: &str) -> Option<String> {
    let at = lower.find("explain ")?;
    if !lower.contains("sentence") {
        return None;
    }
    let rest = question.get(at + "explain ".len()..)?;
    let end =
        rest.to_lowercase().find(" in one sentence").or_else(|| rest.to_lowercase().find(" in a sentence"));
    let subject = rest.get(..end.unwrap_or(rest.len()))?.trim_end_matches(['.', '?', '!']);
    let known = facts::EXPLANATIONS.iter().find(|(name, _)| subject.eq_ignore_ascii_case(name));
    Some(known.map_or_else(
        || {
            format!(
                "In one sentence: {subject} is what you asked about, and the emulator knows only its name."
            )
        },
        |(_, text)| format!("In one sentence: {text}"),
    ))
}

/// How often a letter occurs in a word.
fn letters(lower: &str) -> Option<String> {
    let (_, rest) = lower.split_once("how many ")?;
    let (letter, rest) = rest.split_once(" in ")?;
    let letter = letter.split_whitespace().next()?.trim_matches(['\'', '"']).trim_end_matches("'s");
    let mut characters = letter.chars();
    let (wanted, None) = (characters.next()?, characters.next()) else { return None };
    let word = words(rest).into_iter().find(|word| word != "the" && word != "word")?;
    let count = word.chars().filter(|c| *c == wanted).count();
    Some(format!("The word \u{201c}{word}\u{201d} has the letter {wanted} {count} times."))
}

fn list(lower: &str) -> Option<String> {
    let asks = ["list of three", "list three", "three examples", "name three", "give me three"];
    let start = asks.iter().find(|start| lower.contains(*start))?;
    let (_, rest) = lower.split_once(start)?;
    let subject = rest.trim_start_matches(" of").trim().trim_end_matches(['.', '?', '!']);
    let subject = subject.trim_end_matches("please").trim_end_matches([',', ' ']);
    let known = facts::LISTS.iter().find(|(name, _)| subject.contains(name));
    let [one, two, three] =
        known.map_or(["the first one", "a second one", "the third and best"], |(_, items)| *items);
    let heading = if subject.is_empty() { "Three things" } else { subject };
    Some(format!("Three it is ({}):\n1. {one}\n2. {two}\n3. {three}", few_words(heading, 6)))
}

fn greeting(prompt: &Prompt, lower: &str) -> Option<String> {
    let said = words(lower);
    let first = said.first()?;
    let greets = ["hi", "hello", "hey", "hallo", "greetings", "morning"].contains(&first.as_str())
        || lower.starts_with("good ") && said.len() <= 4;
    (greets && said.len() <= 8).then(|| {
        format!(
            "Hello! I am the Bedrock emulator, speaking as {}. No model was woken for this answer.",
            prompt.model.name
        )
    })
}
