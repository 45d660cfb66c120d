//! Titan Text's native request: one text, in which a conversation is written as `User:` and `Bot:` lines.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Parsed, check_keys};
use crate::errors::Outcome;
use crate::models::Model;
use crate::prompt::reader::{Place, present};
use crate::prompt::{Block, Inference, Message, Prompt, Role, content, parameters};

/// The most tokens of an answer when the request does not say.
const DEFAULT_MAX_TOKENS: u32 = 512;

const CONFIG_MEMBERS: &[&str] = &["temperature", "topP", "maxTokenCount", "stopSequences"];

/// Reads the body.
pub(super) fn parse(model: Arc<Model>, mut body: Map<String, Value>) -> Outcome<Parsed> {
    check_keys("#", &body, &["inputText", "textGenerationConfig"], &["inputText"])?;
    let mut prompt = Prompt::empty(model);
    prompt.inference = inference(&mut body)?;
    let text = content::text(&Place::root("inputText"), body.remove("inputText").unwrap_or_default())?;
    prompt.messages = turns(&text);
    Ok((prompt, Map::new()))
}

fn inference(body: &mut Map<String, Value>) -> Outcome<Inference> {
    let at = Place::root("textGenerationConfig");
    let default = Inference { max_tokens: Some(DEFAULT_MAX_TOKENS), ..Inference::default() };
    let Some(value) = present(body, "textGenerationConfig") else { return Ok(default) };
    let mut members = at.object(value)?;
    check_keys("#/textGenerationConfig", &members, CONFIG_MEMBERS, &[])?;
    let mut take = |name: &str| present(&mut members, name);
    let asked = parameters::max_tokens(&at.member("maxTokenCount"), take("maxTokenCount"))?;
    let temperature = parameters::fraction(&at.member("temperature"), take("temperature"))?;
    let top_p = parameters::fraction(&at.member("topP"), take("topP"))?;
    let inside = at.member("stopSequences");
    let stops = take("stopSequences").unwrap_or_else(|| Value::Array(Vec::new()));
    let stops = inside.list(stops)?.into_iter().enumerate();
    Ok(Inference {
        max_tokens: asked.or(default.max_tokens),
        temperature,
        top_p,
        stop_sequences: stops
            .map(|(index, item)| inside.index(index).string(item))
            .collect::<Outcome<_>>()?,
    })
}

/// The turns of a text. Without a single `User:` at the start of a line the whole text is what the user says;
/// text before the first one belongs to it. The `Bot:` that asks for the answer is no turn.
fn turns(text: &str) -> Vec<Message> {
    let mut turns: Vec<(Role, String)> = Vec::new();
    let mut preamble = String::new();
    for line in text.split('\n') {
        let labelled = [("User:", Role::User), ("Bot:", Role::Assistant)]
            .into_iter()
            .find_map(|(label, role)| line.strip_prefix(label).map(|rest| (role, rest)));
        match (labelled, turns.last_mut()) {
            // A label that does not change the speaker is something the speaker wrote.
            (Some((role, _)), Some((last, said))) if *last == role => push_line(said, line),
            (Some((Role::Assistant, _)), None) | (None, None) => push_line(&mut preamble, line),
            (Some((role, rest)), _) => {
                turns.push((role, rest.strip_prefix(' ').unwrap_or(rest).to_owned()));
            }
            (None, Some((_, said))) => push_line(said, line),
        }
    }
    match turns.first_mut() {
        None => turns.push((Role::User, text.to_owned())),
        Some((_, first)) if !preamble.trim().is_empty() => *first = format!("{preamble}\n{first}"),
        Some(_) => {}
    }
    if turns.last().is_some_and(|(role, said)| *role == Role::Assistant && said.trim().is_empty()) {
        turns.pop();
    }
    let message = |(role, text)| Message { role, content: vec![Block::Text(text)] };
    turns.into_iter().map(message).collect()
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Role, &str)]) {
        let found: Vec<(Role, String)> = turns(text).iter().map(|turn| (turn.role, turn.text())).collect();
        let expected: Vec<(Role, String)> =
            expected.iter().map(|(role, said)| (*role, (*said).to_owned())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn conversations_are_read_out_of_the_text() {
        use Role::{Assistant, User};
        check("hi", &[(User, "hi")]);
        check("User: hi\nBot:", &[(User, "hi")]);
        check("User: hi", &[(User, "hi")]);
        check(
            "User: one\ntwo\nBot: three\n\nfour\nUser: five\nBot:",
            &[(User, "one\ntwo"), (Assistant, "three\n\nfour"), (User, "five")],
        );
        check("Be kind.\nUser: hi\nBot:", &[(User, "Be kind.\nhi")]);
        check("User: a\nUser: b\nBot:", &[(User, "a\nUser: b")]);
        check("User: hi\nBot: Well,", &[(User, "hi"), (Assistant, "Well,")]);
        check("What does User: mean?", &[(User, "What does User: mean?")]);
    }
}
