//! Deliveries: a chunk handed to one worker, under one lease, to be settled once.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chunk::{Chunk, IdempotencyKey};

/// How many deliveries a consumer may be handed now. A receive without credit is not made.
pub type Credit = NonZeroU32;

/// The longest text that a failure or dead letter keeps, in bytes. Records stay small.
pub const REASON_BYTES_MAX: usize = 512;

/// Which delivery a settlement is about. Only the adapter that issued it reads the token: a row and
/// its fence, a stream entry, a channel and its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// The chunk.
    pub key: IdempotencyKey,
    /// The adapter's own token; another delivery of the same chunk has another one.
    pub token: [u64; 2],
}

/// A chunk, leased to this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What to compute; its counters do not count this delivery.
    pub chunk: Chunk,
    /// What settles it.
    pub receipt: Receipt,
    /// A delivery before this one ended without a word, and none since with a failure. That one was given
    /// back does not clear it: nobody has evaluated the chunk.
    pub suspect: bool,
    /// How long the chunk was ready before this delivery, as far as the broker knows.
    pub waited: Duration,
}

/// What kind of failure ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The kernel said that it cannot evaluate a parameter.
    Error,
    /// The kernel's value was NaN or infinite.
    NotFinite,
    /// The kernel panicked.
    Panic,
    /// The attempt took longer than the job's timeout.
    Timeout,
    /// The kernel ended its process.
    Killed,
    /// Deliveries ended without a word too often.
    Silent,
    /// The kernel broke its contract or refused the job's options.
    Kernel,
    /// A person gave it up.
    Dropped,
}

impl FailureKind {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::NotFinite => "not finite",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Killed => "killed",
            Self::Silent => "silent",
            Self::Kernel => "kernel",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    #[serde(rename = "kind")]
    pub kind: FailureKind,
    /// The parameter at which it happened, if that is known.
    #[serde(rename = "at", default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<u64>,
    /// The kernel's own words, at most [`REASON_BYTES_MAX`] bytes.
    #[serde(rename = "why")]
    pub message: String,
}

impl Failure {
    /// A failure; a longer message is cut at a character's border.
    pub fn new(kind: FailureKind, parameter: Option<u64>, message: impl Into<String>) -> Self {
        Self { kind, parameter, message: shorten(message.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameter {
            Some(parameter) => {
                write!(f, "{} at parameter {parameter}: {}", self.kind, self.message)
            }
            None => write!(f, "{}: {}", self.kind, self.message),
        }
    }
}

pub(crate) fn shorten(mut message: String) -> String {
    if message.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX - '…'.len_utf8())
            .rev()
            .find(|&at| message.is_char_boundary(at))
            .unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let failure = Failure::new(FailureKind::Error, Some(3), "ä".repeat(1_000));
        assert!(failure.message.len() <= REASON_BYTES_MAX);
        assert!(failure.message.ends_with("ä…"));
        assert_eq!(Failure::new(FailureKind::Panic, None, "x").to_string(), "panic: x");
    }
}
