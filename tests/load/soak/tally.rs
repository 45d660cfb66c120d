//! The tally: how all calls ended.

use std::collections::BTreeMap;
use std::time::Duration;

use bedrock_inference_proto::v1::CallReport;

use super::ATTEMPTS_PER_CALL;
use super::book::Book;

/// Attempts that a call may have.
const ATTEMPTS: usize = 3;

/// What a deadline is told as.
const DEADLINE: &str = "CLIENT_DEADLINE";

/// How one call ended for its caller.
pub struct Ended {
    pub call: u64,
    /// `None` where the caller has left.
    pub report: Option<CallReport>,
    /// Why it failed.
    pub reason: Option<String>,
    /// By how much it outlived its deadline.
    pub late: Duration,
}

#[derive(Default)]
pub struct Tally {
    /// Attempts that each call told of, and whether its deadline ended it.
    told: Vec<(u64, usize, bool)>,
    left: Vec<u64>,
    ok: usize,
    reasons: BTreeMap<String, usize>,
    latest: Duration,
}

impl Tally {
    pub fn note(&mut self, ended: Ended) {
        let Ended { call, report, reason, late } = ended;
        let Some(report) = report else {
            self.left.push(call);
            return;
        };
        let by_deadline = reason.as_deref() == Some(DEADLINE);
        self.told.push((call, report.attempts.len(), by_deadline));
        self.latest = self.latest.max(late);
        match reason {
            None => self.ok += 1,
            Some(reason) => *self.reasons.entry(reason).or_default() += 1,
        }
    }

    fn calls(&self) -> usize {
        self.told.len() + self.left.len()
    }

    pub fn print(&self) {
        println!("{} calls: {} OK, {} left by their callers", self.calls(), self.ok, self.left.len());
        println!("failed: {:?}", self.reasons);
        println!("ended {:?} behind its deadline at the latest", self.latest);
    }

    /// Holds the attempts that were told to those that the emulator saw, call by call.
    pub fn judge(&self, book: &Book, started: u64) {
        assert_eq!(book.all(), started);
        let (mut unseen, mut untold) = (0, 0);
        for &(call, told, by_deadline) in &self.told {
            let seen = book.attempts(call);
            if by_deadline && seen + 1 == told {
                // Begun, and dropped before the request was there.
                unseen += 1;
            } else if by_deadline && seen == told + 1 {
                // Begun in the moment in which its caller was told.
                untold += 1;
            } else {
                assert_eq!(told, seen, "call {call} told of {told} attempts, {seen} were made");
            }
        }
        let of_left: usize = self.left.iter().map(|call| book.attempts(*call)).sum();
        for call in &self.left {
            assert!(book.attempts(*call) <= ATTEMPTS, "{} attempts of call {call}", book.attempts(*call));
        }
        let told: usize = self.told.iter().map(|(_, told, _)| told).sum();
        assert_eq!((told - unseen + untold + of_left) as u64, started);
        let share = started as f64 / self.calls() as f64;
        println!(
            "{started} attempts, {share:.3} for each call: {told} told, {unseen} of them dropped before they were sent, \
             {untold} untold, and {of_left} of callers who left"
        );
        assert!(share < ATTEMPTS_PER_CALL);
    }
}
