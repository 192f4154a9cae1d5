//! One job's books: what was published, settled and counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::port::{Committed, OUTCOME_PAGE_BYTES_MAX};
use crate::broker::views::{
    ChunkCounts, JobProgress, JobState, OutcomeCursor, OutcomePage, ParameterCounts,
};
use crate::chunk::IdempotencyKey;
use crate::clock::WallTime;
use crate::error::BrokerError;
use crate::ids::{ChunkIndex, Generation};
use crate::invariants::outcome_is_whole;
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire;

/// Counts of a job's chunks that wait or are leased.
#[derive(Default)]
pub(super) struct OpenChunks {
    pub(super) ready: u64,
    pub(super) in_flight: u64,
    pub(super) delayed: u64,
}

#[derive(Clone)]
pub(super) struct Ledger {
    pub(super) job: JobRecord,
    pub(super) cancelled: bool,
    pub(super) redelivered: u64,
    /// Keys of chunks that were added.
    published: BTreeSet<(ChunkIndex, Generation)>,
    /// How many chunks from the start of the original cut are in `published` without a gap.
    published_to: u64,
    /// Keys with an outcome.
    settled: BTreeSet<(ChunkIndex, Generation)>,
    /// Settled chunks of the original cut, and whether one of their parameters completed, then or
    /// in a replay.
    originals: BTreeMap<ChunkIndex, bool>,
    parameters: ParameterCounts,
    duplicates_dropped: u64,
    last_commit: Option<WallTime>,
    /// In the order of their commits, as bytes, so that the wire format is exercised.
    outcomes: Vec<Vec<u8>>,
    /// Likewise.
    values: BTreeMap<ValuesAt, Vec<u8>>,
}

impl Ledger {
    pub(super) fn open(job: JobRecord) -> Self {
        Self {
            parameters: ParameterCounts {
                total: job.spec.parameters.len(),
                ..ParameterCounts::default()
            },
            job,
            cancelled: false,
            redelivered: 0,
            published: BTreeSet::new(),
            published_to: 0,
            settled: BTreeSet::new(),
            originals: BTreeMap::new(),
            duplicates_dropped: 0,
            last_commit: None,
            outcomes: Vec::new(),
            values: BTreeMap::new(),
        }
    }

    /// Notes that a chunk is published. False if it was before, or is settled already.
    pub(super) fn publish(&mut self, key: IdempotencyKey) -> bool {
        let added = self.published.insert((key.chunk, key.generation));
        while self.published.contains(&(ChunkIndex(self.published_to), Generation(0))) {
            self.published_to += 1;
        }
        added && !self.settled.contains(&(key.chunk, key.generation))
    }

    /// The first outcome of a key wins.
    pub(super) fn commit(&mut self, outcome: &Outcome, wall: WallTime) -> Committed {
        debug_assert!(outcome_is_whole(outcome), "{outcome:?}");
        let IdempotencyKey { chunk, generation, .. } = outcome.key;
        if self.cancelled {
            return Committed::Dropped;
        }
        if !self.settled.insert((chunk, generation)) {
            self.duplicates_dropped += 1;
            return Committed::Duplicate;
        }
        let completed = outcome.completed();
        self.parameters.completed += completed;
        if generation == Generation(0) {
            self.parameters.dead += outcome.dead.count();
            self.originals.insert(chunk, completed > 0);
        } else {
            // They were counted as dead with their origin.
            self.parameters.dead = self.parameters.dead.saturating_sub(completed);
            if let Some(has_completed) = self.originals.get_mut(&chunk) {
                *has_completed |= completed > 0;
            }
        }
        let named = outcome.values.map(|kept| kept.id);
        self.values.retain(|at, _| at.key != outcome.key || Some(at.id) == named);
        self.last_commit = Some(wall);
        self.outcomes.push(wire::encode(outcome));
        Committed::First
    }

    pub(super) fn store_values(&mut self, record: &ValuesRecord) {
        let IdempotencyKey { chunk, generation, .. } = record.at.key;
        if !self.cancelled && !self.settled.contains(&(chunk, generation)) {
            self.values.insert(record.at, wire::encode(record));
        }
    }

    /// The bytes of a record.
    pub(super) fn values(&self, at: &ValuesAt) -> Option<&[u8]> {
        self.values.get(at).map(Vec::as_slice)
    }

    pub(super) fn progress(&self, open: &OpenChunks) -> JobProgress {
        let total = self.job.spec.chunks_total();
        let settled = self.originals.len() as u64;
        let completed = self.originals.values().filter(|completed| **completed).count() as u64;
        let nothing_open = open.ready + open.in_flight + open.delayed == 0;
        JobProgress {
            state: match (self.cancelled, settled == total && nothing_open) {
                (true, _) => JobState::Cancelled,
                (false, true) => JobState::Complete,
                (false, false) => JobState::Running,
            },
            published: self.published_to,
            chunks: ChunkCounts {
                total,
                completed,
                dead: settled - completed,
                ready: open.ready,
                in_flight: open.in_flight,
                delayed: open.delayed,
                redelivered: self.redelivered,
                duplicates_dropped: self.duplicates_dropped,
            },
            parameters: self.parameters,
            last_commit: self.last_commit,
        }
    }

    /// A cursor is the number of outcomes before it.
    pub(super) fn outcomes(
        &self,
        OutcomeCursor(from): OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.outcomes.len());
        let (mut to, mut bytes) = (from, 0);
        for record in self.outcomes[from..].iter().take(limit) {
            bytes += record.len();
            if bytes > OUTCOME_PAGE_BYTES_MAX && to > from {
                break;
            }
            to += 1;
        }
        let decode = |bytes: &Vec<u8>| {
            wire::decode(bytes).map_err(|cause| BrokerError::Record { job: self.job.uid, cause })
        };
        Ok(OutcomePage {
            outcomes: self.outcomes[from..to].iter().map(decode).collect::<Result<_, _>>()?,
            next: (to < self.outcomes.len()).then_some(OutcomeCursor(to as u64)),
        })
    }
}
