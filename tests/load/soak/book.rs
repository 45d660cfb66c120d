//! What the emulator saw of each call.

use std::collections::HashMap;

use bedrock_inference_emulator::Emulator;

/// What stands before a call's number in its prompt. Behind "say:" the emulator says everything back.
pub const MARK: &str = "say: call-";

/// How often the emulator was asked for each call, by its number.
#[derive(Default)]
pub struct Book {
    attempts: HashMap<u64, usize>,
    last: u64,
}

impl Book {
    /// Reads on. The emulator keeps its last 1,000 calls, so this is done more often than they come.
    pub fn read(&mut self, emulator: &Emulator) {
        for record in emulator.calls() {
            if record.number <= self.last {
                continue;
            }
            assert_eq!(record.number, self.last + 1, "the emulator has forgotten a call");
            self.last = record.number;
            *self.attempts.entry(number(&record.body)).or_default() += 1;
        }
    }

    /// How often it was asked for this call.
    pub fn attempts(&self, call: u64) -> usize {
        self.attempts.get(&call).copied().unwrap_or_default()
    }

    /// How often it was asked in all.
    pub fn all(&self) -> u64 {
        self.last
    }
}

fn number(body: &[u8]) -> u64 {
    let (_, rest) = std::str::from_utf8(body).unwrap().split_once(MARK).expect("not of a caller here");
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
    rest[..end].parse().unwrap()
}
