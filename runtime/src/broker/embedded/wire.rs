//! Rows and what they mean.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;

use super::fault::Fault;
use crate::broker::port::{GiveBack, Nack};
use crate::chunk::{Chunk, Counters, IdempotencyKey, ParameterRange, TraceContext};
use crate::clock::Timestamp;
use crate::delivery::{Delivery, Failure, Receipt};
use crate::ids::{ChunkIndex, Generation, JobUid};
use crate::job::{JobRecord, JobSpec};
use crate::outcome::Outcome;
use crate::values::ValuesId;
use crate::wire;

/// Columns of a job.
pub(super) fn uid_and_record(row: &Row<'_>) -> Result<([u8; 16], Vec<u8>), rusqlite::Error> {
    Ok((row.get("uid")?, row.get("record")?))
}

/// The job that they tell of.
pub(super) fn decode_job((uid, record): ([u8; 16], Vec<u8>)) -> Result<JobRecord, Fault> {
    let job = JobUid::from(uid);
    wire::decode(&record).map_err(|cause| Fault::Record { job, cause })
}

/// Boot time as rows have it: nanoseconds, which last for 292 years. Exact, so that nothing comes
/// early or late by a rounding.
pub(super) fn nanos(time: Timestamp) -> i64 {
    let nanos = time.since(Timestamp::default()).as_nanos();
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// Bits of an outcome's id that number it within its job.
const OUTCOME_BITS: u32 = 36;

/// The id of outcome `number` of a job, from 1: those of one job are neighbours, in the order of
/// their commits.
pub(super) fn outcome_id(job: i64, number: i64) -> i64 {
    (job << OUTCOME_BITS) | number
}

/// The number within its job of the outcome with this id.
pub(super) fn outcome_number(id: i64) -> i64 {
    id & ((1 << OUTCOME_BITS) - 1)
}

/// Something to publish.
pub(super) enum Piece {
    /// Fresh chunks of the original cut, from `first` to before `stop`.
    Run { job: JobUid, first: u64, stop: u64, trace: Option<Vec<u8>> },
    /// Any other chunk.
    Single(Box<Single>),
}

/// A chunk with all it brings.
pub(super) struct Single {
    pub(super) key: IdempotencyKey,
    pub(super) range: ParameterRange,
    pub(super) counters: Counters,
    pub(super) failure: Option<Vec<u8>>,
    pub(super) trace: Option<Vec<u8>>,
}

impl Piece {
    pub(super) fn job(&self) -> JobUid {
        match self {
            Self::Run { job, .. } => *job,
            Self::Single(single) => single.key.job,
        }
    }
}

/// Joins neighbours of the original cut to runs.
pub(super) fn pieces(chunks: &[Chunk]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    // The trace of the run that is the last piece.
    let mut last_trace = None;
    for chunk in chunks {
        if !is_fresh(chunk) {
            pieces.push(Piece::Single(Box::new(Single {
                key: chunk.key,
                range: chunk.range,
                counters: chunk.counters,
                failure: chunk.last_failure.as_ref().map(wire::encode),
                trace: encode_trace(&chunk.trace),
            })));
            continue;
        }
        let index = chunk.key.chunk.0;
        match pieces.last_mut() {
            Some(Piece::Run { job, stop, .. })
                if *job == chunk.key.job && *stop == index && last_trace == Some(&chunk.trace) =>
            {
                *stop += 1;
            }
            _ => pieces.push(Piece::Run {
                job: chunk.key.job,
                first: index,
                stop: index + 1,
                trace: encode_trace(&chunk.trace),
            }),
        }
        last_trace = Some(&chunk.trace);
    }
    pieces
}

/// Whether the job and the index tell all of it but the trace.
fn is_fresh(chunk: &Chunk) -> bool {
    chunk.key.generation == Generation(0)
        && chunk.counters == Counters::default()
        && chunk.last_failure.is_none()
        && chunk.spec.chunk_range(chunk.key.chunk) == Some(chunk.range)
}

fn encode_trace(trace: &TraceContext) -> Option<Vec<u8>> {
    (*trace != TraceContext::default()).then(|| wire::encode(trace))
}

/// Telemetry is best effort: a trace that does not decode is none.
pub(super) fn decode_trace(bytes: Option<&[u8]>) -> TraceContext {
    let decoded = bytes.and_then(|bytes| wire::decode(bytes).ok());
    decoded.unwrap_or_default()
}

/// What identifies a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) key: IdempotencyKey,
    pub(super) owner: i64,
    pub(super) fence: i64,
}

impl Claim {
    pub(super) fn of(receipt: &Receipt) -> Self {
        Self {
            key: receipt.key,
            owner: receipt.token[0].cast_signed(),
            fence: receipt.token[1].cast_signed(),
        }
    }

    pub(super) fn receipt(self) -> Receipt {
        Receipt { key: self.key, token: [self.owner.cast_unsigned(), self.fence.cast_unsigned()] }
    }
}

/// How a delivery ends without an outcome.
pub(super) struct Return {
    pub(super) claim: Claim,
    pub(super) retry_in: Duration,
    /// The failure to charge; none for an innocent return.
    pub(super) failure: Option<Vec<u8>>,
}

impl From<&Nack> for Return {
    fn from(nack: &Nack) -> Self {
        Self {
            claim: Claim::of(&nack.receipt),
            retry_in: nack.retry_in,
            failure: Some(wire::encode(&nack.failure)),
        }
    }
}

impl From<&GiveBack> for Return {
    fn from(give_back: &GiveBack) -> Self {
        Self { claim: Claim::of(&give_back.receipt), retry_in: give_back.retry_in, failure: None }
    }
}

/// An outcome, as far as the store looks into it.
pub(super) struct Settlement {
    pub(super) key: IdempotencyKey,
    pub(super) completed: u64,
    pub(super) dead: u64,
    pub(super) record: Vec<u8>,
    /// Whose values count from now on.
    pub(super) values: Option<ValuesId>,
}

impl From<&Outcome> for Settlement {
    fn from(outcome: &Outcome) -> Self {
        Self {
            key: outcome.key,
            completed: outcome.completed(),
            dead: outcome.dead.count(),
            record: wire::encode(outcome),
            values: outcome.values.map(|kept| kept.id),
        }
    }
}

/// The columns of [`TaskRow`], in its order.
pub(super) const TASK_COLUMNS: &str = "job, chunk, generation, due, owner, fence, nacked, \
     failures, silent_deliveries, give_backs, first, stop, failure, trace, suspect";

/// A chunk that may be delivered.
pub(super) struct TaskRow {
    pub(super) job: i64,
    pub(super) chunk: i64,
    pub(super) generation: u32,
    pub(super) due: i64,
    /// Whoever leased it and let the lease end.
    pub(super) owner: Option<i64>,
    pub(super) fence: i64,
    /// The last delivery ended with a failure.
    pub(super) nacked: bool,
    counters: Counters,
    range: Option<(i64, i64)>,
    failure: Option<Vec<u8>>,
    trace: Option<Vec<u8>>,
    suspect: bool,
}

impl TryFrom<&Row<'_>> for TaskRow {
    type Error = rusqlite::Error;
    fn try_from(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let range: (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
        Ok(Self {
            job: row.get(0)?,
            chunk: row.get(1)?,
            generation: row.get(2)?,
            due: row.get(3)?,
            owner: row.get(4)?,
            fence: row.get(5)?,
            nacked: row.get(6)?,
            counters: Counters {
                failures: row.get(7)?,
                silent_deliveries: row.get(8)?,
                give_backs: row.get(9)?,
            },
            range: range.0.zip(range.1),
            failure: row.get(12)?,
            trace: row.get(13)?,
            suspect: row.get(14)?,
        })
    }
}

/// Where a chunk stands in the queue: when it came due, then job, chunk and generation.
pub(super) type Place = (i64, i64, i64, u32);

impl TaskRow {
    pub(super) fn place(&self) -> Place {
        (self.due, self.job, self.chunk, self.generation)
    }

    /// This chunk as delivered under `owner` and the next fence.
    pub(super) fn deliver(
        self,
        uid: JobUid,
        spec: &Arc<JobSpec>,
        owner: i64,
        now: i64,
    ) -> Result<Delivery, Fault> {
        let key = IdempotencyKey {
            job: uid,
            chunk: ChunkIndex(self.chunk.cast_unsigned()),
            generation: Generation(self.generation),
        };
        let range = match self.range {
            Some((first, stop)) => {
                ParameterRange::new(first.cast_unsigned(), stop.cast_unsigned()).ok()
            }
            None => spec.chunk_range(key.chunk),
        };
        let range = range.ok_or_else(|| no_range(uid, key.chunk))?;
        let mut counters = self.counters;
        let silent = self.owner.is_some();
        counters.silent_deliveries = counters.silent_deliveries.saturating_add(silent.into());
        let failure = self.failure.as_deref();
        Ok(Delivery {
            chunk: Chunk {
                key,
                range,
                counters,
                // Telemetry, too: the count of failures decides, not their words.
                last_failure: failure.and_then(|bytes| wire::decode::<Failure>(bytes).ok()),
                trace: decode_trace(self.trace.as_deref()),
                spec: Arc::clone(spec),
            },
            receipt: Claim { key, owner, fence: self.fence + 1 }.receipt(),
            suspect: silent || self.suspect,
            waited: waited(self.due, now),
        })
    }
}

/// No chunk is published without a range.
pub(super) fn no_range(job: JobUid, chunk: ChunkIndex) -> Fault {
    Fault::Corrupt(format!("chunk {chunk} of job {job} has no parameters"))
}

/// How long what came due at `due` waited.
pub(super) fn waited(due: i64, now: i64) -> Duration {
    Duration::from_nanos(u64::try_from(now - due).unwrap_or(0))
}
