//! Prompt caching: which prefix of a prompt was seen before, and which one is remembered from now on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::prompt::{Prompt, Ttl};
use crate::tokens;

/// Prefixes kept; beyond it expired ones are dropped, and then all.
const MAX_PREFIXES: usize = 10_000;

/// How the input tokens of one call split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InputSplit {
    /// Neither read from nor written to the cache.
    pub(crate) plain: u32,
    /// Read from the cache.
    pub(crate) read: u32,
    /// Written to live five minutes.
    pub(crate) written_5m: u32,
    /// Written to live an hour.
    pub(crate) written_1h: u32,
}

impl InputSplit {
    /// Written, whatever for how long.
    pub(crate) fn written(&self) -> u32 {
        self.written_5m.saturating_add(self.written_1h)
    }
}

/// The prefixes remembered, by hash, with the moment they expire.
#[derive(Debug, Default)]
pub(crate) struct PromptCache {
    prefixes: Mutex<HashMap<u64, Instant>>,
}

/// A checkpoint of a prompt that is long enough to count.
struct Checkpoint {
    hash: u64,
    /// Tokens before it, from the start of the prompt.
    tokens: u32,
    ttl: Ttl,
}

impl PromptCache {
    /// Splits the input tokens of a prompt, refreshes what it reads and remembers what it writes.
    pub(crate) fn account(&self, prompt: &Prompt, now: Instant) -> InputSplit {
        let total = tokens::of_prompt(prompt);
        let checkpoints = checkpoints(prompt);
        let Some(last) = checkpoints.last() else {
            return InputSplit { plain: total, ..InputSplit::default() };
        };
        let plain = total.saturating_sub(last.tokens);
        let mut prefixes = self.prefixes.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            |checkpoint: &Checkpoint| prefixes.get(&checkpoint.hash).is_some_and(|expires| *expires > now);
        let read = checkpoints.iter().rfind(|checkpoint| known(checkpoint)).map_or(0, |found| found.tokens);
        let mut split = InputSplit { plain, read, ..InputSplit::default() };
        let mut counted = read;
        for checkpoint in &checkpoints {
            // Also the checkpoints inside the prefix that was read: a read keeps them alive.
            prefixes.insert(checkpoint.hash, now + lifetime(checkpoint.ttl));
            let fresh = checkpoint.tokens.saturating_sub(counted);
            counted = counted.max(checkpoint.tokens);
            match checkpoint.ttl {
                Ttl::FiveMinutes => split.written_5m += fresh,
                Ttl::OneHour => split.written_1h += fresh,
            }
        }
        if prefixes.len() > MAX_PREFIXES {
            prefixes.retain(|_, expires| *expires > now);
        }
        if prefixes.len() > MAX_PREFIXES {
            prefixes.clear();
        }
        split
    }
}

fn lifetime(ttl: Ttl) -> Duration {
    match ttl {
        Ttl::FiveMinutes => Duration::from_secs(300),
        Ttl::OneHour => Duration::from_secs(3_600),
    }
}

/// The checkpoints that count, in order. Prompts without any are not hashed at all.
fn checkpoints(prompt: &Prompt) -> Vec<Checkpoint> {
    if tokens::pieces(prompt).all(|piece| piece.checkpoint().is_none()) {
        return Vec::new();
    }
    let mut digest = Digest::new(&prompt.model.id);
    let mut before = 0_u32;
    let mut found = Vec::new();
    for piece in tokens::pieces(prompt) {
        piece.add_to(&mut digest);
        before = before.saturating_add(piece.tokens());
        if let Some(ttl) = piece.checkpoint()
            && before >= prompt.model.prompt_cache_min_tokens()
        {
            found.push(Checkpoint { hash: digest.value(), tokens: before, ttl });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::models::Catalogue;
    use crate::prompt::parse_converse;
    use serde_json::json;

    fn prompt(system: &str, tail: &str, ttl: &str) -> Prompt {
        let body = json!({
            "system": [{"text": system}, {"cachePoint": {"type": "default", "ttl": ttl}}],
            "messages": [{"role": "user", "content": [{"text": tail}, {"cachePoint": {"type": "default"}}]}],
        });
        let model = Catalogue::load().unwrap().resolve("us.anthropic.claude-sonnet-4-6").unwrap();
        parse_converse(model, body.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn written_once_then_read_until_it_expires() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let system = "s".repeat(8_000);
        let first = cache.account(&prompt(&system, "one", "1h"), now);
        assert_eq!(first, InputSplit { plain: 0, read: 0, written_5m: 4, written_1h: 2_000 });
        let again = cache.account(&prompt(&system, "one", "1h"), now);
        assert_eq!(again, InputSplit { plain: 0, read: 2_004, written_5m: 0, written_1h: 0 });
        let other = cache.account(&prompt(&system, "two plus", "1h"), now);
        assert_eq!(other, InputSplit { plain: 0, read: 2_000, written_5m: 5, written_1h: 0 });
        let later = now + Duration::from_secs(301);
        assert_eq!(cache.account(&prompt(&system, "one", "1h"), later).read, 2_000);
        let much_later = later + Duration::from_secs(3_601);
        assert_eq!(cache.account(&prompt(&system, "one", "1h"), much_later).read, 0);
    }

    #[test]
    fn a_read_refreshes_the_prefix() {
        let (cache, mut now) = (PromptCache::default(), Instant::now());
        let prompt = prompt(&"s".repeat(8_000), "one", "5m");
        cache.account(&prompt, now);
        for _ in 0..3 {
            now += Duration::from_secs(200);
            assert_eq!(cache.account(&prompt, now).read, 2_004);
        }
    }

    #[test]
    fn short_prefixes_are_ignored() {
        let cache = PromptCache::default();
        for _ in 0..2 {
            let split = cache.account(&prompt("short", "one", "5m"), Instant::now());
            assert_eq!(split, InputSplit { plain: 6, ..InputSplit::default() });
        }
    }
}
