//! What the guardrail's policies find in a text.

/// The words that give the denied topic away.
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
pub(super) const BLOCKED_WORDS: &[&str] = &["forbiddenword"];

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// To the model: the topic and the words are looked for.
    Input,
    /// From the model: the words and e-mail addresses are looked for.
    Output,
}

/// What was found in a text.
pub(super) struct Assessment {
    pub(super) characters: usize,
    pub(super) topic: bool,
    pub(super) words: Vec<&'static str>,
    pub(super) emails: Vec<String>,
}

impl Assessment {
    /// Looks for everything that the side's policies know.
    pub(super) fn of(text: &str, side: Side) -> Self {
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

    /// Whether something was found that must not pass.
    pub(super) fn blocks(&self) -> bool {
        self.topic || !self.words.is_empty()
    }
}

/// The text with placeholders for what must not be read.
pub(super) fn masked(text: &str, found: &Assessment) -> String {
    found.emails.iter().fold(text.to_owned(), |text, email| text.replace(email.as_str(), "{EMAIL}"))
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
