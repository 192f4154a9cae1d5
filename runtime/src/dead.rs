//! The dead parameters of a chunk, each with its reason, in little space: neighbours that died of
//! the same reason are one run, and a reason is stored once.

use serde::{Deserialize, Serialize};

use crate::chunk::ParameterRange;
use crate::delivery::{FailureKind, shorten};

/// The most different reasons that one outcome keeps. Beyond it a parameter keeps its kind of
/// failure and a note that the words are left out, so that a kernel that writes another message
/// for each of a million parameters does not fill the store.
pub const REASONS_MAX: usize = 1_000;

const WORDS_LEFT_OUT: &str = "its words are left out: the chunk has too many different reasons";

/// Why a parameter is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadReason {
    /// What happened at the last attempt.
    #[serde(rename = "kind")]
    pub kind: FailureKind,
    /// In the kernel's words.
    #[serde(rename = "why")]
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run(u64, u64, u32);

/// Dead parameters in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct DeadParameters {
    #[serde(rename = "runs")]
    runs: Vec<Run>,
    #[serde(rename = "why")]
    reasons: Vec<DeadReason>,
}

#[derive(Deserialize)]
struct Raw {
    runs: Vec<Run>,
    why: Vec<DeadReason>,
}

impl TryFrom<Raw> for DeadParameters {
    type Error = &'static str;
    fn try_from(raw: Raw) -> Result<Self, &'static str> {
        let mut next = 0;
        for &Run(start, end, reason) in &raw.runs {
            if start < next || end <= start {
                return Err("dead parameters are not in ascending order");
            }
            if reason as usize >= raw.why.len() {
                return Err("a dead parameter has no reason");
            }
            next = end;
        }
        Ok(Self { runs: raw.runs, reasons: raw.why })
    }
}

impl DeadParameters {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of `range`, for one reason.
    pub fn all(range: ParameterRange, kind: FailureKind, message: &str) -> Self {
        let mut dead = Self::new();
        dead.push_run(range, kind, message);
        dead
    }

    /// Adds `parameter`, which is above all others.
    pub fn push(&mut self, parameter: u64, kind: FailureKind, message: &str) {
        let range = ParameterRange::new(parameter, parameter.saturating_add(1));
        // The last u64 is never a parameter: ranges are half open.
        self.push_run(range.expect("a parameter is below u64::MAX"), kind, message);
    }

    /// Adds all of `range`, which is above all others.
    pub(crate) fn push_run(&mut self, range: ParameterRange, kind: FailureKind, message: &str) {
        let reason = self.intern(kind, message);
        match self.runs.last_mut() {
            Some(last) if last.1 == range.start() && last.2 == reason => last.1 = range.end(),
            last => {
                debug_assert!(last.is_none_or(|last| last.1 <= range.start()), "ascending order");
                self.runs.push(Run(range.start(), range.end(), reason));
            }
        }
    }

    fn intern(&mut self, kind: FailureKind, message: &str) -> u32 {
        let full = self.reasons.len() >= REASONS_MAX;
        let message = shorten(message.to_owned());
        let known = |reasons: &[DeadReason], message: &str| {
            // The newest first: neighbours tend to share their reason.
            reasons.iter().rposition(|r| r.kind == kind && r.message == message)
        };
        let at = known(&self.reasons, &message)
            .or_else(|| full.then(|| known(&self.reasons, WORDS_LEFT_OUT)).flatten())
            .unwrap_or_else(|| {
                let message = if full { WORDS_LEFT_OUT.to_owned() } else { message };
                self.reasons.push(DeadReason { kind, message });
                self.reasons.len() - 1
            });
        u32::try_from(at).expect("reasons are few")
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.1 - run.0).sum()
    }

    /// Neighbours with one reason, in ascending order.
    pub fn runs(&self) -> impl Iterator<Item = (ParameterRange, &DeadReason)> {
        self.runs.iter().filter_map(|&Run(start, end, reason)| {
            let range = ParameterRange::new(start, end).ok()?;
            Some((range, self.reasons.get(reason as usize)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_with_one_reason_are_one_run() {
        let mut dead = DeadParameters::new();
        for parameter in [3, 4, 5, 7] {
            dead.push(parameter, FailureKind::Error, "no root");
        }
        dead.push(8, FailureKind::Panic, "no root");
        let runs: Vec<_> = dead.runs().map(|(range, why)| (range.to_string(), why.kind)).collect();
        let expected = [
            ("3..6", FailureKind::Error),
            ("7..8", FailureKind::Error),
            ("8..9", FailureKind::Panic),
        ];
        assert_eq!(runs, expected.map(|(range, kind)| (range.to_owned(), kind)));
        assert_eq!(dead.count(), 5);
    }

    #[test]
    fn a_kernel_that_always_finds_new_words_does_not_fill_the_record() {
        let mut dead = DeadParameters::new();
        for parameter in 0..50_000 {
            dead.push(parameter, FailureKind::Error, &format!("parameter {parameter} is bad"));
        }
        assert_eq!(dead.count(), 50_000);
        assert!(crate::wire::encode(&dead).len() < 100_000);
    }

    #[test]
    fn dead_parameters_that_overlap_or_lack_a_reason_do_not_decode() {
        for runs in [vec![(3, 5, 0), (4, 6, 0)], vec![(5, 5, 0)], vec![(1, 2, 1)]] {
            let runs: Vec<Run> = runs.into_iter().map(|(a, b, c)| Run(a, b, c)).collect();
            let reasons = vec![DeadReason { kind: FailureKind::Error, message: String::new() }];
            let bytes = crate::wire::encode(&DeadParameters { runs, reasons });
            assert!(crate::wire::decode::<DeadParameters>(&bytes).is_err());
        }
    }
}
