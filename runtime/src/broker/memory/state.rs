//! What the broker decides: no async, no clock. Time comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ledger::{Ledger, OpenChunks};
use crate::broker::port::{
    Committed, Nack, Published, Registered, Renewed, Settled, VALUES_PAGE_BYTES_MAX,
};
use crate::broker::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::{Chunk, IdempotencyKey};
use crate::clock::{Timestamp, WallTime};
use crate::delivery::{Credit, Delivery, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid, WorkerId};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire;

#[derive(Clone, Default)]
pub(super) struct State {
    /// In the order of their registration.
    jobs: Vec<Ledger>,
    /// Chunks without an outcome.
    open: BTreeMap<IdempotencyKey, OpenChunk>,
    /// The same chunks by when they may be delivered next, the longest due first.
    queue: BTreeSet<(Timestamp, IdempotencyKey)>,
    /// Counts deliveries; no two have the same number.
    fence: u64,
    beats: BTreeMap<WorkerId, (Timestamp, Beat)>,
}

#[derive(Clone)]
struct OpenChunk {
    chunk: Chunk,
    /// When it may be delivered next: the end of its wait or of its lease.
    due: Timestamp,
    place: Place,
    /// See [`Delivery::suspect`].
    suspect: bool,
}

#[derive(Clone, PartialEq)]
enum Place {
    Waiting { after_failure: bool },
    Leased { worker: WorkerId, fence: u64 },
}

impl State {
    /// What `earlier` was. Deliveries made since then are forgotten, yet none after it has the
    /// number of one of them.
    pub(super) fn go_back_to(&mut self, earlier: &Self) {
        let fence = self.fence;
        self.clone_from(earlier);
        self.fence = fence;
    }

    pub(super) fn register(&mut self, job: &JobRecord) -> Registered {
        if let Some(existing) = self.job(&job.name) {
            return Registered::Existing(Box::new(existing));
        }
        self.jobs.push(Ledger::open(job.clone()));
        Registered::New
    }

    pub(super) fn job(&self, name: &JobName) -> Option<JobRecord> {
        let ledger = self.jobs.iter().find(|ledger| ledger.job.name == *name)?;
        Some(ledger.job.clone())
    }

    pub(super) fn jobs(&self) -> Vec<JobRecord> {
        self.jobs.iter().map(|ledger| ledger.job.clone()).collect()
    }

    fn ledger(&self, job: JobUid) -> Option<&Ledger> {
        self.jobs.iter().find(|ledger| ledger.job.uid == job)
    }

    fn ledger_mut(&mut self, job: JobUid) -> Option<&mut Ledger> {
        self.jobs.iter_mut().find(|ledger| ledger.job.uid == job)
    }

    /// All or nothing.
    pub(super) fn publish(
        &mut self,
        chunks: &[Chunk],
        now: Timestamp,
    ) -> Result<Published, BrokerError> {
        let gone = |job| self.ledger(job).is_none_or(|ledger| ledger.cancelled);
        if let Some(job) = chunks.iter().map(|chunk| chunk.key.job).find(|job| gone(*job)) {
            return Err(BrokerError::JobGone { job });
        }
        let mut published = Published::default();
        for chunk in chunks {
            let ledger = self.ledger_mut(chunk.key.job);
            if ledger.is_some_and(|ledger| ledger.publish(chunk.key)) {
                published.added += 1;
                let place = Place::Waiting { after_failure: false };
                self.put(chunk.clone(), now, place, false);
            } else {
                published.present += 1;
            }
        }
        Ok(published)
    }

    fn put(&mut self, chunk: Chunk, due: Timestamp, place: Place, suspect: bool) {
        let key = chunk.key;
        self.queue.insert((due, key));
        self.open.insert(key, OpenChunk { chunk, due, place, suspect });
    }

    fn take(&mut self, key: IdempotencyKey) -> Option<OpenChunk> {
        let open = self.open.remove(&key)?;
        self.queue.remove(&(open.due, key));
        Some(open)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|(due, _)| *due)
    }

    pub(super) fn receive(
        &mut self,
        credit: Credit,
        worker: &WorkerId,
        now: Timestamp,
        lease: Duration,
    ) -> Vec<Delivery> {
        let due = self.queue.iter().take_while(|(due, _)| *due <= now);
        let keys: Vec<_> = due.take(credit.get() as usize).map(|(_, key)| *key).collect();
        let deliver = |key| self.deliver(key, worker, now, lease);
        keys.into_iter().filter_map(deliver).collect()
    }

    fn deliver(
        &mut self,
        key: IdempotencyKey,
        worker: &WorkerId,
        now: Timestamp,
        lease: Duration,
    ) -> Option<Delivery> {
        let OpenChunk { mut chunk, due, place, suspect } = self.take(key)?;
        let silent = matches!(place, Place::Leased { .. });
        let suspect = suspect || silent;
        if silent {
            chunk.counters.silent_deliveries = chunk.counters.silent_deliveries.saturating_add(1);
        }
        if silent || place == (Place::Waiting { after_failure: true }) {
            self.ledger_mut(key.job)?.redelivered += 1;
        }
        self.fence += 1;
        let fence = self.fence;
        let worker = worker.clone();
        let place = Place::Leased { worker, fence };
        self.put(chunk.clone(), now.after(lease), place, suspect);
        Some(Delivery {
            chunk,
            receipt: Receipt { key, token: [fence, 0] },
            suspect,
            waited: now.since(due),
        })
    }

    /// Takes a delivery that is still `worker`'s out of its place. An ended lease is its holder's
    /// until another takes it over.
    fn take_held(&mut self, receipt: &Receipt, worker: &WorkerId) -> Option<OpenChunk> {
        let held = Place::Leased { worker: worker.clone(), fence: receipt.token[0] };
        let open = self.open.get(&receipt.key)?;
        (open.place == held).then(|| self.take(receipt.key))?
    }

    pub(super) fn renew(
        &mut self,
        receipt: &Receipt,
        worker: &WorkerId,
        lease_end: Timestamp,
    ) -> Renewed {
        match self.take_held(receipt, worker) {
            None => Renewed::Lost,
            Some(OpenChunk { chunk, place, suspect, .. }) => {
                self.put(chunk, lease_end, place, suspect);
                Renewed::Held
            }
        }
    }

    pub(super) fn store_values(&mut self, records: &[ValuesRecord]) {
        for record in records {
            if let Some(ledger) = self.ledger_mut(record.at.key.job) {
                ledger.store_values(record);
            }
        }
    }

    pub(super) fn values(
        &self,
        places: &[ValuesAt],
    ) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for at in places {
            let job = at.key.job;
            let record = self.ledger(job).and_then(|ledger| ledger.values(at));
            bytes += record.map_or(0, <[u8]>::len);
            if bytes > VALUES_PAGE_BYTES_MAX && !found.is_empty() {
                break;
            }
            let decode =
                |bytes| wire::decode(bytes).map_err(|cause| BrokerError::Record { job, cause });
            found.push(record.map(decode).transpose()?);
        }
        Ok(found)
    }

    /// Whoever holds the chunk's lease: an outcome is a pure function of its chunk.
    pub(super) fn commit(&mut self, outcome: &Outcome, wall: WallTime) -> Committed {
        let Some(ledger) = self.ledger_mut(outcome.key.job) else {
            return Committed::Dropped;
        };
        let committed = ledger.commit(outcome, wall);
        if committed == Committed::First {
            self.take(outcome.key);
        }
        committed
    }

    pub(super) fn nack(&mut self, nack: &Nack, worker: &WorkerId, now: Timestamp) -> Settled {
        let Some(OpenChunk { mut chunk, .. }) = self.take_held(&nack.receipt, worker) else {
            return Settled::Stale;
        };
        chunk.counters.failures = chunk.counters.failures.saturating_add(1);
        chunk.last_failure = Some(nack.failure.clone());
        let due = now.after(nack.retry_in);
        self.put(chunk, due, Place::Waiting { after_failure: true }, false);
        Settled::Applied
    }

    pub(super) fn give_back(
        &mut self,
        receipt: &Receipt,
        worker: &WorkerId,
        due: Timestamp,
    ) -> Settled {
        let Some(OpenChunk { mut chunk, suspect, .. }) = self.take_held(receipt, worker) else {
            return Settled::Stale;
        };
        chunk.counters.give_backs = chunk.counters.give_backs.saturating_add(1);
        self.put(chunk, due, Place::Waiting { after_failure: false }, suspect);
        Settled::Applied
    }

    pub(super) fn give_back_strays(
        &mut self,
        held: &[Receipt],
        worker: &WorkerId,
        now: Timestamp,
    ) -> u64 {
        let receipt = |(key, open): (&IdempotencyKey, &OpenChunk)| match &open.place {
            Place::Leased { worker: holder, fence } if holder == worker => {
                Some(Receipt { key: *key, token: [*fence, 0] })
            }
            _ => None,
        };
        let mine = self.open.iter().filter_map(receipt);
        let strays: Vec<_> = mine.filter(|receipt| !held.contains(receipt)).collect();
        for stray in &strays {
            self.give_back(stray, worker, now);
        }
        strays.len() as u64
    }

    fn open_chunks(&self, job: JobUid) -> impl Iterator<Item = &OpenChunk> {
        self.open.values().filter(move |open| open.chunk.key.job == job)
    }

    pub(super) fn progress(&self, job: JobUid, now: Timestamp) -> Option<JobProgress> {
        let mut counts = OpenChunks::default();
        for open in self.open_chunks(job) {
            match open.place {
                Place::Leased { .. } => counts.in_flight += 1,
                Place::Waiting { .. } if open.due <= now => counts.ready += 1,
                Place::Waiting { .. } => counts.delayed += 1,
            }
        }
        Some(self.ledger(job)?.progress(&counts))
    }

    /// Of an unknown job, none.
    pub(super) fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        match self.ledger(job) {
            Some(ledger) => ledger.outcomes(cursor, limit),
            None => Ok(OutcomePage { outcomes: Vec::new(), next: None }),
        }
    }

    pub(super) fn cancel(&mut self, job: JobUid) -> bool {
        let Some(ledger) = self.ledger_mut(job) else {
            return false;
        };
        ledger.cancelled = true;
        self.drop_open(job);
        true
    }

    pub(super) fn purge(&mut self, job: JobUid) -> bool {
        self.drop_open(job);
        let before = self.jobs.len();
        self.jobs.retain(|ledger| ledger.job.uid != job);
        self.jobs.len() < before
    }

    fn drop_open(&mut self, job: JobUid) {
        let keys: Vec<_> = self.open_chunks(job).map(|open| open.chunk.key).collect();
        for key in keys {
            self.take(key);
        }
    }

    pub(super) fn beat(&mut self, beat: &Beat, now: Timestamp) {
        self.beats.insert(beat.worker.clone(), (now, beat.clone()));
    }

    pub(super) fn beats(&self, within: Duration, now: Timestamp) -> Vec<Beat> {
        let seen = self.beats.values().filter(|(at, _)| now.since(*at) <= within);
        seen.map(|(_, beat)| beat.clone()).collect()
    }
}
