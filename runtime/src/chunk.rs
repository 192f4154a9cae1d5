//! A chunk: a contiguous range of a job's parameters, the unit of delivery, lease and retry.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::delivery::Failure;
use crate::ids::{ChunkIndex, Generation, JobUid};
use crate::job::JobSpec;

/// A range holds no parameter, or ends before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the range {start}..{end} holds no parameter: its end must be above its start")]
pub struct EmptyRange {
    /// First parameter.
    pub start: u64,
    /// One past the last parameter.
    pub end: u64,
}

/// At least one parameter: `start..end`, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct ParameterRange {
    start: u64,
    end: u64,
}

impl ParameterRange {
    /// The range `start..end`.
    pub fn new(start: u64, end: u64) -> Result<Self, EmptyRange> {
        if start < end { Ok(Self { start, end }) } else { Err(EmptyRange { start, end }) }
    }

    /// The first parameter.
    pub fn start(self) -> u64 {
        self.start
    }

    /// One past the last parameter.
    pub fn end(self) -> u64 {
        self.end
    }

    /// How many parameters; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether `parameter` is in the range.
    pub fn contains(self, parameter: u64) -> bool {
        (self.start..self.end).contains(&parameter)
    }

    /// Whether all of `other` is in this range.
    pub fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

impl TryFrom<(u64, u64)> for ParameterRange {
    type Error = EmptyRange;
    fn try_from((start, end): (u64, u64)) -> Result<Self, EmptyRange> {
        Self::new(start, end)
    }
}

impl IntoIterator for ParameterRange {
    type Item = u64;
    type IntoIter = std::ops::Range<u64>;
    fn into_iter(self) -> Self::IntoIter {
        self.start..self.end
    }
}

impl From<ParameterRange> for (u64, u64) {
    fn from(range: ParameterRange) -> Self {
        (range.start, range.end)
    }
}

impl fmt::Display for ParameterRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// What an outcome counts once for, however often its chunk is delivered: the first outcome of a
/// key wins, later ones are counted and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The submission.
    #[serde(rename = "job")]
    pub job: JobUid,
    /// The chunk within it.
    #[serde(rename = "chunk")]
    pub chunk: ChunkIndex,
    /// 0 for the original cut, higher for a replay of its dead parameters.
    #[serde(rename = "gen")]
    pub generation: Generation,
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.job, self.chunk, self.generation)
    }
}

/// How a chunk's deliveries ended so far. Three counters, because each has its own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Deliveries whose worker reported a failure. Limit: `--max-attempts`.
    #[serde(rename = "failures")]
    pub failures: u32,
    /// Deliveries that ended without a word: the worker died or lost its lease. Limit:
    /// `--max-deliveries`, a backstop, since such deaths are mostly not the chunk's fault.
    #[serde(rename = "silent")]
    pub silent_deliveries: u32,
    /// Deliveries that a worker returned unharmed. No limit.
    #[serde(rename = "given_back")]
    pub give_backs: u32,
}

impl Counters {
    /// The attempt that a delivery with these counters makes, from 1.
    pub fn attempt(self) -> u32 {
        self.failures.saturating_add(1)
    }
}

/// Where the trace of a chunk began: the two headers of W3C Trace Context.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraceContext {
    /// `traceparent`, if the submission was traced.
    #[serde(rename = "parent", default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// `tracestate`, if there was one.
    #[serde(rename = "state", default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

/// What a broker stores and delivers: which parameters, and all that computing them needs. Never
/// data, never a command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its identity.
    #[serde(rename = "key")]
    pub key: IdempotencyKey,
    /// Its parameters.
    #[serde(rename = "range")]
    pub range: ParameterRange,
    /// How its deliveries ended so far.
    #[serde(rename = "counters", default)]
    pub counters: Counters,
    /// The last failure that a worker reported.
    #[serde(rename = "failure", default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// The trace it belongs to.
    #[serde(rename = "trace", default)]
    pub trace: TraceContext,
    /// The job's specification, shared by all chunks in memory.
    #[serde(rename = "spec")]
    pub spec: Arc<JobSpec>,
}

impl Chunk {
    /// Chunk `index` of the original cut of job `job`; `None` beyond its end.
    pub fn cut(
        job: JobUid,
        spec: &Arc<JobSpec>,
        index: ChunkIndex,
        trace: &TraceContext,
    ) -> Option<Self> {
        Some(Self {
            key: IdempotencyKey { job, chunk: index, generation: Generation(0) },
            range: spec.chunk_range(index)?,
            counters: Counters::default(),
            last_failure: None,
            trace: trace.clone(),
            spec: Arc::clone(spec),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_at_least_one_parameter() {
        assert!(ParameterRange::new(3, 3).is_err());
        assert!(ParameterRange::new(4, 3).is_err());
        let range = ParameterRange::new(3, 5).unwrap();
        assert_eq!((range.len(), range.contains(4), range.contains(5)), (2, true, false));
    }

    #[test]
    fn an_empty_range_does_not_decode() {
        let bytes = crate::wire::encode(&(7_u64, 7_u64));
        assert!(crate::wire::decode::<ParameterRange>(&bytes).is_err());
    }
}
