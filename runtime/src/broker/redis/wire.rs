//! Entries of the stream, counters and records, and what they mean.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};

use crate::broker::views::{ChunkCounts, JobProgress, JobState, ParameterCounts};
use crate::chunk::{Chunk, Counters, IdempotencyKey};
use crate::clock::WallTime;
use crate::delivery::{Delivery, Receipt};
use crate::ids::JobUid;
use crate::outcome::Outcome;
use crate::values::ValuesId;
use crate::wire::{self, WireError};

/// Bits of a token's second number that count the entry's deliveries.
const DELIVERIES_BITS: u32 = 20;

/// Runs of dead parameters that the copy of a dead letter tells.
const RUNS_TOLD_MAX: usize = 100;

/// One delivery of an entry. Taken over, it is the same entry with one delivery more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    ms: u64,
    sequence: u64,
    deliveries: u64,
}

impl Claim {
    /// `None` if no server makes such ids.
    fn new(id: &str, deliveries: u64) -> Option<Self> {
        let (ms, sequence) = id.split_once('-')?;
        let claim = Self { ms: ms.parse().ok()?, sequence: sequence.parse().ok()?, deliveries };
        let fits =
            claim.sequence >> (64 - DELIVERIES_BITS) == 0 && deliveries >> DELIVERIES_BITS == 0;
        fits.then_some(claim)
    }

    pub(super) fn of(receipt: &Receipt) -> Self {
        let [ms, low] = receipt.token;
        let deliveries = low & ((1 << DELIVERIES_BITS) - 1);
        Self { ms, sequence: low >> DELIVERIES_BITS, deliveries }
    }

    fn receipt(self, key: IdempotencyKey) -> Receipt {
        Receipt { key, token: [self.ms, self.sequence << DELIVERIES_BITS | self.deliveries] }
    }

    pub(super) fn id(self) -> String {
        format!("{}-{}", self.ms, self.sequence)
    }

    pub(super) fn deliveries(self) -> u64 {
        self.deliveries
    }
}

/// A chunk's place among all, as scripts write it.
pub(super) fn place(key: &IdempotencyKey) -> String {
    key.to_string()
}

/// Whose values they are, as scripts write it.
pub(super) fn evaluation(id: ValuesId) -> String {
    format!("{:032x}", u128::from_be_bytes(id.to_bytes()))
}

/// A chunk's message: what does not change.
pub(super) fn message(chunk: &Chunk) -> Vec<u8> {
    if chunk.counters == Counters::default() && chunk.last_failure.is_none() {
        return wire::encode(chunk);
    }
    wire::encode(&Chunk { counters: Counters::default(), last_failure: None, ..chunk.clone() })
}

/// What a receive hands over.
#[derive(Default)]
pub(super) struct Received {
    pub(super) deliveries: Vec<Delivery>,
    /// Entries that are not what they should be.
    pub(super) foreign: Vec<Foreign>,
    /// In how long something that is delayed comes due.
    pub(super) due_in: Option<Duration>,
}

pub(super) struct Foreign {
    pub(super) id: String,
    pub(super) uid: String,
    pub(super) reason: String,
}

type Row = (String, u64, u64, Vec<Vec<u8>>);

impl FromRedisValue for Received {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let Value::Array(rows) = value else {
            return Err("a receive answers with a list".into());
        };
        let mut rows = rows.into_iter();
        let due = i64::from_redis_value(rows.next().unwrap_or(Value::Int(-1)))?;
        let due_in = u64::try_from(due).ok().map(Duration::from_millis);
        let mut received = Self { due_in, ..Self::default() };
        for row in rows {
            let row = Row::from_redis_value(row)?;
            let (id, fields) = (row.0.clone(), Fields::of(&row.3));
            match delivery(&row, &fields) {
                Ok(delivery) => received.deliveries.push(delivery),
                Err(reason) => {
                    let uid = String::from_utf8_lossy(fields.uid).into_owned();
                    received.foreign.push(Foreign { id, uid, reason });
                }
            }
        }
        Ok(received)
    }
}

/// An entry's fields. The script has seen to it that those of a chunk are there.
#[derive(Default)]
struct Fields<'a> {
    uid: &'a [u8],
    chunk: u64,
    generation: u64,
    message: &'a [u8],
    failures: u32,
    silent: u32,
    give_backs: u32,
    failure: Option<&'a [u8]>,
    suspect: bool,
}

impl<'a> Fields<'a> {
    fn of(flat: &'a [Vec<u8>]) -> Self {
        let mut fields = Self::default();
        for pair in flat.chunks_exact(2) {
            let value = pair[1].as_slice();
            match pair[0].as_slice() {
                b"j" => fields.uid = value,
                b"c" => fields.chunk = number(value),
                b"g" => fields.generation = number(value),
                b"m" => fields.message = value,
                b"f" => fields.failures = small(value),
                b"s" => fields.silent = small(value),
                b"b" => fields.give_backs = small(value),
                b"x" => fields.failure = Some(value),
                b"u" => fields.suspect = true,
                _ => {}
            }
        }
        fields
    }
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn small(text: &[u8]) -> u32 {
    u32::try_from(number(text)).unwrap_or(u32::MAX)
}

fn delivery((id, deliveries, waited, _): &Row, fields: &Fields<'_>) -> Result<Delivery, String> {
    let told = |error: WireError| error.to_string();
    let mut chunk: Chunk = wire::decode(fields.message).map_err(told)?;
    let key = &chunk.key;
    if key.job.to_string().as_bytes() != fields.uid
        || key.chunk.0 != fields.chunk
        || u64::from(key.generation.0) != fields.generation
    {
        return Err("its message is another chunk's".to_owned());
    }
    let claim = Claim::new(id, *deliveries).ok_or("its id is not of this world")?;
    let silent = u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX);
    chunk.counters = Counters {
        failures: fields.failures,
        silent_deliveries: fields.silent.saturating_add(silent),
        give_backs: fields.give_backs,
    };
    chunk.last_failure = fields.failure.map(wire::decode).transpose().map_err(told)?;
    Ok(Delivery {
        receipt: claim.receipt(chunk.key),
        chunk,
        suspect: fields.suspect || silent > 0,
        waited: Duration::from_millis(*waited),
    })
}

/// A delivery as the server has it: a claim on an entry, and the place of its chunk.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) place: String,
}

impl FromRedisValue for Held {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (id, deliveries, place) = <(String, u64, String)>::from_redis_value(value)?;
        let claim = Claim::new(&id, deliveries).ok_or("an entry has a strange id")?;
        Ok(Self { claim, place })
    }
}

/// A job's counters, as `progress.lua` answers them; `None` if the job is unknown.
pub(super) fn progress(counters: &[String]) -> Option<JobProgress> {
    let count = |at: usize| -> u64 {
        // None of them goes below zero but by the loss of a group.
        counters
            .get(at)
            .and_then(|text| text.parse::<i64>().ok())
            .map_or(0, |n| n.max(0).unsigned_abs())
    };
    let (total, settled, open) = (count(2), count(5), count(6));
    let (in_flight, delayed, due) = (count(7), count(8), count(15));
    let cancelled = counters.first()? == "1";
    let delayed_open = if cancelled { 0 } else { delayed.saturating_sub(due) };
    Some(JobProgress {
        state: match (cancelled, settled == total && open == 0) {
            (true, _) => JobState::Cancelled,
            (false, true) => JobState::Complete,
            (false, false) => JobState::Running,
        },
        published: count(1),
        chunks: ChunkCounts {
            total,
            completed: count(3),
            dead: count(4),
            ready: if cancelled { 0 } else { open.saturating_sub(in_flight + delayed_open) },
            in_flight: if cancelled { 0 } else { in_flight },
            delayed: delayed_open,
            redelivered: count(9),
            duplicates_dropped: count(10),
        },
        parameters: ParameterCounts { total: count(11), completed: count(12), dead: count(13) },
        last_commit: counters.get(14).and_then(|ms| ms.parse().ok()).map(WallTime),
    })
}

/// The dead letters of an outcome for people with tools of the broker; nothing if there are none.
pub(super) fn dead_letters(outcome: &Outcome) -> String {
    let told = |(range, why): (crate::ParameterRange, &crate::DeadReason)| {
        format!("{range} {}: {}", why.kind, why.message)
    };
    let runs = outcome.dead.runs();
    let mut letters: Vec<String> = runs.take(RUNS_TOLD_MAX).map(told).collect();
    if outcome.dead.runs().nth(RUNS_TOLD_MAX).is_some() {
        letters.push("and more; `ttg dlq list` has them all".to_owned());
    }
    letters.join("\n")
}

/// A uid as it is in keys.
pub(super) fn uid_of(text: &str) -> Option<JobUid> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_tells_the_entry_and_which_of_its_deliveries() {
        let key = crate::broker::conformance::chunk_of(
            &crate::broker::conformance::job("claims", 1, 1),
            0,
        )
        .key;
        let claim = Claim::new("1800000000000-999", 3).unwrap();
        assert_eq!(Claim::of(&claim.receipt(key)), claim);
        assert_eq!((claim.id().as_str(), claim.deliveries()), ("1800000000000-999", 3));
        for (id, deliveries) in
            [("1", 1), ("1-", 1), ("1-18446744073709551615", 1), ("1-1", 1 << 20)]
        {
            assert_eq!(Claim::new(id, deliveries), None, "{id}");
        }
    }
}
