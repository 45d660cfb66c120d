//! What a prompt offers to fill blanks with: quoted phrases, names, numbers and e-mail addresses.

use serde_json::Number;

/// Words that are capitalised only because a sentence starts with them.
const SENTENCE_STARTS: &[&str] = &[
    "a",
    "add",
    "also",
    "an",
    "and",
    "are",
    "as",
    "at",
    "book",
    "call",
    "can",
    "check",
    "compare",
    "convert",
    "could",
    "create",
    "describe",
    "do",
    "does",
    "explain",
    "extract",
    "fetch",
    "find",
    "for",
    "from",
    "get",
    "give",
    "hello",
    "hey",
    "hi",
    "how",
    "i",
    "i'm",
    "if",
    "in",
    "is",
    "it",
    "let",
    "list",
    "look",
    "make",
    "my",
    "no",
    "now",
    "of",
    "on",
    "or",
    "please",
    "read",
    "reply",
    "return",
    "say",
    "search",
    "send",
    "set",
    "should",
    "show",
    "tell",
    "that",
    "the",
    "then",
    "there",
    "this",
    "to",
    "translate",
    "use",
    "we",
    "what",
    "what's",
    "when",
    "where",
    "which",
    "who",
    "why",
    "will",
    "with",
    "would",
    "write",
    "yes",
    "you",
    "your",
];

/// Words that join names into a list.
const JOINTS: &[&str] = &["and", "or", "&", "und", "et", "y"];

/// What can be read out of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    /// The whole text.
    pub(super) text: String,
    lower_words: Vec<String>,
    strings: Vec<String>,
    /// Names that the text enumerates: `Paris, Rome and Oslo`.
    pub(super) enumerated: Vec<String>,
    numbers: Vec<Number>,
    email: Option<String>,
    next_string: usize,
    next_number: usize,
}

impl Hints {
    /// Reads the hints out of a text.
    pub(super) fn from_text(text: &str) -> Self {
        let names = names(text);
        let mut strings = quoted(text);
        // A capital at the start of a sentence says little: such names come last.
        let surest_first =
            names.iter().filter(|name| !name.doubtful).chain(names.iter().filter(|name| name.doubtful));
        strings.extend(surest_first.map(|name| name.text.clone()));
        if strings.is_empty() {
            strings.extend(last_resort(text));
        }
        Self {
            text: text.trim().to_owned(),
            lower_words: words(text),
            strings,
            enumerated: enumerated(&names),
            numbers: text.split_whitespace().filter_map(number).collect(),
            email: text.split_whitespace().map(trimmed).find(|word| is_email(word)).map(str::to_owned),
            next_string: 0,
            next_number: 0,
        }
    }

    /// The same hints with one value preferred over all others.
    pub(super) fn preferring(&self, value: &str) -> Self {
        let mut hints = self.clone();
        hints.strings.insert(0, value.to_owned());
        hints
    }

    /// The next string, the last one again when there are no more.
    pub(super) fn take_string(&mut self) -> Option<String> {
        let string = self.strings.get(self.next_string).or_else(|| self.strings.last()).cloned();
        self.next_string += 1;
        string
    }

    /// The next number.
    pub(super) fn take_number(&mut self) -> Option<Number> {
        let number = self.numbers.get(self.next_number).cloned();
        self.next_number += 1;
        number
    }

    /// The first e-mail address.
    pub(super) fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// Whether the text has this word, whatever its case.
    pub(super) fn mentions(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.lower_words.contains(&word)
    }

    /// How many of the words the text has.
    pub(super) fn overlap(&self, words: &[String]) -> usize {
        words.iter().filter(|word| self.lower_words.iter().any(|found| same_stem(found, word))).count()
    }
}

/// Lower-case words of a text, split at everything that is no letter or digit.
pub(super) fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn same_stem(one: &str, other: &str) -> bool {
    one.trim_end_matches('s') == other.trim_end_matches('s')
}

fn trimmed(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

fn is_email(word: &str) -> bool {
    word.split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

fn number(word: &str) -> Option<Number> {
    let word = word.trim_matches(|c: char| !c.is_ascii_digit() && c != '-').trim_end_matches('-');
    if let Ok(integer) = word.parse::<i64>() {
        return Some(integer.into());
    }
    word.parse().ok().and_then(Number::from_f64)
}

fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('\u{201c}', '\u{201d}')] {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((inside, after)) = after.split_once(close) else { break };
            if !inside.trim().is_empty() {
                found.push(inside.to_owned());
            }
            rest = after;
        }
    }
    found
}

struct Name {
    text: String,
    /// How it follows the name before it.
    joint: Joint,
    /// One word at the start of a sentence, which may be no name at all.
    doubtful: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    None,
    Comma,
    Word,
}

/// Runs of capitalised words: `New York`, `Ada Lovelace`.
fn names(text: &str) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    let (mut open, mut sentence_start, mut joint) = (false, true, Joint::None);
    for word in text.split_whitespace() {
        let core = trimmed(word);
        let capital = core.starts_with(char::is_uppercase);
        let name = capital
            && !(sentence_start && SENTENCE_STARTS.contains(&core.to_lowercase().as_str()))
            && core != "I";
        if name {
            match names.last_mut() {
                Some(last) if open => {
                    last.text.push(' ');
                    last.text.push_str(core);
                    last.doubtful = false;
                }
                _ => names.push(Name { text: core.to_owned(), joint, doubtful: sentence_start }),
            }
        }
        let ends = word.ends_with(|c: char| c.is_ascii_punctuation());
        open = name && !ends;
        sentence_start = word.ends_with(['.', '!', '?', ':']);
        joint = match joint {
            _ if name && word.ends_with(',') => Joint::Comma,
            _ if JOINTS.contains(&word.to_lowercase().as_str()) && !names.is_empty() => Joint::Word,
            _ => Joint::None,
        };
    }
    names
}

/// The longest run of names that commas and at least one `and` or `or` hold together.
fn enumerated(names: &[Name]) -> Vec<String> {
    let mut best: &[Name] = &[];
    let mut start = 0;
    for end in 1..=names.len() {
        let run_goes_on = names.get(end).is_some_and(|name| name.joint != Joint::None);
        if run_goes_on {
            continue;
        }
        let run = names.get(start..end).unwrap_or_default();
        let joined = run.iter().skip(1).any(|name| name.joint == Joint::Word);
        if joined && run.len() > best.len() {
            best = run;
        }
        start = end;
    }
    best.iter().map(|name| name.text.clone()).collect()
}

/// Without any name or quotation: the word after a preposition, or the longest one.
fn last_resort(text: &str) -> Option<String> {
    let all: Vec<&str> = text.split_whitespace().map(trimmed).filter(|word| !word.is_empty()).collect();
    let prepositions = ["in", "for", "of", "about", "at", "to", "from", "on"];
    let after = all.windows(2).rev().find_map(|pair| match pair {
        [before, word] if prepositions.contains(&before.to_lowercase().as_str()) => Some(*word),
        _ => None,
    });
    after.or_else(|| all.iter().copied().max_by_key(|word| word.len())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_quotations_and_numbers_are_found() {
        let mut hints = Hints::from_text("Book 3 seats in New York for \"Swan Lake\", mail ada@example.com.");
        assert_eq!(hints.take_string().unwrap(), "Swan Lake");
        assert_eq!(hints.take_string().unwrap(), "New York");
        assert_eq!(hints.take_number().unwrap(), Number::from(3));
        assert_eq!(hints.email(), Some("ada@example.com"));
        assert!(hints.mentions("SEATS"));
    }

    #[test]
    fn only_real_enumerations_are_enumerations() {
        for (text, names) in [
            ("What is the weather in Paris and Rome?", vec!["Paris", "Rome"]),
            ("Weather for Paris, New York and Oslo please", vec!["Paris", "New York", "Oslo"]),
            ("What is the weather in Paris, France?", vec![]),
            ("What is the weather in Paris?", vec![]),
            ("what is the weather in paris", vec![]),
        ] {
            assert_eq!(Hints::from_text(text).enumerated, names, "{text}");
        }
    }

    #[test]
    fn lower_case_prompts_give_the_word_after_the_preposition() {
        assert_eq!(Hints::from_text("what is the weather in paris").take_string().unwrap(), "paris");
    }
}
