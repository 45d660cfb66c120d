//! What AWS's service model demands of a value: how much of it there may be, and of which form.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

use super::Violation;

/// Longer patterns help nobody who reads a violation.
const LONGEST_PATTERN_SHOWN: usize = 80;

/// The constraints of one shape.
#[derive(Debug)]
pub struct Limits {
    /// Of a number its value, of text its characters, of a blob its bytes, of a list or map its entries.
    pub(super) least: Option<i64>,
    pub(super) most: Option<i64>,
    pub(super) pattern: Option<Pattern>,
    /// Of a list's entries, or of a map's values.
    pub(super) entries: Option<&'static Limits>,
    /// Of a map's keys.
    pub(super) keys: Option<&'static Limits>,
}

/// The constraints of a shape that has none.
pub(super) static FREE: Limits = Limits::NONE;

impl Limits {
    pub(super) const NONE: Self = Self { least: None, most: None, pattern: None, entries: None, keys: None };

    /// Checks text that travels beside a body, in the URI or as a header.
    #[must_use]
    pub fn check_text(&self, path: &str, text: &str) -> Option<Violation> {
        self.of_text(text).map(|description| Violation { path: path.to_owned(), description })
    }

    /// Checks a body that is passed on as it is.
    #[must_use]
    pub fn check_bytes(&self, path: &str, bytes: &[u8]) -> Option<Violation> {
        self.of_count(bytes.len(), "bytes")
            .map(|description| Violation { path: path.to_owned(), description })
    }

    pub(super) fn of_text(&self, text: &str) -> Option<String> {
        let long = || self.of_count(text.chars().count(), "characters");
        // Characters are only counted where bytes, of which there are never fewer, do not settle it.
        let counted = match self.within(text.len()) {
            true if self.least.is_none_or(|least| least <= 1) => None,
            _ => long(),
        };
        counted.or_else(|| self.pattern.as_ref().and_then(|pattern| pattern.of_text(text)))
    }

    pub(super) fn of_count(&self, count: usize, unit: &str) -> Option<String> {
        (!self.within(count)).then(|| format!("has {count} {unit}; {} accepted", self.range()))
    }

    pub(super) fn of_integer(&self, value: i64) -> Option<String> {
        let outside =
            self.least.is_some_and(|least| value < least) || self.most.is_some_and(|most| value > most);
        outside.then(|| format!("is {value}; {} accepted", self.range()))
    }

    pub(super) fn of_number(&self, value: f64) -> Option<String> {
        #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "AWS's bounds are small")]
        let bound = |bound: i64| bound as f64;
        let outside = self.least.is_some_and(|least| value < bound(least))
            || self.most.is_some_and(|most| value > bound(most));
        outside.then(|| format!("is {value}; {} accepted", self.range()))
    }

    fn within(&self, count: usize) -> bool {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.least.is_none_or(|least| count >= least) && self.most.is_none_or(|most| count <= most)
    }

    /// `1 to 64 are`, `at least 1 is`.
    fn range(&self) -> String {
        let verb = |bound: i64| if bound == 1 { "is" } else { "are" };
        match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{least} to {most} {}", verb(most)),
            (Some(least), None) => format!("at least {least} {}", verb(least)),
            (None, Some(most)) => format!("at most {most} {}", verb(most)),
            (None, None) => "any number is".to_owned(),
        }
    }
}

/// A regular expression that a whole text must match; compiled when first needed.
pub(super) struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// A pattern that cannot be compiled refuses nothing; a test compiles every one.
    fn of_text(&self, text: &str) -> Option<String> {
        let compile = || Regex::new(&format!("^(?:{})$", self.text)).ok();
        let regex = self.compiled.get_or_init(compile).as_ref()?;
        if regex.is_match(text) {
            return None;
        }
        Some(match self.text.len() <= LONGEST_PATTERN_SHOWN {
            true => format!("does not match AWS's pattern {}", self.text),
            false => "is of none of the forms that AWS's service model gives".to_owned(),
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
